package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"warren/ike/message"
)

// keys are one of each kind, made once: RSA takes its time.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	all := map[string]crypto.Signer{}
	for _, bits := range []int{2048, 3072} {
		all[fmt.Sprint("RSA-", bits)] = must(rsa.GenerateKey(rand.Reader, bits))
	}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		all["ECDSA-"+c.Params().Name] = must(ecdsa.GenerateKey(c, rand.Reader))
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	all["Ed25519"] = must(ed, err)
	return all
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var octets = []byte("message, nonce and prf of an id")

// TestIdentifiers has the DER that RFC 7427, Appendix A shows, and RFC 8410's.
func TestIdentifiers(t *testing.T) {
	for text, want := range map[string]algorithm{
		"300d06092a864886f70d01010b0500": {kindRSA, SHA256},
		"300d06092a864886f70d01010c0500": {kindRSA, SHA384},
		"300d06092a864886f70d01010d0500": {kindRSA, SHA512},
		"300a06082a8648ce3d040302":       {kindECDSA, SHA256},
		"300a06082a8648ce3d040303":       {kindECDSA, SHA384},
		"300a06082a8648ce3d040304":       {kindECDSA, SHA512},
		"300506032b6570":                 {kindEd25519, Identity},
		"304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108" +
			"300d06096086480165030402010500a203020120a303020101": {kindPSS, SHA256},
		"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108" +
			"300d06096086480165030402010500a203020120": {kindPSS, SHA256},
	} {
		der := must(hex.DecodeString(text))
		if got, ok := lookUp(der); !ok || got != want {
			t.Errorf("%s is %v %v, want %v", text, got, ok, want)
		}
		for i := range der {
			if a, ok := lookUp(der[:i]); ok {
				t.Errorf("the first %d octets of %s are %v", i, text, a)
			}
		}
	}
	if got := hex.EncodeToString([]byte(algorithm{kindPSS, SHA512}.identifiers()[0])); got !=
		"304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d010108300d06096086480165030402030500a203020140" {
		t.Errorf("PSS with SHA-512 is sent as %s", got)
	}
}

