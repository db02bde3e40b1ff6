package crypt

import (
	"bytes"
	"crypto/hmac"
	"slices"
	"testing"

	"warren/ike/message"
)

// TestWithPPK spells the formulas of RFC 8784, Section 3 out for prfs whose key is
// as long as their output: SK_d = prf(PPK, SK_d' | 0x01), and so on.
func TestWithPPK(t *testing.T) {
	ni, nr, ppk := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), Secret("a PPK of some thirty-two octets.")
	for _, id := range []message.PRFID{message.PRFHMACSHA256, message.PRFHMACSHA384, message.PRFHMACSHA512} {
		prf := must(NewPRF(id))
		k := must(DeriveKeys(Choice{Encr: Encr{message.EncrAESGCM16, 256}, PRF: id}, KeyInput{Ni: ni, Nr: nr, SPIi: 1, SPIr: 2, Shared: Secret("shared")}))
		was := *k.m()
		was.d, was.ei, was.er, was.pi, was.pr = slices.Clone(was.d), slices.Clone(was.ei), slices.Clone(was.er), slices.Clone(was.pi), slices.Clone(was.pr)
		want := func(old Secret) []byte {
			h := hmac.New(prf.hash, ppk)
			h.Write(append(slices.Clone(old), 1))
			return h.Sum(nil)
		}
		mixed := must(k.WithPPK(ppk))
		if !bytes.Equal(k.m().d, was.d) || !bytes.Equal(k.m().pi, was.pi) || !bytes.Equal(k.m().pr, was.pr) {
			t.Errorf("%v: the keys have changed before Adopt", id)
		}
		sk, half := must(NewSK(k, true)), k // a copy
		if err := k.Adopt(mixed); err != nil {
			t.Fatal(err)
		}
		for name, x := range map[string][2][]byte{
			"SK_d": {half.m().d, want(was.d)}, "SK_pi": {half.m().pi, want(was.pi)}, "SK_pr": {half.m().pr, want(was.pr)},
			"SK_ei": {half.m().ei, was.ei}, "SK_er": {half.m().er, was.er},
		} {
			if !bytes.Equal(x[0], x[1]) {
				t.Errorf("%v: %s is %x, want %x", id, name, x[0], x[1])
			}
		}
		if _, err := sk.Seal(message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}, nil); err != nil {
			t.Errorf("%v: the IKE SA no longer protects: %v", id, err)
		}
		if mixed.usable() == nil || !bytes.Equal(mixed.m().d, make([]byte, prf.Size())) {
			t.Errorf("%v: the keys that were replaced are not wiped", id)
		}
	}
}

// TestPPKNeedsKeys: neither an empty PPK nor keys that are wiped give anything.
func TestPPKNeedsKeys(t *testing.T) {
	in := KeyInput{Ni: make([]byte, 32), Nr: make([]byte, 32), SPIi: 1, SPIr: 2, Shared: Secret("shared")}
	k := must(DeriveKeys(Choice{Encr: Encr{message.EncrAESGCM16, 256}, PRF: message.PRFHMACSHA256}, in))
	if _, err := k.WithPPK(nil); err == nil {
		t.Error("an empty PPK is mixed in")
	}
	mixed := must(k.WithPPK(Secret("x")))
	mixed.Wipe()
	if err := k.Adopt(mixed); err == nil {
		t.Error("wiped keys are adopted")
	}
	k.Wipe()
	if _, err := k.WithPPK(Secret("x")); err == nil {
		t.Error("a PPK is mixed into wiped keys")
	}
}
