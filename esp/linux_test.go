package esp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"warren/packet"
)

// TestLinux opens what Linux's ESP sent, with two AEADs and with AES-CBC and an
// HMAC, and makes the same packets of it again.
func TestLinux(t *testing.T) {
	var file struct {
		SAs []struct {
			Suite   Suite
			Key     hexBytes
			Packets []hexBytes
		}
	}
	readJSON(t, "testdata/linux.json", &file)
	n := 0
	for _, sa := range file.SAs {
		opener, err := NewOpener(sa.Suite, sa.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, sent := range sa.Packets {
			h, ok := ParseHeader(sent)
			if !ok {
				t.Fatalf("%x is no ESP packet", sent)
			}
			p := newPacket(sent)
			next, ok := opener.openNow(p, uint64(h.SeqLo()))
			if !ok || next != packet.ProtoIPv4 {
				t.Fatalf("%v, number %d: %v, next header %d", sa.Suite, h.SeqLo(), p.Drop, next)
			}
			if flow, _, d := packet.ParseFlow(p.Bytes()); d != packet.Live || flow.Proto != packet.ProtoICMP {
				t.Errorf("%v: inside is %+v, %v", sa.Suite, flow, d)
			}
			if got := sealAs(t, sa.Suite, sa.Key, sent, p.Bytes()); !bytes.Equal(got, sent) {
				t.Errorf("%v: sealed\n%x\nwant\n%x", sa.Suite, got, sent)
			}
			n++
		}
	}
	if n != 24 {
		t.Errorf("%d packets, want 24", n)
	}
}

// sealAs seals inner as sent is, with its IV.
func sealAs(t *testing.T, s Suite, key, sent, inner []byte) []byte {
	t.Helper()
	sealer, err := NewSealer(s, key)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := ParseHeader(sent)
	p := newPacket(inner)
	var b SealBurst
	sealer.add(&b, p, header{h.SPI(), uint64(h.SeqLo()), binary.BigEndian.Uint64(sent[HeaderLen:])}, packet.ProtoIPv4)
	if c, ok := sealer.transform.(*cbcHMAC); ok {
		copy(p.Bytes()[HeaderLen:], sent[HeaderLen:cbcFront])
		c.withIV(p, uint64(h.SeqLo()))
		return p.Bytes()
	}
	b.Run()
	return p.Bytes()
}