// TestCVE_2018_6459: RSA-PSS parameters that are absent, default, huge or mixed,
// and SHA-1 anywhere, stand for nothing (also CVE-2021-41990, CVE-2018-16151).
func TestCVE_2018_6459(t *testing.T) {
	pss := algorithm{kindPSS, SHA256}.identifiers()[0]
	for name, text := range map[string]string{
		"no parameters":        sequence(oidPSS),
		"NULL parameters":      sequence(oidPSS + null),
		"empty parameters":     "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x00",
		"default parameters":   string(must(hex.DecodeString("303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d010108300906052b0e03021a0500a203020114a303020101"))),
		"huge salt":            strings.Replace(pss, "\xa2\x03\x02\x01\x20", "\xa2\x05\x02\x03\x7f\xff\xff", 1),
		"salt 0":               strings.Replace(pss, "\xa2\x03\x02\x01\x20", "\xa2\x03\x02\x01\x00", 1),
		"negative salt":        strings.Replace(pss, "\xa2\x03\x02\x01\x20", "\xa2\x03\x02\x01\xff", 1),
		"another mask hash":    pss[:len(pss)-8] + "\x03\x05\x00\xa2\x03\x02\x01\x20",
		"another trailer":      strings.Replace(pssIdentifier(SHA256, null, null, trailer), trailer, "\xa3\x03\x02\x01\x02", 1),
		"RSA without NULL":     sequence(oidPKCS1 + "\x0b"),
		"RSA with SHA-1":       sequence(oidPKCS1 + "\x05" + null),
		"RSA with MD5":         sequence(oidPKCS1 + "\x04" + null),
		"ECDSA with NULL":      sequence(oidECDSA + "\x02" + null),
		"ECDSA with SHA-1":     sequence("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"),
		"Ed25519 with NULL":    sequence(oidEd25519 + null),
		"Ed448":                sequence("\x06\x03\x2b\x65\x71"),
		"nothing":              "",
		"DSA with SHA-256":     "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x02",
		"rsaEncryption itself": sequence(oidPKCS1 + "\x01" + null),
	} {
		if a, ok := lookUp([]byte(text)); ok {
			t.Errorf("%s is taken for %v", name, a)
		}
		key := keys()["RSA-2048"]
		sig := must(key.Sign(rand.Reader, SHA256.Sum(octets), &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}))
		data := append(append([]byte{byte(len(text))}, text...), sig...)
		if err := Verify(key.Public(), &message.Auth{Method: message.AuthSignature, Data: data}, octets); !errors.Is(err, ErrMethod) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSign signs with every kind of key for peers that know every subset of
// hashes, and checks what comes out.
func TestSign(t *testing.T) {
	for name, key := range keys() {
		for set := range 16 {
			var hashes []Hash
			for i, h := range Hashes() {
				if set>>i&1 == 1 {
					hashes = append(hashes, h)
				}
			}
			t.Run(fmt.Sprint(name, hashes), func(t *testing.T) { signOne(t, name, key, hashes) })
		}
	}
}

func signOne(t *testing.T, name string, key crypto.Signer, hashes []Hash) {
	ed := name == "Ed25519"
	usable := len(hashes) == 0 && !ed || slices.Contains(hashes, Identity) && ed ||
		!ed && slices.ContainsFunc(hashes, func(h Hash) bool { return h != Identity })
	a, err := Sign(rand.Reader, key, hashes, octets)
	if (err == nil) != usable {
		t.Fatalf("signed: %v", err)
	}
	if !usable {
		return
	}
	if err := Verify(key.Public(), a, octets); err != nil {
		t.Fatal(err)
	}
	if a.Method == message.AuthSignature {
		if alg, ok := lookUp(a.Data[1 : 1+a.Data[0]]); !ok || !slices.Contains(hashes, alg.hash) {
			t.Errorf("signed with %v", alg)
		}
	} else if len(hashes) != 0 {
		t.Errorf("method %v for a peer that knows RFC 7427", a.Method)
	}
	if err := Verify(key.Public(), a, append(bytes.Clone(octets), 0)); err == nil {
		t.Error("other octets are proven too")
	}
	for other, k := range keys() {
		if other != name && Verify(k.Public(), a, octets) == nil {
			t.Errorf("%s proves it too", other)
		}
	}
}

// TestStrength has the hash that suits a key chosen first.
func TestStrength(t *testing.T) {
	for name, want := range map[string]algorithm{
		"RSA-2048": {kindPSS, SHA256}, "RSA-3072": {kindPSS, SHA256}, "ECDSA-P-256": {kindECDSA, SHA256},
		"ECDSA-P-384": {kindECDSA, SHA384}, "ECDSA-P-521": {kindECDSA, SHA512}, "Ed25519": {kindEd25519, Identity},
	} {
		if got, err := choose(keys()[name].Public(), Hashes()); err != nil || got != want {
			t.Errorf("%s signs with %v, %v", name, got, err)
		}
	}
	if got, err := choose(keys()["ECDSA-P-384"].Public(), []Hash{SHA256}); err != nil || got.hash != SHA256 {
		t.Errorf("a peer with SHA-256 only gets %v, %v", got, err)
	}
}

// TestCVE_2013_2944: whatever is not a signature is no proof, whatever the
// library says of it (also CVE-2012-2388, CVE-2018-16152).
func TestCVE_2013_2944(t *testing.T) {
	for name, key := range keys() {
		for _, hashes := range [][]Hash{Hashes(), nil} {
			a, err := Sign(rand.Reader, key, hashes, octets)
			if err != nil {
				continue // Ed25519 in the old way
			}
			head := 0
			if a.Method == message.AuthSignature {
				head = 1 + int(a.Data[0])
			}
			for what, sig := range forgeries(key.Public(), a.Data[head:]) {
				data := append(bytes.Clone(a.Data[:head]), sig...)
				if err := Verify(key.Public(), &message.Auth{Method: a.Method, Data: data}, octets); !errors.Is(err, ErrVerify) {
					t.Errorf("%s by %v, %s: %v", name, a.Method, what, err)
				}
			}
			for n := range head { // the identifier, cut
				if err := Verify(key.Public(), &message.Auth{Method: a.Method, Data: a.Data[:n]}, octets); err == nil {
					t.Errorf("%s: the first %d octets prove", name, n)
				}
			}
		}
	}
}

func forgeries(pub crypto.PublicKey, sig []byte) map[string][]byte {
	all := map[string][]byte{
		"empty": {}, "one octet": {0}, "all zero": make([]byte, len(sig)), "all ones": bytes.Repeat([]byte{0xff}, len(sig)),
		"short": sig[:len(sig)-1], "long": append(bytes.Clone(sig), 0), "shifted": append([]byte{0}, sig...),
		"r=0 s=0": {0x30, 6, 2, 1, 0, 2, 1, 0}, "r=1 s=0": {0x30, 6, 2, 1, 1, 2, 1, 0}, "r=0 s=1": {0x30, 6, 2, 1, 0, 2, 1, 1},
	}
	switch k := pub.(type) {
	case *rsa.PublicKey:
		all["the modulus"] = k.N.Bytes()
		all["the modulus less one"] = new(big.Int).Sub(k.N, big.NewInt(1)).Bytes()
		all["one"] = big.NewInt(1).FillBytes(make([]byte, k.Size()))
		all["plus the modulus"] = new(big.Int).Add(k.N, new(big.Int).SetBytes(sig)).Bytes()
	case *ecdsa.PublicKey:
		n := k.Curve.Params().N.Bytes()
		all["r=n s=n"] = append(bytes.Clone(n), n...)
	}
	for i := 0; i < len(sig); i += 1 + len(sig)/48 {
		b := bytes.Clone(sig)
		b[i] ^= 0x20
		all[fmt.Sprint("octet ", i)] = b
	}
	return all
}

// TestWrongAlgorithm has signatures that are right under another algorithm than
// the one that the payload names (CVE-2018-16151).
func TestWrongAlgorithm(t *testing.T) {
	for _, made := range algorithms() {
		for _, said := range algorithms() {
			if made == said {
				continue
			}
			for name, key := range keys() {
				if (algorithm{made.kind, made.hash}).fits(key) {
					sig := must(made.sign(rand.Reader, key, octets))
					id := said.identifiers()[0]
					a := &message.Auth{Method: message.AuthSignature, Data: append(append([]byte{byte(len(id))}, id...), sig...)}
					if err := Verify(key.Public(), a, octets); err == nil {
						t.Errorf("%s: %v goes for %v", name, made, said)
					}
				}
			}
		}
	}
}

func (a algorithm) fits(key crypto.Signer) bool {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return a.kind == kindRSA || a.kind == kindPSS
	case *ecdsa.PublicKey:
		return a.kind == kindECDSA
	}
	return a.kind == kindEd25519
}

