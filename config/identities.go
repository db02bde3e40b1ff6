package config

import (
	"fmt"
	"strings"

	"warren/ike"
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
		id.EAP = b.eap(id, o)
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
