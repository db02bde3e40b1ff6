package config

import (
	"fmt"
	"strings"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

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
		b.at[p] = o.keys
		if v, ok := o.get("ike"); ok {
			p.IKE = v.proposals(crypt.ParseIKE)
		}
		if v, ok := o.get("esp"); ok {
			p.ESP = v.proposals(crypt.ParseESP)
			b.warnWeak(v, p.ESP)
		}
		if v, ok := o.get("rekey"); ok {
			p.Rekey = v.rekey(p.Rekey)
			b.warnLong(v, p)
		}
	})
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
			item.fail("write algorithms with dashes between, like aes128gcm16-prfsha256-x25519 for ike or aes128gcm16-esn for esp, or aes128-sha256 for old peers",
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

// warnWeak warns of proposals at v that are there for old peers only.
func (b *builder) warnWeak(v value, proposals []crypt.Proposal) {
	for _, p := range proposals {
		for _, e := range p.Encr {
			if e.ID == message.EncrAESGCM8 {
				b.warn(v.at, "take gcm16 where the peer has it",
					"%s: %v has an ICV of 8 bytes, which RFC 8221 does not recommend: it is too easily forged", v.what, p)
				break
			}
		}
	}
}

// warnLong warns where the limit at v is beyond what one key of AES-CBC is for.
func (b *builder) warnLong(v value, p *Profile) {
	for _, proposal := range p.ESP {
		if most := suiteOf(proposal).MaxBytes(); most != 0 && p.Rekey.Bytes > most {
			b.warn(v.at, fmt.Sprintf("write %dTiB or less", most>>40),
				"%s: SAs with AES-CBC are replaced before they carry so much, as blocks of their ciphertext could be equal", v.what)
			return
		}
	}
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
