package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"warren/ike/message"
	"warren/policy"
)

// Cases of the message layer: rows 31 to 41.

// TestCollision31: every packet arrives twice, in a session with all there is to
// say in it, and then all earlier ones again, forwards and backwards.
func TestCollision31(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	twice := func() {
		for p.flush(); len(p.wire) > 0; {
			p.hand(p.wire[0])
			p.deliver(0)
		}
	}
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	twice()
	for _, n := range []*end{p.i, p.r} {
		p.rekeyChild(n)
		twice()
		p.rekeyIKE(n)
		twice()
		if err := n.e.Liveness(n.session(), p.now); err != nil {
			t.Fatal(err)
		}
		twice()
	}
	answers := map[string]string{}
	for _, f := range p.tap {
		if h, _ := message.ParseHeader(f.d.Data); h.IsResponse() && h.Exchange != message.IKESAInit {
			k := fmt.Sprint(f.from.name, h.SPIi, h.MessageID)
			if old, ok := answers[k]; ok && old != string(f.d.Data) {
				t.Error("two answers to one request differ")
			}
			answers[k] = string(f.d.Data)
		}
	}
	p.advance(time.Minute)
	sent, before := len(p.tap), p.i.summary()+p.r.summary()
	old := slices.Clone(p.tap)
	backwards := slices.Clone(p.tap)
	slices.Reverse(backwards)
	for _, f := range append(old, backwards...) {
		p.hand(f)
	}
	p.settle()
	n := len(p.tap) - sent
	p.advance(time.Minute) // what an old IKE_SA_INIT has half opened is forgotten
	if after := p.i.summary() + p.r.summary(); after != before {
		t.Errorf("replays changed something: %s\n%s", before, after)
	}
	if n > 2*sent {
		t.Errorf("%d messages in answer to %d replays", n, 2*sent)
	}
	p.steady()
	p.close()
}

// TestCollision32: message ids out of the window, responses to requests never
// sent, and a response repeated: dropped without a word.
func TestCollision32(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyChild(a)
		p.steady()
		next := b.e.order[0].cur.recvID
		before := b.state()
		for _, id := range []uint32{next - 1, next - 2, next + 1, next + 2, 1 << 31, 1<<32 - 1} {
			p.hand(flight{a, b, a.say(message.Informational, id, false, &message.Delete{Protocol: message.ProtoIKE})})
		}
		for _, id := range []uint32{0, 1, 2, 3, 4, 1 << 31, 1<<32 - 1} {
			p.hand(flight{a, b, a.say(message.Informational, id, true, &message.Delete{Protocol: message.ProtoIKE})})
			p.hand(flight{a, b, a.say(message.CreateChildSA, id, true, childRequest(t, 0)...)})
		}
		for _, f := range p.tap {
			if f.to == b && f.isResponse() {
				p.hand(f)
			}
		}
		if out := b.take(); len(out) != 0 || b.state() != before {
			t.Errorf("%d answers, %s", len(out), b.state())
		}
	})
}

// TestCollision33: IKE_AUTH and unknown exchanges when the session is up, and an
// exchange other than the request's in a response. What comes instead of
// IKE_AUTH is in TestCVE_2014_2338.
func TestCollision33(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		before := b.state()
		for _, kind := range []message.ExchangeType{message.IKEAuth, message.IKEIntermediate, message.IKESAInit, 0, 240} {
			p.hand(flight{a, b, a.say(kind, b.e.order[0].cur.recvID, false)})
			if out := b.take(); len(out) != 0 || b.state() != before {
				t.Errorf("%v: %d answers, %s", kind, len(out), b.state())
			}
		}
		if err := a.e.Liveness(a.session(), p.now); err != nil {
			t.Fatal(err)
		}
		a.take()
		before = a.state()
		id := a.e.order[0].cur.sendID - 1
		for _, kind := range []message.ExchangeType{message.CreateChildSA, message.IKEAuth, message.IKESAInit, 240} {
			p.hand(flight{b, a, b.say(kind, id, true, childRequest(t, 0)...)})
			if a.take(); a.state() != before {
				t.Errorf("%v in a response: %s", kind, a.state())
			}
		}
	})
}

