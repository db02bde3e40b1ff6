package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"warren/pki"
)

func TestParseKey(t *testing.T) {
	key := aKey().(*ecdsa.PrivateKey)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	pkcs8 := must(pki.KeyPEM(key))
	sec1 := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
	params := block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, data := range map[string][]byte{
		"PKCS #8": pkcs8, "SEC 1": sec1, "SEC 1 after its parameters": slices.Concat(params, sec1),
		"with text around":    slices.Concat([]byte("my key\n"), pkcs8, []byte("the end\n")),
		"after a certificate": slices.Concat(block("CERTIFICATE", []byte{1}), pkcs8),
	} {
		if k, err := ParseKey(data); err != nil || !key.PublicKey.Equal(k.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	rsaKey := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weakKey()))
	if k, err := ParseKey(rsaKey); err != nil || !weakKey().PublicKey.Equal(k.Public()) {
		t.Errorf("PKCS #1: %v", err)
	}
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"nothing": {nil, errNoKey}, "text": {[]byte("secret words"), errNoKey}, "DER": {must(x509.MarshalPKCS8PrivateKey(key)), errNoKey},
		"two": {slices.Concat(pkcs8, sec1), errManyKeys}, "encrypted": {block("ENCRYPTED PRIVATE KEY", []byte{1}), errEncrypted},
		"encrypted in the old way": {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}}), errEncrypted},
		"malformed":                {block("PRIVATE KEY", []byte("secret words")), errBadKey},
		"a public key":             {block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key.Public()))), errNoKey},
		"another kind":             {bytes.ReplaceAll(sec1, []byte("EC PRIVATE"), []byte("RSA PRIVATE")), errBadKey},
	} {
		if k, err := ParseKey(tt.data); err != tt.want || k != nil {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestParseCertificates(t *testing.T) {
	root, sub := authorities()
	two := pki.CertPEM(sub.Cert, root.Cert)
	for name, tt := range map[string]struct {
		data []byte
		n    int
	}{
		"PEM": {pki.CertPEM(root.Cert), 1}, "two": {two, 2}, "DER": {root.Cert.Raw, 1},
		"key beside it": {slices.Concat(must(pki.KeyPEM(aKey())), two), 2},
		"nothing":       {nil, 0}, "text": {[]byte("0 certificates"), 0}, "cut": {root.Cert.Raw[:100], 0},
		"too many": {bytes.Repeat(pki.CertPEM(root.Cert), MaxFileCerts+1), 0},
		"bad one":  {append(pki.CertPEM(root.Cert), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})...), 0},
	} {
		certs, err := ParseCertificates(tt.data)
		if len(certs) != tt.n || (err == nil) != (tt.n > 0) {
			t.Errorf("%s: %d, %v", name, len(certs), err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "trust: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzPEM has any octets for files.
func FuzzPEM(f *testing.F) {
	root, _ := authorities()
	f.Add(pki.CertPEM(root.Cert))
	f.Add(must(pki.KeyPEM(aKey())))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := ParseKey(data); (k == nil) == (err == nil) {
			t.Error(err)
		}
		if c, err := ParseCertificates(data); (len(c) == 0) == (err == nil) {
			t.Error(err)
		}
	})
}
