package trust

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// MaxFileCerts bounds the certificates of one file.
const MaxFileCerts = 256

// ParseCertificates reads the certificates of a file, in PEM or one in DER.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, der := range blocks(data, "CERTIFICATE") {
		if len(certs) == MaxFileCerts {
			return nil, fmt.Errorf("trust: more than %d certificates", MaxFileCerts)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("trust: certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("trust: there is no certificate in it")
	}
	return certs, nil
}

// blocks are the contents of the PEM blocks of one type, or data itself where it
// is no PEM.
func blocks(data []byte, kind ...string) [][]byte {
	var out [][]byte
	some := false
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if some = true; slices.Contains(kind, b.Type) {
			out = append(out, b.Bytes)
		}
	}
	if !some && len(data) > 0 && data[0] == 0x30 { // a DER SEQUENCE
		return [][]byte{data}
	}
	return out
}

// Errors of ParseKey do not quote what they are about.
var (
	errNoKey     = errors.New("trust: there is no private key in it: PKCS #8, PKCS #1 or SEC 1 in PEM is wanted")
	errManyKeys  = errors.New("trust: there is more than one private key in it")
	errEncrypted = errors.New("trust: the private key is encrypted; warren has nobody to ask for the password")
	errBadKey    = errors.New("trust: the private key is malformed, or of a kind that is not supported")
)

// ParseKey reads the private key of a file: PKCS #8, PKCS #1 or SEC 1 in PEM.
func ParseKey(data []byte) (crypto.Signer, error) {
	var key crypto.Signer
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			return nil, errEncrypted
		}
		k, ok, err := parseKeyBlock(b)
		switch {
		case err != nil:
			return nil, errBadKey
		case ok && key != nil:
			return nil, errManyKeys
		case ok:
			key = k
		}
	}
	if key == nil {
		return nil, errNoKey
	}
	return key, nil
}

func parseKeyBlock(b *pem.Block) (crypto.Signer, bool, error) {
	var k any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		k, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		k, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		k, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, false, nil // a certificate, EC PARAMETERS
	}
	if err != nil {
		return nil, false, err
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, false, errBadKey
	}
	return signer, true, nil
}
