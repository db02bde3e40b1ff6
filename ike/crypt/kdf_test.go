package crypt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"warren/ike/message"
)

func loadJSON(t testing.TB, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

func prfNamed(t testing.TB, name string) PRF {
	t.Helper()
	for _, id := range []message.PRFID{message.PRFHMACSHA256, message.PRFHMACSHA384, message.PRFHMACSHA512} {
		if id.String() == name {
			return must(NewPRF(id))
		}
	}
	t.Fatalf("no prf %s", name)
	return PRF{}
}

// TestCAVP has NIST's vectors for SKEYSEED and prf+.
func TestCAVP(t *testing.T) {
	var file struct {
		Vectors []struct {
			Name, PRF, Function           string
			GIR, Skeyseed, Key, Seed, Out hexBytes
			NiNr                          hexBytes `json:"ni_nr"`
		}
	}
	loadJSON(t, "testdata/ikev2_cavp.json", &file)
	for _, v := range file.Vectors {
		prf := prfNamed(t, v.PRF)
		if v.Function == "SKEYSEED" {
			if got := prf.Sum(v.NiNr, v.GIR); !bytes.Equal(got, v.Skeyseed) {
				t.Errorf("%s: %x", v.Name, []byte(got))
			}
			continue
		}
		for n := range len(v.Out) + 1 { // every length is a prefix
			if got := must(prf.Plus(v.Key, n, v.Seed)); !bytes.Equal(got, v.Out[:n]) {
				t.Errorf("%s, %d octets: %x", v.Name, n, []byte(got))
			}
		}
	}
	if len(file.Vectors) != 13 {
		t.Errorf("%d vectors", len(file.Vectors))
	}
}

// TestACVP is one chain: IKE SA, child SA, child SA with PFS, rekeyed IKE SA.
// Its nonces are shorter than DeriveKeys takes, so the steps are called singly.
func TestACVP(t *testing.T) {
	var v struct {
		PRF                                                          string
		Ni, Nr, GIR, GIRNew, SPIi, SPIr                              hexBytes
		Skeyseed, Keymat, ChildKeymat, ChildPFSKeymat, RekeySkeyseed hexBytes
	}
	loadJSON(t, "testdata/ikev2_acvp_full.json", &v)
	prf := prfNamed(t, v.PRF)
	seed := prf.Sum(concat(v.Ni, v.Nr), v.GIR)
	if !bytes.Equal(seed, v.Skeyseed) {
		t.Errorf("SKEYSEED %x", []byte(seed))
	}
	all := must(prf.Plus(seed, len(v.Keymat), v.Ni, v.Nr, v.SPIi, v.SPIr))
	if !bytes.Equal(all, v.Keymat) {
		t.Errorf("keymat %x", []byte(all))
	}
	k := newKeys(&material{prf: prf, d: all[:prf.Size()]})
	c := Choice{Encr: Encr{message.EncrAESGCM16, 256}}
	for name, x := range map[string]struct{ shared, want []byte }{"child": {nil, v.ChildKeymat}, "child with PFS": {v.GIRNew, v.ChildPFSKeymat}} {
		ck := must(k.Child(c, v.Ni, v.Nr, x.shared))
		if got := concat(ck.Initiator, ck.Responder); len(got) != 72 || !bytes.Equal(got, x.want[:72]) {
			t.Errorf("%s: %x", name, got)
		}
	}
	if got := prf.Sum(k.m().d, v.GIRNew, v.Ni, v.Nr); !bytes.Equal(got, v.RekeySkeyseed) {
		t.Errorf("rekey SKEYSEED %x", []byte(got))
	}
}

// suites are all ciphers, with each integrity algorithm where they need one.
func suites() (all []Choice) {
	for _, t := range encrTokens() {
		e := Encr{message.EncrID(t.id), t.keyLen}
		if e.AEAD() {
			all = append(all, Choice{Encr: e, PRF: message.PRFHMACSHA256})
			continue
		}
		for _, m := range macTokens() {
			if m.typ == message.TransformInteg {
				all = append(all, Choice{Encr: e, Integ: message.IntegID(m.id), PRF: message.PRFHMACSHA256})
			}
		}
	}
	return all
}

// TestDeriveKeys cuts the keys as RFC 7296, Section 2.14 orders them, for each
// prf, cipher and integrity algorithm.
func TestDeriveKeys(t *testing.T) {
	ni, nr, shared := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), []byte("shared")
	for _, id := range []message.PRFID{message.PRFHMACSHA256, message.PRFHMACSHA384, message.PRFHMACSHA512} {
		for _, c := range suites() {
			prf, e, a := must(NewPRF(id)), c.Encr, must(integKey(c.Integ))
			c.PRF = id
			k := must(DeriveKeys(c, KeyInput{Ni: ni, Nr: nr, SPIi: 3, SPIr: 4, Shared: shared}))
			spis := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 3), 4)
			n := 3*prf.Size() + 2*a + 2*e.KeyMat()
			want := must(prf.Plus(prf.Sum(append(bytes.Clone(ni), nr...), shared), n, ni, nr, spis))
			m := k.m()
			if got := bytes.Join([][]byte{m.d, m.ai, m.ar, m.ei, m.er, m.pi, m.pr}, nil); !bytes.Equal(got, want) {
				t.Errorf("%v: %x", c, got)
			}
			if len(m.d) != prf.Size() || len(m.ai) != a || len(m.ei) != e.KeyMat() || len(m.er) != e.KeyMat() || len(m.pi) != prf.Size() {
				t.Errorf("%v: lengths", c)
			}
			next := must(k.Intermediate(KeyInput{Ni: ni, Nr: nr, SPIi: 3, SPIr: 4, Shared: Secret("kem")}))
			want = must(prf.Plus(prf.Sum(m.d, []byte("kem"), ni, nr), n, ni, nr, spis)) // RFC 9370, Section 2.2.2
			if m := next.m(); !bytes.Equal(bytes.Join([][]byte{m.d, m.ai, m.ar, m.ei, m.er, m.pi, m.pr}, nil), want) {
				t.Errorf("%v: keys after an additional key exchange", c)
			}
			again := must(k.Rekey(c, KeyInput{Ni: nr, Nr: ni, SPIi: 3, SPIr: 4, Shared: shared, More: []Secret{Secret("a"), Secret("b")}}))
			want = must(prf.Plus(prf.Sum(m.d, shared, nr, ni, []byte("ab")), prf.Size(), nr, ni, spis)) // Section 2.2.4
			if !bytes.Equal(again.m().d, want) {
				t.Errorf("%v: SK_d after a rekey with additional key exchanges", c)
			}
			child := must(k.Child(c, ni, nr, shared, Secret("a"), Secret("b")))
			want = must(prf.Plus(m.d, 2*(e.KeyMat()+a), shared, ni, nr, []byte("ab")))
			if !bytes.Equal(concat(child.Initiator, child.Responder), want) {
				t.Errorf("%v: keys of a child SA with additional key exchanges", c)
			}
		}
	}
}

