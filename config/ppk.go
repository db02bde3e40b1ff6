package config

import (
	"fmt"
	"math"
	"strings"
	"unicode"
)

// A PPK is a post-quantum pre-shared key (RFC 8784).
type PPK struct {
	ID       string
	Secret   Secret // nil if secrets were not read
	Required bool   // no session without it
}

// maxPPKID is more than any identifier needs, and fits into every message.
const maxPPKID = 255

// leastPPK is the entropy in bits that a PPK should have (RFC 8784, Section 6).
const leastPPK = 256

func postQuantum() secretKind { return secretKind{"secret", "file", weakPPK} }

func weakPPK(s string) string {
	if entropy(s) >= leastPPK {
		return ""
	}
	return fmt.Sprintf("has less than %d bits of entropy, so that it does not protect from quantum computers (RFC 8784, Section 6)", leastPPK)
}

// entropy is at most how many bits s has if each of its characters was drawn from
// the smallest usual alphabet that has them all.
func entropy(s string) int {
	size := 256.0
	all := func(in func(r rune) bool) bool { return strings.IndexFunc(s, func(r rune) bool { return !in(r) }) < 0 }
	hex := func(letters string) func(r rune) bool {
		return func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune(letters, r) }
	}
	switch {
	case strings.Count(s, s[:min(1, len(s))]) == len(s):
		size = 1
	case all(unicode.IsDigit):
		size = 10
	case all(hex("abcdef")), all(hex("ABCDEF")):
		size = 16
	case all(unicode.IsLower), all(unicode.IsUpper):
		size = 26
	case all(func(r rune) bool { return r < unicode.MaxASCII && unicode.IsPrint(r) }):
		size = 64
	}
	return int(math.Log2(size) * float64(len(s)))
}

// ppk reads the PPK of an identity or a peer; nil if it has none.
func (b *builder) ppk(o object) *PPK {
	v, ok := o.get("ppk")
	if !ok {
		return nil
	}
	v.what = "ppk of " + o.what
	p, ok := v.object("ppk")
	if !ok {
		return nil
	}
	out := &PPK{Required: true}
	if v, ok := p.need("id", "id: NAME, by which the peer knows it"); ok {
		out.ID, ok = v.text()
		if ok && !goodPPKID(out.ID) {
			v.fail(fmt.Sprintf("write 1 to %d characters", maxPPKID), "%s cannot be the identifier of a PPK", v.what)
		}
	}
	out.Secret = b.secret(p, postQuantum())
	if _, inline := p.fields["secret"]; !inline {
		p.need("file", "file: FILE, or secret: TEXT")
	}
	p.booleanInto("required", &out.Required)
	return out
}

func goodPPKID(id string) bool { return id != "" && len(id) <= maxPPKID }

// acceptPPKs reads the PPKs that peers may come with: those of a file, or else the
// identity's.
func (b *builder) acceptPPKs(a *Accept, o object) {
	if v, ok := o.get("ppk_file"); ok {
		a.PPKs = b.secretLines(v, postQuantum(), "the identifier of a PPK", goodPPKID)
		a.PPKRequired = true
	} else if id := a.Identity; id != nil && id.PPK != nil {
		a.PPKs = map[string]Secret{id.PPK.ID: id.PPK.Secret}
		a.PPKRequired = id.PPK.Required
	} else if v, ok := o.get("ppk_required"); ok {
		v.fail("add ppk_file, or delete it", "%s has ppk_required, but no ppk_file, and its identity no ppk", o.what)
		return
	}
	o.booleanInto("ppk_required", &a.PPKRequired)
}
