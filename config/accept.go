package config

import (
	"path"
	"time"

	"warren/policy"
)

func (b *builder) accepts(top object) {
	v, ok := top.get("accept")
	if !ok {
		return
	}
	for _, item := range v.items() {
		item.what = item.called("accept entry", "name")
		o, ok := item.object("accept[]")
		if !ok {
			continue
		}
		a := &Accept{Liveness: b.Liveness, ReplayWindow: b.ReplayWindow, Local: policy.Everything(), Pos: b.pos(item.at)}
		if v, ok := o.need("name", "name: NAME"); ok {
			a.Name, _ = v.name()
			b.uniqueAccept(v, a.Name)
		}
		b.at[a] = o.keys
		b.accept(a, o)
		b.Accept = append(b.Accept, a)
	}
}

func (b *builder) uniqueAccept(v value, name string) {
	for _, a := range b.Accept {
		if a.Name == name && name != "" {
			v.fail("give one of them another name", "accept entry %s is here a second time; the first is at %s", name, a.Pos)
		}
	}
}

func (b *builder) accept(a *Accept, o object) {
	a.Identity = b.identityOf(o)
	a.Profile = b.profileOf(o)
	if v, ok := o.need("ids", `ids: ["*.example"]`); ok {
		a.IDs = v.patterns()
	}
	if v, ok := o.get("pool"); ok {
		a.Pool = v.prefixes()
	}
	if v, ok := o.get("local"); ok {
		a.Local = v.selectors()
	}
	if v, ok := o.get("remote"); ok {
		a.Remote = v.selectors()
	}
	b.modes(a, o)
	b.acceptUsers(a, o)
	b.acceptSecrets(a, o)
	b.acceptPPKs(a, o)
	a.MOBIKE, a.Resumption = true, true
	o.booleanInto("resumption", &a.Resumption)
	o.booleanInto("mobike", &a.MOBIKE)
	o.durationInto("liveness", &a.Liveness, 100*time.Millisecond, true)
	o.intInto("replay_window", &a.ReplayWindow, 64, 65536)
}

// patterns are shell patterns for identities.
func (v value) patterns() []string {
	var out []string
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			continue
		}
		if _, err := path.Match(s, ""); err != nil || s == "" {
			item.fail("write a name, or a pattern like *.example", "%s is %q, not a pattern", v.what, s)
			continue
		}
		out = append(out, s)
	}
	if len(v.items()) == 0 {
		v.fail(`write which peers may come in, like ["*.example"]`, "%s is an empty list", v.what)
	}
	return out
}

func (b *builder) modes(a *Accept, o object) {
	v, ok := o.get("modes")
	if !ok {
		a.Tunnel, a.Transport = true, true
		return
	}
	for _, item := range v.items() {
		word, _ := item.word("tunnel", "transport")
		a.Tunnel = a.Tunnel || word == "tunnel"
		a.Transport = a.Transport || word == "transport"
	}
	if len(v.items()) == 0 {
		v.fail("write tunnel, transport, or both", "%s is an empty list", v.what)
	}
}

// acceptSecrets reads the secrets of the peers that a is for. With a
// secrets_file the identity's own secret is not used.
func (b *builder) acceptSecrets(a *Accept, o object) {
	v, ok := o.get("secrets_file")
	id := a.Identity
	if ok {
		if id != nil && !a.needsPSK() {
			v.fail("delete it, or name an identity without cert and ca", "%s is not used: with identity %s both sides use certificates", v.what, id.Name)
		}
		a.Secrets = b.secretsFile(v)
		return
	}
	if id == nil || !a.needsPSK() {
		return
	}
	a.PSK = id.PSK
	if !id.hasSecret {
		if id.hasCert {
			o.fail("add ca to identity "+id.Name+" for peers with certificates, or psk_file for peers without",
				"%s cannot let anybody in: identity %s has a certificate, but neither ca nor a secret", o.what, id.Name)
			return
		}
		o.fail("add secrets_file, or psk_file to identity "+a.Identity.Name,
			"%s has no secrets_file, and identity %s has no secret, so nobody could come in", o.what, a.Identity.Name)
	}
}
