package itest

import (
	"crypto"
	"fmt"

	"warren/lab"
	"warren/pki"
)

const interopSecret = "as public as this line"

// credentials make what the ends prove themselves by: one authority and one key of
// each kind, so that a run needs few RSA keys.
type credentials struct {
	authority *pki.Authority
	keys      map[string]crypto.Signer
}

func newCredentials() (*credentials, error) {
	ca, err := pki.NewAuthority(pki.Template{Subject: "CN=interop"})
	if err != nil {
		return nil, err
	}
	c := &credentials{authority: ca, keys: map[string]crypto.Signer{}}
	for auth, kind := range map[string]string{"RSA": "rsa-2048", "ECDSA": "ecdsa-p256", "Ed25519": "ed25519"} {
		if c.keys[auth], err = pki.NewKey(kind); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// of is what the initiator of a row has, and its responder.
func (c *credentials) of(r row, name string) (initiator, responder lab.Identity, err error) {
	one, other := r.proofs()
	big := r.beside == asBig
	if initiator, err = c.identity(name, idOf(name), one, other, big); err != nil {
		return initiator, responder, err
	}
	responder, err = c.identity(name, gatewayOf(name), other, one, big)
	return initiator, responder, err
}

// identity proves itself in one way, and has its peer do so in another.
func (c *credentials) identity(name, id, own, peers string, big bool) (lab.Identity, error) {
	out := lab.Identity{Name: name, ID: id}
	if own == "PSK" || peers == "PSK" {
		out.PSK = interopSecret
	}
	if peers != "PSK" {
		out.CA = pki.CertPEM(c.authority.Cert)
	}
	if own == "PSK" || own == byPassword {
		return out, nil
	}
	names := []string{id}
	for i := 0; big && i < 90; i++ {
		names = append(names, fmt.Sprintf("another-name-of-this-host-%03d.example", i))
	}
	pair, err := c.authority.Issue(pki.Template{Subject: "CN=" + id, DNS: names, Key: c.keys[keyOf(own)]})
	if err != nil {
		return out, err
	}
	out.Cert = pki.CertPEM(pair.Cert)
	out.Key, err = pki.KeyPEM(pair.Key)
	return out, err
}

// keyOf is the kind of key for a way to prove oneself.
func keyOf(auth string) string {
	if auth == byTLS {
		return "ECDSA"
	}
	return auth
}
