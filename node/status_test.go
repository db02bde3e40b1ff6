package node

import (
	"testing"

	"warren/esp"
	"warren/packet"
	"warren/sa"
)

func TestDescribeTellsTheSequenceNumbers(t *testing.T) {
	suite := esp.Suite{Cipher: esp.AES128GCM16, ESN: true}
	p := sa.Params{SPI: 0x1001, Suite: suite, Key: make([]byte, suite.KeyLen())}
	in, err := sa.NewInbound(p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sa.NewOutbound(p)
	if err != nil {
		t.Fatal(err)
	}
	seq, _ := out.Reserve(7)
	pkt := packet.New(64)
	pkt.Set(make([]byte, 20))
	var seal esp.SealBurst
	out.Add(&seal, pkt, seq+4, packet.ProtoIPv4)
	seal.Run()
	var (
		open esp.OpenBurst
		seqs [1]uint64
		next [1]uint8
	)
	in.Begin(&open, packet.Batch{pkt}, seqs[:])
	open.Run()
	in.Finish(packet.Batch{pkt}, seqs[:], next[:])

	c := &child{in: in, out: out}
	if got := c.describe("out", 1).Sequence; got != 7 {
		t.Errorf("out is at %d, want 7, the last number taken", got)
	}
	if got := c.describe("in", 1).Sequence; got != 5 {
		t.Errorf("in is at %d, want 5, the highest received", got)
	}
}