func TestDeriveKeysRefuses(t *testing.T) {
	gcm := Encr{message.EncrAESGCM16, 128}
	long := make([]byte, 32)
	for name, x := range map[string]struct {
		c      Choice
		ni, nr []byte
		want   error
	}{
		"unknown prf":             {Choice{Encr: gcm, PRF: message.PRFHMACSHA1}, long, long, ErrUnknown},
		"unknown cipher":          {Choice{Encr: Encr{message.EncrAESCTR, 128}, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"CBC without integrity":   {Choice{Encr: Encr{message.EncrAESCBC, 128}, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"GCM with integrity":      {Choice{Encr: gcm, Integ: message.IntegHMACSHA256128, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"unknown integrity":       {Choice{Encr: Encr{message.EncrAESCBC, 128}, Integ: message.IntegHMACSHA196, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"unknown key length":      {Choice{Encr: Encr{message.EncrAESGCM16, 127}, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"key length of ChaCha":    {Choice{Encr: Encr{message.EncrChaCha20Poly1305, 256}, PRF: message.PRFHMACSHA256}, long, long, ErrUnknown},
		"short Ni":                {Choice{Encr: gcm, PRF: message.PRFHMACSHA256}, long[:15], long, ErrNonce},
		"Nr too short for SHA512": {Choice{Encr: gcm, PRF: message.PRFHMACSHA512}, long, long[:31], ErrNonce},
	} {
		if _, err := DeriveKeys(x.c, KeyInput{Ni: x.ni, Nr: x.nr}); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPRFPlusLimit: prf+ ends after 255 rounds (RFC 7296, Section 2.13).
func TestPRFPlusLimit(t *testing.T) {
	prf := must(NewPRF(message.PRFHMACSHA256))
	most := prfPlusRounds * prf.Size()
	if out, err := prf.Plus([]byte("k"), most, []byte("s")); err != nil || len(out) != most {
		t.Errorf("%d octets: %d, %v", most, len(out), err)
	}
	for _, n := range []int{most + 1, -1} {
		if _, err := prf.Plus([]byte("k"), n, []byte("s")); !errors.Is(err, ErrPRFPlus) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// TestWipe: wiped keys are zeros, and nothing works with them.
func TestWipe(t *testing.T) {
	k := traceKeys(t, traces(t)[1]) // has SK_a*
	sk := must(NewSK(k, true))
	k.Wipe()
	Keys{}.Wipe()
	for _, s := range k.m().secrets() {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("left over: %x", []byte(s))
		}
	}
	_, child := k.Child(Choice{Encr: Encr{message.EncrAESGCM16, 128}}, nil, nil, nil)
	_, rekey := k.Rekey(Choice{PRF: message.PRFHMACSHA256}, KeyInput{})
	_, auth := k.PSKAuth(true, []byte("x"), AuthInput{})
	_, seal := sk.Seal(message.Header{}, nil)
	_, open := sk.Open(&message.Message{Payloads: []message.Payload{&message.Encrypted{Data: make([]byte, 64)}}})
	_, again := NewSK(k, true)
	for name, err := range map[string]error{
		"child": child, "rekey": rekey, "auth": auth, "verify": k.VerifyPSK(true, []byte("x"), nil, AuthInput{}),
		"seal": seal, "open": open, "new": again,
	} {
		if !errors.Is(err, ErrNoKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
