package ike

import (
	"bytes"
	"testing"
	"time"

	"warren/ike/message"
)

// FuzzEngine holds a message of a valid conversation, changed as the fuzzer
// likes, against both ends. Without keys it must not change what is there; with
// keys, re-sealed after the change, it must not panic or leak.
func FuzzEngine(f *testing.F) {
	for which := range uint8(8) {
		f.Add(which, []byte{}, uint16(0), false)
		f.Add(which, []byte{0xff}, uint16(20), false)
		f.Add(which, []byte{0, 0, 0, 1}, uint16(30), true)
		f.Add(which, []byte{0x29, 0, 0, 8}, uint16(0), true)
	}
	f.Fuzz(func(t *testing.T, which uint8, patch []byte, at uint16, keyed bool) {
		p := newPair(t, acceptConfig(t))
		p.i.quiet, p.r.quiet = true, true
		p.establish(peerConfig(t))
		if err := p.i.e.RekeyChild(p.i.session(), p.i.theSession().Children[0].SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.wire = nil
		orig := p.tap[int(which)%len(p.tap)]
		if keyed {
			p.fuzzInside(orig, patch, int(at))
		} else {
			p.fuzzOutside(t, orig, patch, int(at))
		}
		p.wire = nil
		p.now = p.now.Add(time.Second)
		p.empty2()
	})
}

// fuzzOutside changes the datagram. Only a fresh IKE_SA_INIT may make state.
func (p *pair) fuzzOutside(t *testing.T, orig flight, patch []byte, at int) {
	d := orig.d
	d.Data = overlay(d.Data, patch, at)
	if bytes.Equal(d.Data, orig.d.Data) {
		return
	}
	before, half := orig.to.state(), orig.to.e.halfOpen
	p.hand(flight{orig.from, orig.to, d})
	if orig.to.take(); orig.to.e.halfOpen == half && orig.to.state() != before {
		t.Errorf("state changed from %s to %s", before, orig.to.state())
	}
}

// fuzzInside replaces the payloads inside a message by whatever the bytes mean.
func (p *pair) fuzzInside(orig flight, patch []byte, at int) {
	first := message.PayloadType(at)
	ps, err := message.ParsePayloads(first, patch)
	if err != nil {
		ps = []message.Payload{&message.Unknown{Kind: first, Critical: at>>8&1 == 1, Data: patch}}
	}
	from := orig.from
	cur := from.e.order[0].cur
	for _, kind := range []message.ExchangeType{message.IKEIntermediate, message.IKEAuth, message.CreateChildSA, message.Informational} {
		if len(p.other(from).e.order) == 0 {
			return
		}
		peer := p.other(from).e.order[0].cur
		for _, resp := range []bool{false, true} {
			id := peer.recvID
			if resp && peer.out != nil {
				id, kind = peer.out.id, peer.out.kind
			}
			if data, err := cur.seal(kind, id, resp, ps); err == nil {
				p.hand(flight{from, p.other(from), Datagram{Path: from.e.order[0].path, NATT: true, Data: data}})
				p.flush()
			}
		}
	}
}

// overlay is b with patch written over it, and longer if need be.
func overlay(b, patch []byte, at int) []byte {
	at %= len(b) + 1
	out := bytes.Clone(b)
	if n := at + len(patch); n > len(out) {
		out = append(out, make([]byte, n-len(out))...)
	}
	copy(out[at:], patch)
	return out
}
