package config

import (
	"fmt"
	"strings"
	"time"

	"warren/ike"
	"warren/ike/crypt"
	"warren/ike/message"
)

// named calls each for every member of a mapping of named things.
func (b *builder) named(top object, key, kind string, each func(name string, e entry)) {
	v, ok := top.get(key)
	if !ok {
		return
	}
	v.what = key
	entries, ok := v.entries()
	if !ok {
		return
	}
	for _, e := range entries {
		if !goodName(e.key) {
			b.fail(e.at, "use letters, digits, dot, dash and underscore", "%q cannot be the name of a %s", e.key, kind)
			continue
		}
		e.value.what = kind + " " + e.key
		if e.value.empty() {
			b.fail(e.at, "write {...} with its keys, or delete the name", "%s is empty", e.value.what)
			continue
		}
		each(e.key, e)
	}
}

func (b *builder) identities(top object) {
	b.named(top, "identities", "identity", func(name string, e entry) {
		id := &Identity{Name: name, Pos: b.pos(e.at)}
		b.Identities = append(b.Identities, id)
		o, ok := e.value.object("identities.*")
		if !ok {
			return
		}
		if v, ok := o.need("id", "id: NAME.EXAMPLE"); ok {
			id.ID, _ = v.identity()
		}
		id.PSK = b.psk(o)
		id.hasSecret = o.saysSecret()
		id.PPK = b.ppk(o)
		b.certificates(id, o)
	})
}

// identity is an identity as IKE knows them.
func (v value) identity() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if _, err := ike.ParseID(s); err != nil {
		v.fail("write a name, an address, user@host, C=CH, CN=NAME or keyid:TEXT", "%s: %s", v.what, strings.TrimPrefix(err.Error(), "ike: "))
		return "", false
	}
	return s, true
}

// identityOf is the identity that o names, or the only one there is.
func (b *builder) identityOf(o object) *Identity {
	v, ok := o.get("identity")
	if !ok {
		if _, empty := o.fields["identity"]; empty {
			return nil
		}
		switch len(b.Identities) {
		case 0:
			o.fail("add identities: {self: {id: NAME, psk_file: FILE}}", "%s needs an identity, and there are none", o.what)
			return nil
		case 1:
			b.used["identity "+b.Identities[0].Name] = true
			return b.Identities[0]
		}
		o.fail("add identity: "+orList(b.identityNames()), "%s does not say which identity this node has towards it", o.what)
		return nil
	}
	s, ok := v.text()
	if !ok {
		return nil
	}
	for _, id := range b.Identities {
		if id.Name == s {
			b.used["identity "+s] = true
			return id
		}
	}
	v.fail(didYouMean(s, b.identityNames(), "identities"), "%s is %q, which is not there", v.what, s)
	return nil
}

func (b *builder) identityNames() []string {
	var names []string
	for _, id := range b.Identities {
		names = append(names, id.Name)
	}
	return names
}

// didYouMean is the way out for a name that is not in a section.
func didYouMean(name string, known []string, section string) string {
	if n := nearest(name, known); n != "" {
		return "write " + n
	}
	if len(known) == 0 {
		return fmt.Sprintf("add %s to %s", name, section)
	}
	return fmt.Sprintf("write %s, or add %s to %s", orList(known), name, section)
}

// defaultProfile is for those that name none.
func defaultProfile() *Profile {
	return &Profile{
		Name:  "default",
		IKE:   crypt.DefaultIKE(),
		ESP:   crypt.DefaultESP(),
		Rekey: Rekey{IKE: 4 * time.Hour, Child: time.Hour},
	}
}

func (b *builder) profiles(top object) {
	b.named(top, "profiles", "profile", func(name string, e entry) {
		p := defaultProfile()
		p.Name, p.Pos = name, b.pos(e.at)
		b.Profiles = append(b.Profiles, p)
		o, ok := e.value.object("profiles.*")
		if !ok {
			return
		}
		if v, ok := o.get("ike"); ok {
			p.IKE = v.proposals(crypt.ParseIKE)
		}
		if v, ok := o.get("esp"); ok {
			p.ESP = v.proposals(parseESP)
		}
		if v, ok := o.get("rekey"); ok {
			p.Rekey = v.rekey(p.Rekey)
		}
	})
}

// parseESP reads a proposal whose ciphers are all ones that package esp has: IKE
// knows more.
func parseESP(s string) (crypt.Proposal, error) {
	p, err := crypt.ParseESP(s)
	if err != nil {
		return p, err
	}
	for _, e := range p.Encr {
		if e.ID != message.EncrAESGCM16 && e.ID != message.EncrChaCha20Poly1305 {
			return p, fmt.Errorf("%q is not available for esp: take aes128gcm16, aes192gcm16, aes256gcm16 or chacha20poly1305", s)
		}
	}
	return p, nil
}

func (v value) proposals(parse func(string) (crypt.Proposal, error)) []crypt.Proposal {
	var out []crypt.Proposal
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			continue
		}
		p, err := parse(s)
		if err != nil {
			item.fail("write algorithms with dashes between, like aes128gcm16-prfsha256-x25519 for ike or aes128gcm16-esn for esp",
				"%s: %s", v.what, strings.TrimPrefix(err.Error(), "ike/crypt: "))
			continue
		}
		out = append(out, p)
	}
	if seq := v.items(); len(seq) == 0 {
		v.fail("name an algorithm or delete the key", "%s is an empty list", v.what)
	}
	return out
}

func (v value) rekey(r Rekey) Rekey {
	o, ok := v.object("profiles.*.rekey")
	if !ok {
		return r
	}
	o.durationInto("time", &r.Child, time.Second, false)
	o.durationInto("ike", &r.IKE, time.Second, false)
	o.durationInto("reauth", &r.Reauth, time.Second, true)
	if v, ok := o.get("bytes"); ok {
		if n, ok := v.size(); ok && n > 0 && n < 1<<20 {
			v.fail("write 1MiB or more", "%s is %d bytes, so few that SAs would be replaced all the time", v.what, n)
		} else if ok {
			r.Bytes = n
		}
	}
	if v, ok := o.get("packets"); ok {
		if n, ok := v.count(); ok && n > 0 && n < 1000 {
			v.fail("write 1000 or more", "%s is %d, so few that SAs would be replaced all the time", v.what, n)
		} else if ok {
			r.Packets = n
		}
	}
	return r
}

// profileOf is the profile that o names, or the one called default, or the
// built-in one.
func (b *builder) profileOf(o object) *Profile {
	name := "default"
	v, said := o.get("profile")
	if said {
		var ok bool
		if name, ok = v.text(); !ok {
			return defaultProfile()
		}
	}
	var names []string
	for _, p := range b.Profiles {
		if p.Name == name {
			b.used["profile "+name] = true
			return p
		}
		names = append(names, p.Name)
	}
	if said && name != "default" {
		v.fail(didYouMean(name, names, "profiles"), "%s is %q, which is not there", v.what, name)
	}
	return defaultProfile()
}
