package config

import "fmt"

// An EAP is how an identity proves itself to the responders of its sessions, in
// place of a certificate or a pre-shared key (RFC 7296, Section 2.16).
type EAP struct {
	TLS      bool   // by its certificate; else by a password, with EAP-MSCHAPv2
	User     string // its name there
	Password Secret // nil with TLS, or if secrets were not read
	Server   string // what the authenticator must prove to be in TLS; empty is the peer itself
}

func password() secretKind { return secretKind{"password", "password_file", weakPassword} }

// leastPassword is the length under which tries in person find a password. Who
// only listens has none of its messages.
const leastPassword = 8

func weakPassword(s string) string {
	if len(s) >= leastPassword {
		return ""
	}
	return fmt.Sprintf("is shorter than %d characters and can be guessed", leastPassword)
}

// maxUser is as long as the name of a user may be (RFC 2865, Section 5.1).
const maxUser = 253

func goodUser(name string) bool { return name != "" && len(name) <= maxUser }

// eap reads how an identity proves itself by EAP; nil if it does not. Its
// certificates are known by now.
func (b *builder) eap(id *Identity, o object) *EAP {
	v, ok := o.get("eap")
	if !ok {
		return nil
	}
	v.what = "eap of " + o.what
	p, ok := v.object("eap")
	out := &EAP{User: id.ID}
	if !ok {
		return out
	}
	if v, ok := p.get("method"); ok {
		word, _ := v.word("mschapv2", "tls")
		out.TLS = word == "tls"
	}
	if v, ok := p.get("user"); ok {
		if out.User, ok = v.text(); ok && !goodUser(out.User) {
			v.fail(fmt.Sprintf("write 1 to %d characters", maxUser), "%s cannot be the name of a user", v.what)
		}
	}
	if out.Password = b.secret(p, password()); out.TLS {
		b.eapTLS(id, out, o, p)
		return out
	}
	if _, inline := p.fields["password"]; !inline {
		p.need("password_file", "password_file: FILE, or password: TEXT; or method: tls")
	}
	if v, ok := p.get("server"); ok {
		v.fail("delete it, or write method: tls", "%s is not used: with EAP-MSCHAPv2 the server has no name", v.what)
	}
	if !id.hasCA {
		b.warn(o.keys["eap"], "add ca: [FILE], so that peers prove themselves with certificates",
			"%s: peers prove themselves with a pre-shared key, and who has that can find the password", v.what)
	}
	return out
}

// eapTLS reads what belongs to EAP-TLS only.
func (b *builder) eapTLS(id *Identity, out *EAP, o, p object) {
	for _, key := range []string{"password", "password_file"} {
		if v, ok := p.fields[key]; ok {
			v.fail("delete it, or write method: mschapv2", "%s is not used: EAP-TLS is by certificate", v.what)
		}
	}
	if v, ok := p.get("server"); ok {
		out.Server, _ = v.identity()
	}
	if !id.hasCert || !id.hasCA {
		o.fail("add cert: FILE, key: FILE and ca: [FILE]", "%s proves itself by EAP-TLS, for which it needs a certificate and an authority", o.what)
	}
}

// acceptUsers reads the users that prove themselves by EAP-MSCHAPv2 to get in by a.
func (b *builder) acceptUsers(a *Accept, o object) {
	v, ok := o.get("users_file")
	if !ok {
		return
	}
	if a.Users = b.secretLines(v, password(), "the name of a user", goodUser); a.Users == nil {
		a.Users = map[string]Secret{}
	}
	if _, both := o.fields["secrets_file"]; both && a.Identity != nil && a.Identity.hasCert {
		o.fail("delete one of them", "%s has both users_file and secrets_file, and proves itself with a certificate", o.what)
	}
}