// TestCollision34: unsolicited notifies.
func TestCollision34(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		var ps []message.Payload
		for _, k := range []message.NotifyType{message.MOBIKESupported, message.NoNATsAllowed, message.FragmentationSupported,
			message.SetWindowSize, message.Redirect, message.InitialContact, message.AdditionalIP4Address, message.IntermediateSupported,
			message.AdditionalKeyExchange, 39999, message.InvalidSPI, 8000} {
			ps = append(ps, &message.Notify{Kind: k, Data: []byte{0, 0, 0, 9}})
		}
		got, ok := p.tell(a, a.say(message.Informational, b.e.order[0].cur.recvID, false, ps...))
		if !ok || len(got) != 0 || len(b.in) != 1 || len(b.e.Sessions()) != 1 {
			t.Errorf("%v %+v", ok, got)
		}
	})
}

// TestCollision35: what is reserved is not zero, in the header, in payloads and
// in an ID, whose reserved octets are part of what AUTH proves.
func TestCollision35(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id, err := p.i.e.Initiate(peerConfig(t), p.now)
	if err != nil {
		t.Fatal(err)
	}
	reserve := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[17] |= 0x0f // minor version
		b[19] |= 0xc7 // flags
		b[29] |= 0x7f // of the first payload
		b[33] = 0xff  // of its proposal
		return b
	}
	p.flush()
	p.wire[0].d.Data = reserve(p.wire[0].d.Data)
	p.i.e.sessions[id].init.request = p.wire[0].d.Data
	p.deliver(0)
	p.wire[0].d.Data = reserve(p.wire[0].d.Data)
	p.r.e.order[0].half.respMsg = p.wire[0].d.Data
	p.deliver(0)

	// The same IKE_AUTH, as of an initiator that fills the reserved octets of IDi.
	ps, err := p.r.e.open(p.r.e.order[0].cur, p.wire[0].d)
	if err != nil {
		t.Fatal(err)
	}
	s := p.i.e.sessions[id]
	idi := message.GetID(ps, false)
	idi.Reserved = [3]byte{1, 2, 3}
	_, auth, err := s.auth.prove(p.i.e, s, s.cur.keys, s.half.initiatorInput(idi))
	if err != nil {
		t.Fatal(err)
	}
	for i := range ps {
		if _, ok := ps[i].(*message.Auth); ok {
			ps[i] = auth
		}
	}
	p.wire[0].d = p.i.say(message.IKEAuth, 1, false, ps...)
	p.settle()
	if !p.i.up[id] || len(p.r.up) != 1 {
		t.Errorf("initiator %s responder %s", dump(p.i.events), dump(p.r.events))
	}
	p.close()
}

// TestCollision36: unknown payloads, critical or not, in the clear and in SK, in
// a request and in a response.
func TestCollision36(t *testing.T) {
	critical := &message.Unknown{Kind: 200, Critical: true}
	t.Run("in the clear", func(t *testing.T) {
		p := newPair(t, acceptConfig(t))
		m := message.Message{Header: message.Header{SPIi: 1, Exchange: message.IKESAInit, Flags: message.FlagInitiator},
			Payloads: []message.Payload{critical}}
		data, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p.hand(flight{p.i, p.r, Datagram{Path: Path{Local: addrI, Remote: addrR}, Data: data}})
		out := p.r.take()
		if len(out) != 1 {
			t.Fatalf("%d answers", len(out))
		}
		r, err := message.Parse(out[0].Data)
		if err != nil || message.GetNotify(r.Payloads, message.UnsupportedCriticalPayload) == nil || len(p.r.e.sas) != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		id := b.e.order[0].cur.recvID
		got, ok := p.tell(a, a.say(message.Informational, id, false, &message.Unknown{Kind: 200}))
		if !ok || len(got) != 0 {
			t.Errorf("not critical: %+v", got)
		}
		got, ok = p.tell(a, a.say(message.Informational, id+1, false, critical))
		n := childError(got)
		if !ok || n == nil || n.Kind != message.UnsupportedCriticalPayload || !bytes.Equal(n.Data, []byte{200}) {
			t.Errorf("critical: %+v", got)
		}
		if len(b.e.Sessions()) != 1 {
			t.Error("the IKE SA is gone")
		}
	})
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyChild(a)
		a.take()
		p.hand(flight{b, a, b.say(message.CreateChildSA, a.e.order[0].cur.sendID-1, true, critical)})
		p.flush()
		if len(a.in) != 1 || len(a.e.order[0].children) != 1 || len(a.spis.taken) != 1 {
			t.Errorf("critical in a response: %s", dump(a.events))
		}
	})
}

