package crypt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"warren/ike/message"
)

// openAny opens m, fragment or not.
func openAny(sk *SK, m *message.Message) error {
	if _, ok := message.Get[*message.EncryptedFragment](m.Payloads); ok {
		f, err := sk.OpenFragment(m)
		if err != nil && len(f.Data) > 0 {
			return fmt.Errorf("error with data: %w", err)
		}
		return err
	}
	_, err := sk.Open(m)
	return err
}

// TestCVE_2019_10155: every bit of a protected message counts, header included.
// Whatever is changed or cut, there is an error and no payload.
func TestCVE_2019_10155(t *testing.T) {
	eachTrace(t, func(t *testing.T, tr *trace) {
		tr.protected(t, func(raw []byte, sk *SK) {
			refused := func(what string, b []byte) {
				m, err := message.Parse(b)
				if err != nil {
					return
				}
				if err := openAny(sk, m); !errors.Is(err, ErrAuth) && !errors.Is(err, ErrNotProtected) {
					t.Errorf("%s of %d octets: %v", what, len(raw), err)
				}
			}
			for i := range raw {
				for bit := range 8 {
					b := bytes.Clone(raw)
					b[i] ^= 1 << bit
					refused(fmt.Sprintf("bit %d of byte %d", bit, i), b)
				}
				cut := bytes.Clone(raw[:i])
				refused(fmt.Sprint("first ", i), cut)
				if i >= message.HeaderLen+4 { // and with honest lengths
					binary.BigEndian.PutUint32(cut[24:], uint32(i))
					binary.BigEndian.PutUint16(cut[message.HeaderLen+2:], uint16(i-message.HeaderLen))
					refused(fmt.Sprint("honest first ", i), cut)
				}
			}
			refused("one more octet", append(bytes.Clone(raw), 0))
		})
	})
}

// FuzzOpen has the keys in hand: the plaintext is the fuzzer's, so that what is
// behind the integrity check is reached.
func FuzzOpen(f *testing.F) {
	var keys []Keys
	for i, tr := range traces(f) {
		keys = append(keys, traceKeys(f, tr))
		tr.protected(f, func(raw []byte, sk *SK) {
			m := must(message.Parse(raw))
			if e, ok := message.Get[*message.Encrypted](m.Payloads); ok {
				f.Add(uint8(i), byte(e.Next), must(sk.open(raw, e.Offset)), byte(0))
			}
		})
	}
	f.Fuzz(func(t *testing.T, which uint8, next byte, plain []byte, pad byte) {
		k := keys[int(which)%len(keys)]
		i, r := must(NewSK(k, true)), must(NewSK(k, false))
		g := i.out.sizes()
		plain = append(plain, make([]byte, g.padding(len(plain)))...)
		raw, err := i.sealPadded(message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational},
			piece{first: message.PayloadType(next), data: append(plain, pad)})
		if err != nil {
			return
		}
		m, err := message.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		var pe *message.ParseError
		if _, err := r.Open(m); err != nil && !errors.As(err, &pe) {
			t.Fatal(err)
		}
	})
}

// FuzzOpenRaw takes any datagram for a protected one.
func FuzzOpenRaw(f *testing.F) {
	var keys []Keys
	genuine := map[string]bool{}
	for _, tr := range traces(f) {
		keys = append(keys, traceKeys(f, tr))
		tr.protected(f, func(raw []byte, _ *SK) {
			f.Add(raw)
			genuine[string(raw)] = true
		})
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := message.Parse(raw)
		if err != nil {
			return
		}
		for _, k := range keys {
			for _, initiator := range []bool{true, false} {
				if openAny(must(NewSK(k, initiator)), m) == nil && !genuine[string(raw)] {
					t.Fatal("opened a forgery")
				}
			}
		}
	})
}
