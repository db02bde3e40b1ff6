package crypt

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"warren/ike/message"
)

// TestSealFragments: every fragment keeps to the size, only the first names the
// payloads, none is empty, and together they are the message (RFC 7383, Section
// 2.5).
func TestSealFragments(t *testing.T) {
	all := suites()
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(all).Draw(rt, "suite")
		i, r := pair(t, c)
		data := bytes.Repeat([]byte{0xa5}, rapid.IntRange(0, 9000).Draw(rt, "octets"))
		size := rapid.IntRange(150, 2000).Draw(rt, "size")
		ps := []message.Payload{&message.VendorID{Data: data}}
		h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.IKEAuth, MessageID: 7}
		out := must(i.SealFragments(h, must(PlainOf(ps)), size))
		whole := must(message.AppendPayloads(nil, ps))
		if unfragmented := message.HeaderLen + skHead + i.out.sizes().sealed(len(whole)); (len(out) == 1) != (unfragmented <= size) {
			rt.Fatalf("%d datagrams for a message of %d octets, at most %d each", len(out), unfragmented, size)
		}
		var got []byte
		for n, b := range out {
			m := must(message.Parse(b))
			if len(b) > size || m.MessageID != 7 || m.Exchange != message.IKEAuth {
				rt.Fatalf("datagram of %d octets, want at most %d: %+v", len(b), size, m.Header)
			}
			if len(out) == 1 {
				got = must(r.OpenPlain(m)).Data
				break
			}
			f := must(r.OpenFragment(m))
			if int(f.Number) != n+1 || int(f.Total) != len(out) || len(f.Data) == 0 || (f.Next == message.PayloadVendorID) != (n == 0) {
				rt.Fatalf("fragment %d: %d of %d, next %v, %d octets", n, f.Number, f.Total, f.Next, len(f.Data))
			}
			if n < len(out)-1 && len(b)+i.out.sizes().block <= size {
				rt.Fatalf("fragment %d of %d octets could hold more than %d", n, len(b), size)
			}
			got = append(got, f.Data...)
		}
		if !bytes.Equal(got, whole) {
			rt.Fatal("another message came out")
		}
	})
}

func TestSealFragmentsLimits(t *testing.T) {
	i, _ := pair(t, gcm128())
	ps := []message.Payload{&message.VendorID{Data: make([]byte, 60000)}}
	one, two := must(PlainOf(ps)), must(PlainOf(append(ps, ps...)))
	if _, err := i.SealFragments(message.Header{}, one, 60); !errors.Is(err, ErrFragmentSize) {
		t.Errorf("no room: %v", err)
	}
	if out := must(i.SealFragments(message.Header{}, one, 0)); len(out) != 1 {
		t.Errorf("any size: %d datagrams", len(out))
	}
	if _, err := i.SealFragments(message.Header{}, two, 1200); !errors.Is(err, message.ErrTooLong) {
		t.Errorf("message beyond 65535 octets: %v", err)
	}
	i.keys.Wipe()
	if _, err := i.SealFragments(message.Header{}, one, 1200); !errors.Is(err, ErrNoKeys) {
		t.Errorf("wiped: %v", err)
	}
}
