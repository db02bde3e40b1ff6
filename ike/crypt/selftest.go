package crypt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"warren/ike/message"
)

// SelfTest runs a known-answer test of every algorithm that a proposal can
// name, so that nothing is offered which this build cannot do. It takes some
// milliseconds.
func SelfTest() error {
	for _, t := range tokens() {
		var err error
		switch t.typ {
		case message.TransformEncr:
			err = testEncr(Encr{message.EncrID(t.id), t.keyLen})
		case message.TransformPRF:
			err = testPRF(message.PRFID(t.id))
		case message.TransformKE:
			err = testDH(message.DHGroup(t.id))
		}
		if err != nil {
			return fmt.Errorf("ike/crypt: self-test of %s: %w", t.name, err)
		}
	}
	return nil
}

// unhex decodes the constants below; a bad one yields nil, and so a mismatch.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func same(what string, got, want []byte) error {
	if len(want) == 0 || !bytes.Equal(got, want) {
		return fmt.Errorf("wrong %s", what)
	}
	return nil
}

// aeadAnswer is an ICV; it covers the ciphertext, which thereby needs no
// comparison of its own. Keys, salts and IVs are of the source named.
type aeadAnswer struct{ keymat, iv, aad, plain, icv string }

func aeadAnswerOf(e Encr) (aeadAnswer, bool) {
	// Test cases 4, 10 and 16 of "The Galois/Counter Mode of Operation (GCM)".
	const (
		key   = "feffe9928665731c6d6a8f9467308308"
		salt  = "cafebabe"
		iv    = "facedbaddecaf888"
		aad   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
			"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	)
	switch e {
	case Encr{message.EncrAESGCM16, 128}:
		return aeadAnswer{key + salt, iv, aad, plain, "5bc94fbc3221a5db94fae95ae7121a47"}, true
	case Encr{message.EncrAESGCM16, 192}:
		return aeadAnswer{key + key[:16] + salt, iv, aad, plain, "2519498e80f1478f37ba55bd6d27618c"}, true
	case Encr{message.EncrAESGCM16, 256}:
		return aeadAnswer{key + key + salt, iv, aad, plain, "76fc6ece0f4e1768cddf8853bb2d551b"}, true
	case Encr{message.EncrChaCha20Poly1305, 0}: // RFC 7634, Appendix B
		return aeadAnswer{
			"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f" + "a0a1a2a3",
			"1011121314151617",
			"c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029",
			"0000000c000040010000000a00",
			"6b71bfe25236efd7cdc67066906315b2",
		}, true
	}
	return aeadAnswer{}, false
}

func testEncr(e Encr) error {
	a, ok := aeadAnswerOf(e)
	if !ok {
		return errors.New("no answer is known")
	}
	d, err := newDirection(e, unhex(a.keymat))
	if err != nil {
		return err
	}
	nonce := d.nonce(unhex(a.iv))
	sealed := d.aead.Seal(nil, nonce, unhex(a.plain), unhex(a.aad))
	if err := same("ICV", sealed[max(0, len(sealed)-icvLen):], unhex(a.icv)); err != nil {
		return err
	}
	plain, err := d.aead.Open(nil, nonce, sealed, unhex(a.aad))
	if err != nil {
		return err
	}
	return same("plaintext", plain, unhex(a.plain))
}

// testPRF is test case 2 of RFC 4231.
func testPRF(id message.PRFID) error {
	var want string
	switch id {
	case message.PRFHMACSHA256:
		want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	case message.PRFHMACSHA384:
		want = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
	case message.PRFHMACSHA512:
		want = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
	}
	prf, err := NewPRF(id)
	if err != nil {
		return err
	}
	return same("output", prf.Sum([]byte("Jefe"), []byte("what do ya want for nothing?")), unhex(want))
}

// dhAnswer has the private values of both sides, SHA-256 of the first one's
// public value, and SHA-256 of the shared secret.
type dhAnswer struct{ i, r, public, shared string }

func dhAnswerOf(g message.DHGroup) (dhAnswer, bool) {
	switch g {
	case message.DHX25519: // RFC 7748, Section 6.1
		return dhAnswer{
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"300c9c9603b92a4b39ed3958bf9240114804db4fd373012c0ca47432d63425ae",
			"dead45a1d43d6902aa9240b43c0d75a0b5fc750660590d6d45461cbfc4010684",
		}, true
	case message.DHECP256: // RFC 5903, Section 8.1
		return dhAnswer{
			"c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			"c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			"293c9fbafaa2f0a1ee2c320e4bf43070db05750a46ad05fa4108365a851a3518",
			"0519dc09b36efad1d00aef1d5b53b100202eb910b5de0dede75f190a357a367d",
		}, true
	case message.DHECP384: // RFC 5903, Section 8.2
		return dhAnswer{
			"099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
			"41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
			"9e655dcef6e54906df1e785bf769e6912714ce2c3739cca4d1d1938c29db7b63",
			"a54975fc64aa0e1513ec7d41207c7c2338735226a4f1582d71b40e49a9785ee1",
		}, true
	case message.DHMODP2048: // made for this test, checked with another implementation's integers
		return dhAnswer{
			"01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b121920272e353c434a",
			"030e19242f3a45505b66717c87929da8b3bec9d4dfeaf5000b16212c37424d58636e79848f9aa5b0bbc6d1dce7f2fd08",
			"f363d2aa9d00c3adc20c03088f5a4c2b96148c072ce1204008cad4f77d81d490",
			"cf9a692a982cf41478716d90866a554afe7b8c89768a51f8f184fab478a793a6",
		}, true
	}
	return dhAnswer{}, false
}

func testDH(g message.DHGroup) error {
	if g == message.DHNone {
		return nil
	}
	a, ok := dhAnswerOf(g)
	if !ok {
		return errors.New("no answer is known")
	}
	i, err := NewKeyExchange(g, bytes.NewReader(unhex(a.i)))
	if err != nil {
		return err
	}
	public := sha256.Sum256(i.Public())
	if err := same("public value", public[:], unhex(a.public)); err != nil {
		return err
	}
	pub, rs, err := Respond(g, bytes.NewReader(unhex(a.r)), i.Public())
	if err != nil {
		return err
	}
	is, err := i.Finish(pub)
	if err != nil {
		return err
	}
	shared := sha256.Sum256(is)
	if err := same("shared secret", shared[:], unhex(a.shared)); err != nil {
		return err
	}
	return same("shared secret of the responder", rs, is)
}