// TestSHA1 has a peer sign as RFC 7296 has it by default.
func TestSHA1(t *testing.T) {
	key := keys()["RSA-2048"]
	sum := sha1.Sum(octets)
	sig := must(key.Sign(rand.Reader, sum[:], crypto.SHA1))
	err := Verify(key.Public(), &message.Auth{Method: message.AuthRSA, Data: sig}, octets)
	if !errors.Is(err, ErrVerify) || !strings.Contains(err.Error(), "SHA-1") {
		t.Errorf("RSA with SHA-1: %v", err)
	}
}

// TestCheckKey has keys that would make any signature cheap.
func TestCheckKey(t *testing.T) {
	n := keys()["RSA-2048"].Public().(*rsa.PublicKey).N
	for name, k := range map[string]crypto.PublicKey{
		"e=3":           &rsa.PublicKey{N: n, E: 3},
		"e=1":           &rsa.PublicKey{N: n, E: 1},
		"e=0":           &rsa.PublicKey{N: n, E: 0},
		"e=65538":       &rsa.PublicKey{N: n, E: 65538},
		"2047 bits":     &rsa.PublicKey{N: new(big.Int).Rsh(n, 1), E: 65537},
		"8193 bits":     &rsa.PublicKey{N: new(big.Int).Lsh(n, 8193-2048), E: 65537},
		"P-224":         &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey,
		"Ed25519 short": ed25519.PublicKey{1, 2, 3},
		"none":          nil,
		"text":          "a key",
	} {
		if err := CheckKey(k); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if err := Verify(k, &message.Auth{Method: message.AuthSignature}, octets); !errors.Is(err, ErrKey) {
			t.Errorf("%s: verify: %v", name, err)
		}
	}
	for name, k := range keys() {
		if err := CheckKey(k.Public()); err != nil || KeyName(k.Public()) != name {
			t.Errorf("%s: %v, %s", name, err, KeyName(k.Public()))
		}
		for m := range 256 {
			err := Verify(k.Public(), &message.Auth{Method: message.AuthMethod(m), Data: []byte{1}}, octets)
			if err == nil {
				t.Errorf("%s: method %d proves", name, m)
			}
		}
	}
}

func TestHashes(t *testing.T) {
	if got := MarshalHashes(Hashes()); !bytes.Equal(got, []byte{0, 2, 0, 3, 0, 4, 0, 5}) {
		t.Errorf("announced: %x", got)
	}
	for text, want := range map[string][]Hash{
		"": nil, "0001": nil, "0002": {SHA256}, "00050001000200020009": {Identity, SHA256}, "ffff0004": {SHA512},
	} {
		if got, err := ParseHashes(must(hex.DecodeString(text))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseHashes([]byte{0, 2, 0}); !errors.Is(err, ErrHashes) {
		t.Errorf("odd length: %v", err)
	}
}

// FuzzVerify has any octets for an AUTH payload: nothing proves.
func FuzzVerify(f *testing.F) {
	genuine := map[string]bool{}
	for _, name := range []string{"RSA-2048", "ECDSA-P-256", "Ed25519"} {
		for _, hashes := range [][]Hash{Hashes(), nil} {
			if a, err := Sign(rand.Reader, keys()[name], hashes, octets); err == nil {
				f.Add(uint8(a.Method), a.Data)
				genuine[string(a.Data)] = true
			}
		}
	}
	f.Fuzz(func(t *testing.T, method uint8, data []byte) {
		for name, k := range keys() {
			if Verify(k.Public(), &message.Auth{Method: message.AuthMethod(method), Data: data}, octets) == nil && !genuine[string(data)] {
				t.Errorf("%s: forged", name)
			}
		}
	})
}
