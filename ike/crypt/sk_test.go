package crypt

import (
	"bytes"
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
	setIV(i.out, v.IV)
	if b := must(i.Seal(m.Header, ps)); !bytes.Equal(b, v.Message) {
		t.Errorf("sealed to %x", b)
	}
}

func gcm128() Choice {
	return Choice{Encr: Encr{message.EncrAESGCM16, 128}, PRF: message.PRFHMACSHA256}
}

// pair are the two ends of a fresh IKE SA.
func pair(t testing.TB, c Choice) (i, r *SK) {
	t.Helper()
	k := must(DeriveKeys(c, KeyInput{
		Ni: make([]byte, 16), Nr: make([]byte, 16), SPIi: 1, SPIr: 2, Shared: Secret("x"),
	}))
	return must(NewSK(k, true)), must(NewSK(k, false))
}

// TestSeal sends messages of every size class both ways with every cipher, and
// wants no IV twice.
func TestSeal(t *testing.T) {
	h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}
	for _, c := range suites() {
		i, r := pair(t, c)
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
					t.Fatalf("%v: %v, %+v", c, err, got)
				}
				if x.from == i {
					iv := string(get[*message.Encrypted](t, m.Payloads).Data[:i.out.sizes().iv])
					if seen[iv] {
						t.Errorf("%v: IV %x twice", c, iv)
					}
					seen[iv] = true
				}
			}
		}
	}
}

func TestSealTooLong(t *testing.T) {
	i, _ := pair(t, gcm128())
	big := &message.VendorID{Data: make([]byte, 65000)}
	if _, err := i.Seal(message.Header{}, []message.Payload{big}); err != nil {
		t.Error(err)
	}
	if _, err := i.Seal(message.Header{}, []message.Payload{big, big}); !errors.Is(err, message.ErrTooLong) {
		t.Error(err)
	}
}

// TestOpenPadding: any padding that fits is good (RFC 5282, Section 3; RFC 7296,
// Section 3.14), one that does not fit is an error of an authentic message.
func TestOpenPadding(t *testing.T) {
	h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}
	for _, c := range suites() {
		i, r := pair(t, c)
		for pad := i.out.sizes().block - 1; pad < 256; pad += i.out.sizes().block {
			plain := append(make([]byte, pad), byte(pad))
			m := must(message.Parse(must(i.sealPadded(h, piece{data: plain}))))
			if ps, err := r.Open(m); err != nil || len(ps) != 0 {
				t.Errorf("%v: %d octets of padding: %v", c, pad, err)
			}
			if pad == 255 {
				continue
			}
			plain[pad]++
			m = must(message.Parse(must(i.sealPadded(h, piece{data: plain}))))
			var pe *message.ParseError
			if _, err := r.Open(m); !errors.As(err, &pe) || errors.Is(err, ErrAuth) {
				t.Errorf("%v: %d octets of padding said to be %d: %v", c, pad, pad+1, err)
			}
		}
	}
}

// TestOpenShort: an SK or SKF payload too short for IV, Pad Length and ICV, or
// whose ciphertext is no number of blocks.
func TestOpenShort(t *testing.T) {
	for _, c := range suites() {
		_, r := pair(t, c)
		for n := range r.in.sizes().sealed(40) {
			for _, p := range []message.Payload{&message.Encrypted{Data: make([]byte, n)}, &message.EncryptedFragment{Number: 1, Total: 2, Data: make([]byte, n)}} {
				m := message.Message{Header: message.Header{SPIi: 1}, Payloads: []message.Payload{p}}
				if err := openAny(r, must(message.Parse(must(m.Marshal())))); !errors.Is(err, ErrAuth) {
					t.Errorf("%v: %d octets: %v", c, n, err)
				}
			}
		}
		i, r := pair(t, c)
		empty := must(i.sealPadded(message.Header{SPIi: 1, SPIr: 2}, piece{}))
		var pe *message.ParseError
		if err := openAny(r, must(message.Parse(empty))); !errors.As(err, &pe) {
			t.Errorf("%v: authentic, but without Pad Length: %v", c, err)
		}
		m := message.Message{Header: message.Header{SPIi: 1}}
		_, err := r.OpenFragment(&m)
		if !errors.Is(openAny(r, &m), ErrNotProtected) || !errors.Is(err, ErrNotProtected) {
			t.Errorf("%v: no SK: %v", c, err)
		}
	}
}

// TestOpenOuter: payloads before SK are covered by the ICV (RFC 5282, Section
// 5.1; RFC 7296, Section 3.14) and are not among those returned.
func TestOpenOuter(t *testing.T) {
	for _, c := range suites() {
		i, r := pair(t, c)
		g, plain := i.out.sizes(), []byte{0, 0, 0, 4}
		m := &message.Message{Header: message.Header{SPIi: 1, SPIr: 2}, Payloads: []message.Payload{
			&message.VendorID{Data: []byte("outer")},
			&message.Encrypted{Next: message.PayloadVendorID, Data: make([]byte, g.sealed(len(plain)))},
		}}
		b := must(m.Marshal())
		at := len(b) - g.sealed(len(plain))
		b = i.out.seal(b[:at+g.iv], at, g.pad(plain))
		if ps, err := r.Open(must(message.Parse(b))); err != nil || len(ps) != 1 {
			t.Errorf("%v: %v, %+v", c, err, ps)
		}
		b[message.HeaderLen+5] ^= 1
		if _, err := r.Open(must(message.Parse(b))); !errors.Is(err, ErrAuth) {
			t.Errorf("%v: outer payload changed: %v", c, err)
		}
	}
}
