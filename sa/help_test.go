package sa

import (
	"bytes"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

const testSPI esp.SPI = 0x1001

var born = time.Unix(1_700_000_000, 0)

// testParams describes an SA that carries everything.
func testParams(esn bool) Params {
	s := esp.Suite{Cipher: esp.AES128GCM16, ESN: esn}
	return Params{
		SPI:    testSPI,
		Suite:  s,
		Key:    bytes.Repeat([]byte{0x5a}, s.KeyLen()),
		Layer:  2,
		Via:    1,
		Local:  policy.Everything(),
		Remote: policy.Everything(),
		Born:   born,
	}
}

func newInbound(t testing.TB, p Params) *Inbound {
	t.Helper()
	in, err := NewInbound(p)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func newOutbound(t testing.TB, p Params) *Outbound {
	t.Helper()
	o, err := NewOutbound(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// inner is a plaintext packet of 28 bytes.
var inner = bytes.Repeat([]byte{0x45}, 28)

// sealed returns an ESP packet of o with number seq.
func sealed(o *Outbound, seq uint64) []byte {
	p := packet.New(len(inner))
	p.Set(inner)
	var b esp.SealBurst
	o.Add(&b, p, seq, packet.ProtoIPv4)
	b.Run()
	return bytes.Clone(p.Bytes())
}

// receive opens an ESP packet and returns why it was refused.
func receive(in *Inbound, b []byte) packet.Drop {
	p := packet.New(len(b))
	p.Set(b)
	open(in, p)
	return p.Drop
}

// open opens p alone.
func open(in *Inbound, p *packet.Packet) (nextHeader uint8) {
	var (
		burst esp.OpenBurst
		seqs  [1]uint64
		next  [1]uint8
	)
	in.Begin(&burst, packet.Batch{p}, seqs[:])
	burst.Run()
	in.Finish(packet.Batch{p}, seqs[:], next[:])
	return next[0]
}
