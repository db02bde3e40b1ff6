package config

import (
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"warren/ike"
	"warren/ike/trust"
)

// certificates reads what an identity has for and against certificates.
func (b *builder) certificates(id *Identity, o object) {
	certs := b.ownCertificate(id, o)
	key, hasKey := b.privateKey(o)
	switch {
	case id.HasCert() && !hasKey:
		o.fail("add key: FILE, its private key", "%s has a certificate and no key", o.what)
	case hasKey && !id.HasCert():
		o.fail("add cert: FILE, the certificate of that key", "%s has a key and no certificate", o.what)
	case len(certs) > 0 && key != nil:
		b.credential(id, certs, key, o)
	}
	b.trusted(id, o)
}

// ownCertificate reads cert: the identity's certificate, and those above it.
func (b *builder) ownCertificate(id *Identity, o object) []*x509.Certificate {
	v, ok := o.get("cert")
	if !ok {
		return nil
	}
	id.hasCert = true
	name, certs := b.certFile(v)
	if len(certs) == 0 {
		return nil
	}
	id.Chain = certs
	b.keep(OwnFile, name).Certs = certs
	b.judgeTimes(v, name, certs[0], "no peer believes it")
	if parsed, err := ike.ParseID(id.ID); id.ID != "" && err == nil && parsed.BoundTo(certs[0]) != nil {
		b.fail(o.keys["cert"], "write one of these as id, or have a certificate issued for "+id.ID,
			"%s is %s, which %s is not for: it is for %s", o.what, id.ID, name, trust.Names(certs[0]))
	}
	return certs
}

// certFile reads the certificates in the file that v names.
func (b *builder) certFile(v value) (path string, certs []*x509.Certificate) {
	name, ok := v.text()
	if !ok {
		return "", nil
	}
	path = b.beside(name)
	src, err := readFile(path)
	if err != nil {
		v.fail("put the certificate there, in PEM or DER", "%s: %s: %v", v.what, path, err)
		return path, nil
	}
	if certs, err = trust.ParseCertificates(src); err != nil {
		v.fail("use a certificate in PEM or DER", "%s: %s: %s", v.what, path, reason(err))
	}
	return path, certs
}

// reason is err without the name of the package that it comes from.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "trust: ") }

// judgeTimes warns of a certificate that is not good at the moment, or not for
// long. It is no error: other identities go on working.
func (b *builder) judgeTimes(v value, path string, c *x509.Certificate, so string) {
	now, term := b.now(), trust.TermOf(c)
	switch level := term.Level(now); {
	case now.Before(c.NotBefore):
		b.warn(v.at, "check the clock, or wait", "%s: %s is not valid before %s: %s", v.what, path, c.NotBefore.UTC().Format(time.RFC3339), so)
	case level == trust.Over:
		b.warn(v.at, "have it renewed", "%s: %s %s: %s", v.what, path, term.Left(now), so)
	case level > 0:
		b.warn(v.at, "have it renewed", "%s: %s %s", v.what, path, term.Left(now))
	}
}

func (b *builder) now() time.Time {
	if b.opt.Now.IsZero() {
		return time.Now()
	}
	return b.opt.Now
}

// keep remembers what was read from path for the last identity.
func (b *builder) keep(kind FileKind, path string) *CertFile {
	id := b.Identities[len(b.Identities)-1]
	id.Files = append(id.Files, CertFile{Kind: kind, Path: path})
	return &id.Files[len(id.Files)-1]
}

// privateKey reads key; nil where it is not wanted or not good.
func (b *builder) privateKey(o object) (key crypto.Signer, has bool) {
	v, ok := o.get("key")
	if !ok {
		return nil, false
	}
	src := b.secretFile(v, "private key")
	defer clear(src)
	if src == nil {
		return nil, true
	}
	key, err := trust.ParseKey(src)
	if err != nil {
		v.fail("use an unencrypted key in PEM, as openssl genpkey or warren pki writes it", "%s: %s", v.what, reason(err))
		return nil, true
	}
	return key, true
}

func (b *builder) credential(id *Identity, certs []*x509.Certificate, key crypto.Signer, o object) {
	var err error
	if id.Cert, err = trust.NewCredential(certs, key); err != nil {
		fix := "use another key"
		if errors.Is(err, trust.ErrMismatch) {
			fix = "name the key that the certificate was issued for; it goes first in its file"
		}
		b.fail(o.keys["key"], fix, "%s: %s", o.what, reason(err))
	}
}

// trusted reads ca, crl and revocation.
func (b *builder) trusted(id *Identity, o object) {
	var t trust.Options
	ca, ok := o.get("ca")
	if id.hasCA = ok; ok {
		for _, item := range ca.items() {
			item.what = ca.what
			t.Anchors = append(t.Anchors, b.anchors(item)...)
		}
	}
	v, said := o.get("revocation")
	if said {
		word, _ := v.word("soft", "strict", "off")
		t.Revocation = map[string]trust.Revocation{"strict": trust.Strict, "off": trust.Off}[word]
	}
	lists, said2 := o.get("crl")
	if said2 {
		for _, item := range lists.items() {
			item.what = lists.what
			t.CRLs = append(t.CRLs, b.crl(item, t.Anchors)...)
		}
	}
	if (said || said2) && !ok {
		o.fail("add ca: [FILE], or delete crl and revocation", "%s has no ca, so no certificate is ever checked for revocation", o.what)
	}
	if len(t.Anchors) > 0 {
		id.Trust = &t
	}
}

// anchors reads one file of trust anchors.
func (b *builder) anchors(v value) []*x509.Certificate {
	path, certs := b.certFile(v)
	for _, c := range certs {
		if _, err := trust.New(trust.Options{Anchors: []*x509.Certificate{c}}); err != nil {
			v.fail("use an authority with an RSA key of 2048 bits, an ECDSA or an Ed25519 key", "%s: %s: %s", v.what, path, reason(err))
			return nil
		}
		b.judgeTimes(v, path, c, "nothing that it issued is believed")
	}
	b.keep(CAFile, path).Certs = certs
	return certs
}

// crl reads one file with a revocation list.
func (b *builder) crl(v value, anchors []*x509.Certificate) []*x509.RevocationList {
	name, ok := v.text()
	if !ok {
		return nil
	}
	if strings.Contains(name, "://") {
		v.fail("delete it: the URLs in certificates are fetched from by themselves", "%s is a URL; files are wanted", v.what)
		return nil
	}
	path := b.beside(name)
	src, err := readFile(path)
	if err != nil {
		v.fail("put the revocation list there, in PEM or DER", "%s: %s: %v", v.what, path, err)
		return nil
	}
	l, err := trust.ParseCRL(src)
	if err != nil {
		v.fail("use a complete revocation list in PEM or DER", "%s: %s: %s", v.what, path, reason(err))
		return nil
	}
	for _, c := range anchors {
		if string(c.RawSubject) == string(l.RawIssuer) && l.CheckSignatureFrom(c) != nil {
			b.warn(v.at, "take it from the authority again", "%s: %s is not signed by the authority in ca that it names", v.what, path)
		}
	}
	if term := trust.ListTerm(l); term.Level(b.now()) > 0 {
		b.warn(v.at, "take it from the authority again", "%s: %s %s", v.what, path, term.Left(b.now()))
	}
	b.keep(CRLFile, path).CRL = l
	return []*x509.RevocationList{l}
}
