package crypt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"warren/ike/message"
)

// TestRFC7634 opens the message of RFC 7634, Appendix B, and makes it again.
func TestRFC7634(t *testing.T) {
	var file struct {
		IKE struct{ Key, Salt, IV, PlaintextWithPad, Message hexBytes }
	}
	loadJSON(t, "testdata/rfc7634.json", &file)
	v, c := file.IKE, Choice{Encr: Encr{ID: message.EncrChaCha20Poly1305}, PRF: message.PRFHMACSHA256}
	k := newKeys(&material{choice: c, ei: Secret(concat(v.Key, v.Salt)), er: make(Secret, 36)})
	i, r := must(NewSK(k, true)), must(NewSK(k, false))
	m := must(message.Parse(v.Message))
	ps := must(r.Open(m))
	if n := message.GetNotify(ps, message.SetWindowSize); len(ps) != 1 || n == nil || !bytes.Equal(n.Data, []byte{0, 0, 0, 10}) {
		t.Errorf("payloads %+v", ps)
	}
	i.iv = binary.BigEndian.Uint64(v.IV)
	if b := must(i.Seal(m.Header, ps)); !bytes.Equal(b, v.Message) {
		t.Errorf("sealed to %x", b)
	}
}

// pair are the two ends of a fresh IKE SA.
func pair(t testing.TB, e Encr) (i, r *SK) {
	t.Helper()
	k := must(DeriveKeys(Choice{Encr: e, PRF: message.PRFHMACSHA256}, KeyInput{
		Ni: make([]byte, 16), Nr: make([]byte, 16), SPIi: 1, SPIr: 2, Shared: Secret("x"),
	}))
	return must(NewSK(k, true)), must(NewSK(k, false))
}

// TestSeal sends messages of every size class both ways with every cipher, and
// wants no IV twice.
func TestSeal(t *testing.T) {
	h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}
	for _, e := range append(defaultEncr(), Encr{message.EncrAESGCM16, 192}) {
		i, r := pair(t, e)
		seen := map[string]bool{}
		for n := range 40 {
			var ps []message.Payload
			if n > 0 {
				ps = append(ps, &message.VendorID{Data: bytes.Repeat([]byte{7}, n*n)})
			}
			for _, x := range []struct{ from, to *SK }{{i, r}, {r, i}} {
				b := must(x.from.Seal(h, ps))
				m := must(message.Parse(b))
				raw := bytes.Clone(b)
				got, err := x.to.Open(m)
				if err != nil || len(got) != len(ps) || !bytes.Equal(m.Raw, raw) {
					t.Fatalf("%v: %v, %+v", e, err, got)
				}
				if x.from == i {
					iv := string(get[*message.Encrypted](t, m.Payloads).Data[:ivLen])
					if seen[iv] {
						t.Errorf("%v: IV %x twice", e, iv)
					}
					seen[iv] = true
				}
			}
		}
	}
}

func TestSealTooLong(t *testing.T) {
	i, _ := pair(t, Encr{message.EncrAESGCM16, 128})
	big := &message.VendorID{Data: make([]byte, 65000)}
	if _, err := i.Seal(message.Header{}, []message.Payload{big}); err != nil {
		t.Error(err)
	}
	if _, err := i.Seal(message.Header{}, []message.Payload{big, big}); !errors.Is(err, message.ErrTooLong) {
		t.Error(err)
	}
}

// TestOpenPadding: any padding that fits is good (RFC 5282, Section 3), one that
// does not fit is an error of an authentic message.
func TestOpenPadding(t *testing.T) {
	h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}
	i, r := pair(t, Encr{message.EncrAESGCM16, 128})
	for pad := range 256 {
		plain := append(make([]byte, pad), byte(pad))
		m := must(message.Parse(must(i.seal(h, message.PayloadNone, plain))))
		if ps, err := r.Open(m); err != nil || len(ps) != 0 {
			t.Errorf("%d octets of padding: %v", pad, err)
		}
		if pad == 255 {
			continue
		}
		plain[pad]++
		m = must(message.Parse(must(i.seal(h, message.PayloadNone, plain))))
		var pe *message.ParseError
		if _, err := r.Open(m); !errors.As(err, &pe) || errors.Is(err, ErrAuth) {
			t.Errorf("%d octets of padding said to be %d: %v", pad, pad+1, err)
		}
	}
}

// TestOpenShort: an SK payload too short for IV, Pad Length and ICV.
func TestOpenShort(t *testing.T) {
	_, r := pair(t, Encr{message.EncrAESGCM16, 128})
	for n := range ivLen + padLen + icvLen {
		m := message.Message{Header: message.Header{SPIi: 1}, Payloads: []message.Payload{&message.Encrypted{Data: make([]byte, n)}}}
		if _, err := r.Open(must(message.Parse(must(m.Marshal())))); !errors.Is(err, ErrAuth) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	i, r := pair(t, Encr{message.EncrAESGCM16, 128})
	empty := must(i.seal(message.Header{SPIi: 1, SPIr: 2}, message.PayloadNone, nil))
	if _, err := r.Open(must(message.Parse(empty))); err == nil {
		t.Error("authentic, but without Pad Length: opened")
	}
	m := message.Message{Header: message.Header{SPIi: 1}}
	if _, err := r.Open(&m); !errors.Is(err, ErrNotProtected) {
		t.Errorf("no SK: %v", err)
	}
}

// TestOpenOuter: payloads before SK are covered by the ICV (RFC 5282, Section
// 5.1) and are not among those returned.
func TestOpenOuter(t *testing.T) {
	i, r := pair(t, Encr{message.EncrAESGCM16, 128})
	m := &message.Message{Header: message.Header{SPIi: 1, SPIr: 2}, Payloads: []message.Payload{
		&message.VendorID{Data: []byte("outer")},
		&message.Encrypted{Next: message.PayloadVendorID, Data: make([]byte, ivLen+4+padLen+icvLen)},
	}}
	b := must(m.Marshal())
	aad := len(b) - ivLen - 4 - padLen - icvLen
	i.out.aead.Seal(b[:aad+ivLen], i.out.nonce(b[aad:aad+ivLen]), []byte{0, 0, 0, 4, 0}, b[:aad])
	if ps, err := r.Open(must(message.Parse(b))); err != nil || len(ps) != 1 {
		t.Errorf("%v, %+v", err, ps)
	}
	b[message.HeaderLen+5] ^= 1
	if _, err := r.Open(must(message.Parse(b))); !errors.Is(err, ErrAuth) {
		t.Errorf("outer payload changed: %v", err)
	}
}