// TestCollision39: a rekey with wider selectors keeps those in use, and one with
// narrower ones is refused. An answer is held to the same in
// TestRekeyNarrowedByResponder.
func TestCollision39(t *testing.T) {
	narrow := []policy.Selector{policy.AddrSelector(netip.MustParseAddr("198.51.100.1"))}
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		old := b.only()
		small := childRequest(t, a.only().SPIIn)
		small[3], small[4] = tsPayload(false, narrow), tsPayload(true, narrow)
		id := b.e.order[0].cur.recvID
		got, _ := p.tell(a, a.say(message.CreateChildSA, id, false, small...))
		if n := childError(got); n == nil || n.Kind != message.TSUnacceptable || len(b.in) != 1 {
			t.Errorf("narrower selectors: %+v", got)
		}
		got, _ = p.tell(a, a.say(message.CreateChildSA, id+1, false, childRequest(t, a.only().SPIIn)...))
		tsi, tsr := message.GetTS(got, false), message.GetTS(got, true)
		if tsi == nil || tsr == nil || !slices.Equal(selectors(tsi), old.RemoteTS) || !slices.Equal(selectors(tsr), old.LocalTS) {
			t.Errorf("wider selectors: %+v", got)
		}
	})
}

// TestCollision40: mangled cookies are not taken, and an unwanted one is ignored.
func TestCollision40(t *testing.T) {
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.CookieThreshold = -1 })
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	p.deliver(0) // now the request with a cookie is under way
	good := p.wire[0]
	p.wire = nil
	for name, mangle := range map[string]func(d *Datagram){
		"one bit of the cookie": func(d *Datagram) { d.Data[40] ^= 1 },
		"another address":       func(d *Datagram) { d.Path.Local = netip.MustParseAddrPort("192.0.2.101:500") },
		"another SPI":           func(d *Datagram) { d.Data[0] ^= 1 },
	} {
		bad := good
		bad.d.Data = bytes.Clone(good.d.Data)
		mangle(&bad.d)
		p.hand(bad)
		for _, d := range p.r.take() {
			if m, err := message.Parse(d.Data); err != nil || message.GetNotify(m.Payloads, message.Cookie) == nil || m.SPIr != 0 {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	p.now = p.now.Add(90 * time.Second) // one rotation: still good
	p.r.e.Tick(p.now)
	p.hand(good)
	p.flush()
	if len(p.r.e.sas) != 1 {
		t.Error("the cookie of the last secret is not accepted")
	}

	stray := newPair(t, acceptConfig(t))
	id, err := stray.i.e.Initiate(peerConfig(t), stray.now)
	if err != nil {
		t.Fatal(err)
	}
	s := stray.i.e.sessions[id]
	s.init.cookie = []byte("stray cookie")
	stray.i.e.Take()
	if err := stray.i.e.sendInit(s, stray.now); err != nil {
		t.Fatal(err)
	}
	stray.settle()
	if !stray.i.up[id] {
		t.Errorf("a stray cookie must be ignored: %s", dump(stray.i.events))
	}
}

// TestCollision41: as many payloads as the parser takes, and one more.
func TestCollision41(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		b.quiet = true
		for i, n := range []int{message.MaxPayloads - 1, message.MaxPayloads, message.MaxPayloads + 1} {
			many := make([]message.Payload, n)
			for k := range many {
				many[k] = &message.Unknown{Kind: 200}
			}
			got, ok := p.tell(a, a.say(message.Informational, b.e.order[0].cur.recvID, false, many...))
			e := childError(got)
			if over := i == 2; !ok || over != (e != nil) || over && e.Kind != message.InvalidSyntax {
				t.Errorf("%d payloads in SK: %v %+v", n, ok, got)
			}
		}
	})
	for i, n := range []int{message.MaxPayloads - 1, message.MaxPayloads, message.MaxPayloads + 1} {
		p := newPair(t, acceptConfig(t))
		if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
			t.Fatal(err)
		}
		d := p.i.take()[0]
		m := message.Message{Header: message.Header{SPIi: message.SPI(binary.BigEndian.Uint64(d.Data)), Exchange: message.IKESAInit, Flags: message.FlagInitiator},
			Payloads: parsed(t, d)}
		for len(m.Payloads) < n {
			m.Payloads = append(m.Payloads, &message.Unknown{Kind: 200})
		}
		var err error
		if d.Data, err = m.Marshal(); err != nil {
			t.Fatal(err)
		}
		p.hand(flight{p.i, p.r, d})
		out := p.r.take()
		if len(out) != 1 {
			t.Fatalf("%d payloads in the clear: %d answers", n, len(out))
		}
		if e := childError(parsed(t, out[0])); i < 2 && e != nil || i == 2 && (e == nil || e.Kind != message.InvalidSyntax || len(p.r.e.sas) != 0) {
			t.Errorf("%d payloads in the clear: %+v", n, e)
		}
	}
}
