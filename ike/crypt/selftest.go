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
// name, so that nothing is offered which this build cannot do. It takes less
// than a tenth of a second.
func SelfTest() error {
	for _, t := range tokens() {
		if tokenName(t.typ, t.id, t.keyLen) != t.name {
			continue // a synonym
		}
		var err error
		switch t.typ {
		case message.TransformEncr:
			err = testEncr(Encr{message.EncrID(t.id), t.keyLen})
		case message.TransformPRF:
			err = testPRF(message.PRFID(t.id))
		case message.TransformKE:
			err = testDH(message.DHGroup(t.id))
		case message.TransformInteg:
			err = testInteg(message.IntegID(t.id))
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

// testEncr covers what newGuard makes of an AEAD, and the block mode of any other.
func testEncr(e Encr) error {
	if !e.AEAD() {
		return testCBC(e)
	}
	a, ok := aeadAnswerOf(e)
	if !ok {
		return errors.New("no answer is known")
	}
	g, err := newGuard(Choice{Encr: e}, unhex(a.keymat), nil)
	if err != nil {
		return err
	}
	msg := append(unhex(a.aad), unhex(a.iv)...)
	at := len(msg) - ivLen
	msg = g.seal(msg, at, unhex(a.plain))
	if err := same("ICV", msg[max(0, len(msg)-g.sizes().icv):], unhex(a.icv)[:g.sizes().icv]); err != nil {
		return err
	}
	plain, ok := g.open(msg, at)
	if !ok {
		return errors.New("own message is refused")
	}
	return same("plaintext", plain, unhex(a.plain))
}

// testCBC covers the guard too: its ICV is that of testInteg.
func testCBC(e Encr) error {
	a, ok := cbcAnswerOf(e)
	if !ok {
		return errors.New("no answer is known")
	}
	g, err := newGuard(Choice{Encr: e, Integ: message.IntegHMACSHA256128}, unhex(a.key), make(Secret, sha256.Size))
	if err != nil {
		return err
	}
	msg := g.seal(unhex(a.iv), 0, unhex(a.plain))
	if err := same("ciphertext", msg[len(a.iv)/2:len(msg)-g.sizes().icv], unhex(a.cipher)); err != nil {
		return err
	}
	plain, ok := g.open(msg, 0)
	if !ok {
		return errors.New("own message is refused")
	}
	return same("plaintext", plain, unhex(a.plain))
}

// testInteg is test case 2 of RFC 4868, Sections 2.7.2.1 to 2.7.2.3.
func testInteg(id message.IntegID) error {
	var want string
	switch id {
	case message.IntegHMACSHA256128:
		want = "167f928588c5cc2eef8e3093caa0e87c"
	case message.IntegHMACSHA384192:
		want = "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"
	case message.IntegHMACSHA512256:
		want = "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"
	}
	i, err := integrityOf(id)
	if err != nil {
		return err
	}
	key := bytes.Repeat([]byte("Jefe"), i.size/4)
	return same("ICV", i.mac(nil, key, []byte("what do ya want for nothing?")), unhex(want))
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
	if _, kem := kemOf(g); !kem { // its responder draws its own randomness
		if err := same("shared secret", shared[:], unhex(a.shared)); err != nil {
			return err
		}
	}
	return same("shared secret of the responder", rs, is)
}
