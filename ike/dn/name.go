package dn

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrMalformed means that octets are not the DER encoding of a name.
var ErrMalformed = errors.New("dn: not a distinguished name")

// A Name is a sequence of relative distinguished names, each a set of
// attributes, sorted. The zero Name is the empty one.
type Name [][]Attribute

// An Attribute is a type and its value.
type Attribute struct {
	OID   string // dotted
	Value string // its characters, or where it is no string its DER in hex
	IsDER bool   // Value is in hex
}

// MaxAttributes bounds the attributes of a name.
const MaxAttributes = 64

// Parse decodes a name. It wants all of der.
func Parse(der []byte) (Name, error) {
	in := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, asn1.SEQUENCE) || !in.Empty() {
		return nil, ErrMalformed
	}
	name, count := Name{}, 0
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, asn1.SET) || set.Empty() {
			return nil, ErrMalformed
		}
		var rdn []Attribute
		for !set.Empty() {
			a, ok := readAttribute(&set)
			if count++; !ok || count > MaxAttributes {
				return nil, ErrMalformed
			}
			rdn = append(rdn, a)
		}
		slices.SortFunc(rdn, compare)
		name = append(name, rdn)
	}
	return name, nil
}

func compare(a, b Attribute) int {
	return strings.Compare(a.OID+"="+a.Value, b.OID+"="+b.Value)
}

func readAttribute(in *cryptobyte.String) (Attribute, bool) {
	var pair, oid, whole cryptobyte.String
	var tag asn1.Tag
	if !in.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		!pair.ReadAnyASN1Element(&whole, &tag) || !pair.Empty() {
		return Attribute{}, false
	}
	dotted, ok := dotted(oid)
	if !ok {
		return Attribute{}, false
	}
	raw := hex.EncodeToString(whole)
	var body cryptobyte.String
	if !whole.ReadASN1(&body, tag) {
		return Attribute{}, false
	}
	if s, ok := characters(tag, body); ok {
		return Attribute{OID: dotted, Value: s}, true
	}
	return Attribute{OID: dotted, Value: raw, IsDER: true}, true
}

// The string types that package asn1 of cryptobyte does not name.
const (
	numericString asn1.Tag = 18
	bmpString     asn1.Tag = 30
)

// characters is the text of a string type whose characters are well defined.
func characters(tag asn1.Tag, body []byte) (string, bool) {
	if len(body) == 0 {
		return "", false
	}
	switch tag {
	case asn1.UTF8String:
		return string(body), utf8.Valid(body)
	case asn1.PrintableString, asn1.IA5String, numericString:
		return string(body), !slices.ContainsFunc(body, func(c byte) bool { return c >= utf8.RuneSelf })
	case bmpString:
		if len(body)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(body)/2)
		for i := range units {
			units[i] = uint16(body[2*i])<<8 | uint16(body[2*i+1])
		}
		s := string(utf16.Decode(units))
		return s, !strings.ContainsRune(s, utf8.RuneError)
	}
	return "", false
}

// maxArc is the largest part of an object identifier that is understood.
const maxArc = 1<<40 - 1

// dotted is the text of an object identifier's contents.
func dotted(b []byte) (string, bool) {
	var arcs []string
	var n uint64
	for i, c := range b {
		if n == 0 && c == 0x80 && (i == 0 || b[i-1]&0x80 == 0) { // not the shortest form
			return "", false
		}
		n = n<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			if i == len(b)-1 || n > maxArc {
				return "", false
			}
			continue
		}
		if arcs == nil {
			first := min(n/40, 2)
			arcs = append(arcs, strconv.FormatUint(first, 10))
			n -= first * 40
		}
		if n > maxArc {
			return "", false
		}
		arcs = append(arcs, strconv.FormatUint(n, 10))
		n = 0
	}
	return strings.Join(arcs, "."), len(arcs) > 0
}

// Equal reports whether both are the same name.
func (n Name) Equal(o Name) bool {
	return slices.EqualFunc(n, o, func(a, b []Attribute) bool { return slices.Equal(a, b) })
}

// Within reports whether n is base or below it: base is where n begins.
func (n Name) Within(base Name) bool {
	return len(n) >= len(base) && n[:len(base)].Equal(base)
}

// Matches reports whether n is what pattern stands for: the same name, where a
// value that is "*" in the pattern stands for any characters.
func (n Name) Matches(pattern Name) bool {
	return slices.EqualFunc(n, pattern, func(a, b []Attribute) bool {
		return slices.EqualFunc(a, b, func(x, y Attribute) bool {
			return x == y || x.OID == y.OID && y.Value == "*" && !y.IsDER && !x.IsDER
		})
	})
}

// Fold returns n with what RFC 5280, Section 7.1 has compared as equal made
// equal: upper and lower case, and more or fewer blanks.
func (n Name) Fold() Name {
	out := make(Name, len(n))
	for i, rdn := range n {
		out[i] = slices.Clone(rdn)
		for j := range out[i] {
			if a := &out[i][j]; !a.IsDER {
				a.Value = strings.ToLower(strings.Join(strings.Fields(a.Value), " "))
			}
		}
		slices.SortFunc(out[i], compare)
	}
	return out
}

// IsText reports whether every value of n is a string.
func (n Name) IsText() bool {
	return !slices.ContainsFunc(n, func(rdn []Attribute) bool {
		return slices.ContainsFunc(rdn, func(a Attribute) bool { return a.IsDER })
	})
}
