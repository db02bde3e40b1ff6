package crypt

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"testing"

	"warren/ike/message"
)

// slowResume spells RFC 5723, Section 5.1 and RFC 7296, Sections 2.13 and 2.14 out.
type slowResume struct{ hash func() hash.Hash }

func (s slowResume) prf(key []byte, data ...[]byte) []byte {
	m := hmac.New(s.hash, key)
	m.Write(bytes.Join(data, nil))
	return m.Sum(nil)
}

// keys are SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi and SK_pr, one behind the other.
func (s slowResume) keys(skd, ni, nr []byte, n int) []byte {
	skeyseed := s.prf(skd, []byte("Resumption"), ni, nr)
	spis, _ := hex.DecodeString("0102030405060708" + "1112131415161718")
	var out, t []byte
	for i := byte(1); len(out) < n; i++ {
		t = s.prf(skeyseed, t, ni, nr, spis, []byte{i})
		out = append(out, t...)
	}
	return out[:n]
}

func TestResumptionKeys(t *testing.T) {
	gcm, cbc := Encr{message.EncrAESGCM16, 256}, Encr{message.EncrAESCBC, 128}
	tests := map[string]struct {
		slow slowResume
		c    Choice
		size []int // of SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr
	}{
		"an AEAD":       {slowResume{sha256.New}, Choice{Encr: gcm, PRF: message.PRFHMACSHA256}, []int{32, 0, 0, 36, 36, 32, 32}},
		"a longer prf":  {slowResume{sha512.New}, Choice{Encr: gcm, PRF: message.PRFHMACSHA512}, []int{64, 0, 0, 36, 36, 64, 64}},
		"two functions": {slowResume{sha512.New384}, Choice{Encr: cbc, PRF: message.PRFHMACSHA384, Integ: message.IntegHMACSHA256128}, []int{48, 32, 32, 16, 16, 48, 48}},
	}
	in := KeyInput{Ni: bytes.Repeat([]byte{1}, 32), Nr: bytes.Repeat([]byte{2}, 40), SPIi: 0x0102030405060708, SPIr: 0x1112131415161718}
	for name, tt := range tests {
		old := must(DeriveKeys(tt.c, KeyInput{Ni: in.Nr, Nr: in.Ni, SPIi: 1, SPIr: 2, Shared: Secret("shared")}))
		skd := bytes.Clone(old.m().d)
		r := must(old.Resumption())
		old.Wipe() // the old IKE SA is gone
		got := must(r.Keys(in)).m()
		var total int
		for _, n := range tt.size {
			total += n
		}
		want := tt.slow.keys(skd, in.Ni, in.Nr, total)
		for i, sk := range [][]byte{got.d, got.ai, got.ar, got.ei, got.er, got.pi, got.pr} {
			if n := tt.size[i]; !bytes.Equal(sk, want[:n]) {
				t.Errorf("%s: key %d is %x, want %x", name, i, sk, want[:n])
			}
			want = want[tt.size[i]:]
		}
		if r.Choice().String() != tt.c.String() || got.choice.String() != tt.c.String() {
			t.Errorf("%s: resumed as %v", name, r.Choice())
		}
	}
}

// TestResumeAuth: AUTH = prf(SK_px, message | nonce | prf(SK_px, ID)), each side
// with its own key.
func TestResumeAuth(t *testing.T) {
	in := KeyInput{Ni: make([]byte, 32), Nr: make([]byte, 32), SPIi: 1, SPIr: 2, Shared: Secret("shared")}
	k := must(DeriveKeys(Choice{Encr: Encr{message.EncrAESGCM16, 256}, PRF: message.PRFHMACSHA256}, in))
	slow := slowResume{sha256.New}
	what := AuthInput{Message: []byte("message"), Nonce: []byte("nonce"), ID: []byte("id")}
	for initiator, p := range map[bool][]byte{true: k.m().pi, false: k.m().pr} {
		want := slow.prf(p, []byte("message"), []byte("nonce"), slow.prf(p, []byte("id")))
		got := must(k.ResumeAuth(initiator, what))
		if !bytes.Equal(got, want) || k.VerifyResume(initiator, want, what) != nil {
			t.Errorf("initiator %v: %x, want %x", initiator, got, want)
		}
		if k.VerifyResume(!initiator, want, what) == nil || k.VerifyResume(initiator, want[1:], what) == nil || k.VerifyResume(initiator, nil, what) == nil {
			t.Error("something else proves as much")
		}
		what.IntAuth = []byte("more")
		if k.VerifyResume(initiator, want, what) == nil {
			t.Error("it does not cover IKE_INTERMEDIATE")
		}
		what.IntAuth = nil
	}
}

// TestResumptionNeedsKeys: what is wiped resumes nothing.
func TestResumptionNeedsKeys(t *testing.T) {
	in := KeyInput{Ni: make([]byte, 32), Nr: make([]byte, 32), SPIi: 1, SPIr: 2, Shared: Secret("shared")}
	k := must(DeriveKeys(Choice{Encr: Encr{message.EncrAESGCM16, 256}, PRF: message.PRFHMACSHA256}, in))
	r := must(k.Resumption())
	r.Wipe()
	if k.usable() != nil {
		t.Error("the keys that were copied are wiped with the copy")
	}
	if _, err := r.Keys(in); err == nil {
		t.Error("a wiped one gives keys")
	}
	if _, err := (Resumption{}).Keys(in); err == nil {
		t.Error("the zero one gives keys")
	}
	k.Wipe()
	if _, err := k.Resumption(); err == nil {
		t.Error("wiped keys can be resumed")
	}
	if _, err := k.ResumeAuth(true, AuthInput{}); err == nil {
		t.Error("wiped keys prove something")
	}
	short := in
	short.Ni = short.Ni[:15]
	again := must(DeriveKeys(Choice{Encr: Encr{message.EncrAESGCM16, 256}, PRF: message.PRFHMACSHA256}, in))
	if _, err := must(again.Resumption()).Keys(short); err == nil {
		t.Error("a short nonce is taken")
	}
}
