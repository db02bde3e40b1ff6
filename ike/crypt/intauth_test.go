package crypt

import (
	"bytes"
	"encoding/binary"
	"testing"

	"warren/ike/message"
)

// TestIntAuth computes IntAuth by the letter of RFC 9242, Section 3.3.2, and
// wants the same of a message in one datagram and in fragments.
func TestIntAuth(t *testing.T) {
	for _, c := range suites() {
		k := must(DeriveKeys(c, KeyInput{Ni: make([]byte, 16), Nr: make([]byte, 16), SPIi: 1, SPIr: 2, Shared: Secret("x")}))
		sk := must(NewSK(k, true))
		h := message.Header{SPIi: 1, SPIr: 2, Exchange: message.IKEIntermediate, Flags: message.FlagInitiator, MessageID: 1}
		p := must(PlainOf([]message.Payload{&message.KE{Group: message.MLKEM768, Data: bytes.Repeat([]byte{3}, 1184)}}))

		n := len(p.Data)
		a := h.Append(nil)
		a[16] = byte(message.PayloadSK)
		binary.BigEndian.PutUint32(a[24:], uint32(28+4+n))
		a = append(a, byte(message.PayloadKE), 0)
		a = binary.BigEndian.AppendUint16(a, uint16(4+n))
		for _, initiator := range []bool{true, false} {
			key := k.m().pr
			if initiator {
				key = k.m().pi
			}
			want := k.m().prf.Sum(key, []byte("before"), a, p.Data)
			for _, size := range []int{0, 1200, 300} {
				first := must(sk.SealFragments(h, p, size))[0]
				got := must(k.IntAuth(initiator, []byte("before"), first, p))
				if !bytes.Equal(got, want) {
					t.Errorf("%v, %d octets: %x, want %x", c, size, got, []byte(want))
				}
			}
		}
	}
}

// TestIntAuthOuter: payloads before SK belong to it, and what is reserved stays.
func TestIntAuthOuter(t *testing.T) {
	k := must(DeriveKeys(gcm128(), KeyInput{Ni: make([]byte, 16), Nr: make([]byte, 16), SPIi: 1, SPIr: 2, Shared: Secret("x")}))
	outer := []message.Payload{&message.VendorID{Data: []byte("outer")}, &message.VendorID{Data: []byte("more")}}
	p := Plain{Next: message.PayloadKE, Data: []byte("inside")}
	whole := message.Message{Header: message.Header{SPIi: 1, SPIr: 2}, Payloads: append(outer, &message.Encrypted{Next: p.Next, Data: p.Data})}
	frag := message.Message{Header: whole.Header, Payloads: append(outer[:2:2], &message.EncryptedFragment{Next: p.Next, Number: 1, Total: 3, Data: []byte("in")})}
	w, f := must(whole.Marshal()), must(frag.Marshal())
	reserved := len(w) - len(p.Data) - 3
	w[reserved], f[reserved] = 0x15, 0x15
	if !bytes.Equal(must(unfragmented(w, p)), w[:len(w)-len(p.Data)]) {
		t.Error("nothing is left out of a message without IV, padding and ICV")
	}
	if got := must(unfragmented(f, p)); !bytes.Equal(got, w[:len(w)-len(p.Data)]) {
		t.Errorf("of a fragment: %x, want %x", got, w)
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "no payload": must((&message.Message{Header: whole.Header}).Marshal()),
		"no SK": must((&message.Message{Header: whole.Header, Payloads: outer}).Marshal()),
	} {
		if got, err := k.IntAuth(true, nil, raw, p); err == nil || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	k.Wipe()
	if got, err := k.IntAuth(true, nil, w, p); err == nil || got != nil {
		t.Errorf("wiped: %x, %v", got, err)
	}
}
