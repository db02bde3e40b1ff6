package ike

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

var (
	elsewhereI = netip.MustParseAddr("198.51.100.77")
	thirdI     = netip.MustParseAddr("198.51.100.78")
	elsewhereR = netip.MustParseAddr("203.0.113.9")
)

// mobilePair is a pair with a session of which both ends know MOBIKE; opt may
// change how they are configured.
func mobilePair(t *testing.T, change func(c *PeerConfig, a *AcceptConfig), opt ...func(i, r *Options)) (*pair, SessionID) {
	t.Helper()
	c, a := peerConfig(t), acceptConfig(t)
	c.MOBIKE, a.MOBIKE = true, true
	if change != nil {
		change(&c, &a)
	}
	p := newPair(t, a, opt...)
	return p, p.establish(c)
}

// same checks that both ends mean the same path, as engine and as events.
func (p *pair) samePath() {
	p.t.Helper()
	i, r := p.i.e.order[0].path, p.r.e.order[0].path
	if i.Local != r.Remote || i.Remote != r.Local {
		p.t.Errorf("the initiator goes from %v to %v, the responder from %v to %v", i.Local, i.Remote, r.Local, r.Remote)
	}
	for _, n := range []*end{p.i, p.r} {
		if ev, ok := last[PathChanged](n); ok && ev.ID == n.e.order[0].id && ev.Path != n.e.order[0].path {
			p.t.Errorf("%s: ESP goes by %+v, IKE by %+v", n.name, ev.Path, n.e.order[0].path)
		}
	}
}

// exchanges lists what was sent from the n-th message on, requests only.
func (p *pair) requests(from int) (kinds []string) {
	for _, f := range p.tap[from:] {
		if !f.isResponse() {
			kinds = append(kinds, f.from.name+" "+f.kind().String())
		}
	}
	return kinds
}

func TestMOBIKEMove(t *testing.T) {
	p, id := mobilePair(t, nil)
	sent := len(p.tap)
	if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	if ev, ok := last[PathChanged](p.i); !ok || ev.Path.Local != netip.AddrPortFrom(elsewhereI, 4500) || ev.Encap == 0 {
		t.Errorf("the initiator's ESP does not move at once: %+v", ev)
	}
	p.deliver(0)
	if count[PathChanged](p.r) != 0 {
		t.Error("the responder moved before it knew that the peer is there")
	}
	p.settle()
	if count[PathChanged](p.i) != 1 || count[PathChanged](p.r) != 1 {
		t.Errorf("%d and %d changes of path", count[PathChanged](p.i), count[PathChanged](p.r))
	}
	p.samePath()
	if got := p.requests(sent); !slices.Equal(got, []string{"initiator INFORMATIONAL", "responder INFORMATIONAL"}) {
		t.Errorf("requests: %v", got)
	}
	p.rekeyChild(p.i)
	p.settle()
	if c, _ := last[ChildAdded](p.r); c.Child.Path.Remote.Addr() != elsewhereI {
		t.Errorf("the next child goes to %v", c.Child.Path.Remote)
	}
	p.agree()
	if err := p.i.e.Move(id, elsewhereI, p.now); err != nil || len(p.i.take()) != 0 {
		t.Error("a move to where it is does something")
	}
	p.close()
}

// Back to an address that is proven needs no further check.
func TestMOBIKEKnownAddress(t *testing.T) {
	p, id := mobilePair(t, nil)
	for _, local := range []netip.Addr{elsewhereI, addrI.Addr(), elsewhereI} {
		if err := p.i.e.Move(id, local, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.samePath()
	}
	path := p.r.e.order[0].path
	path.Remote = netip.AddrPortFrom(elsewhereI, 1024) // a port is no address
	s := p.i.e.order[0]
	d := p.i.say(message.Informational, s.cur.sendID, false, &message.Notify{Kind: message.UpdateSAAddresses})
	d.Path.Local = path.Remote
	p.tell(p.i, d)
	if ev, _ := last[PathChanged](p.r); ev.Path != path {
		t.Errorf("%+v", ev)
	}
}

func TestMOBIKENotAgreed(t *testing.T) {
	for name, change := range map[string]func(*PeerConfig, *AcceptConfig){
		"initiator": func(c *PeerConfig, _ *AcceptConfig) { c.MOBIKE = false },
		"responder": func(_ *PeerConfig, a *AcceptConfig) { a.MOBIKE = false },
	} {
		t.Run(name, func(t *testing.T) {
			p, id := mobilePair(t, change)
			if err := p.i.e.Move(id, elsewhereI, p.now); !errors.Is(err, ErrNotMobile) {
				t.Errorf("Move: %v", err)
			}
			before := p.r.e.order[0].path
			d := p.i.say(message.Informational, 2, false, &message.Notify{Kind: message.UpdateSAAddresses},
				&message.Notify{Kind: message.Cookie2, Data: make([]byte, 16)})
			got, ok := p.tell(p.i, d)
			if !ok || len(got) != 0 || p.r.e.order[0].path != before {
				t.Errorf("unsolicited: %v %v", got, p.r.e.order[0].path)
			}
		})
	}
	if p, id := mobilePair(t, nil); !errors.Is(p.i.e.Move(id, netip.MustParseAddr("2001:db8::1"), p.now), ErrNotMobile) {
		t.Error("a move to another family")
	}
	p, _ := mobilePair(t, nil)
	if !p.i.theSession().MOBIKE || !p.r.theSession().MOBIKE {
		t.Error("not listed")
	}
}

// Whatever is under way goes on at the new address, and the update comes next.
func TestMOBIKEWhileBusy(t *testing.T) {
	for _, other := range []string{"rekey child", "rekey IKE", "peer rekeys IKE", "peer rekeys child"} {
		t.Run(other, func(t *testing.T) {
			p, id := mobilePair(t, nil)
			start := map[string]func(){
				"rekey child": func() { p.rekeyChild(p.i) }, "rekey IKE": func() { p.rekeyIKE(p.i) },
				"peer rekeys child": func() { p.rekeyChild(p.r) }, "peer rekeys IKE": func() { p.rekeyIKE(p.r) },
			}
			start[other]()
			p.flush()
			p.wire = nil // lost: the old address is gone
			if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(5 * time.Second)
			p.samePath()
			p.agree()
			if len(p.i.in) != 1 || len(p.r.in) != 1 {
				p.advance(20 * time.Second)
			}
			if len(p.i.in) != 1 || len(p.r.in) != 1 {
				t.Errorf("%d and %d pairs", len(p.i.in), len(p.r.in))
			}
			p.close()
		})
	}
}

// A second move makes the first update void, whatever arrives of it.
func TestMOBIKETwice(t *testing.T) {
	for lost := range 4 {
		p, id := mobilePair(t, nil)
		if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		for range lost { // so much of the first one happens
			p.deliver(0)
		}
		if err := p.i.e.Move(id, thirdI, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.advance(3 * time.Second)
		p.samePath()
		if got := p.r.e.order[0].path.Remote.Addr(); got != thirdI || p.r.e.order[0].mob.proven != thirdI {
			t.Errorf("after %d messages: the responder goes to %v", lost, got)
		}
		p.close()
	}
}

// Return routability: ESP does not go where the peer only says it is (RFC 4555,
// Section 3.7).
func TestMOBIKEThirdPartyBombing(t *testing.T) {
	p, _ := mobilePair(t, nil)
	victim := netip.MustParseAddrPort("192.0.2.66:4500")
	d := p.i.say(message.Informational, 2, false, &message.Notify{Kind: message.UpdateSAAddresses})
	d.Path.Local = victim
	p.hand(flight{p.i, p.r, d})
	p.drop = func(f flight) bool { return f.from == p.r && f.d.Path.Remote == victim }
	p.advance(time.Minute)
	if count[PathChanged](p.r) != 0 {
		t.Error("ESP goes to the victim")
	}
	n := 0
	for _, f := range p.tap {
		if f.d.Path.Remote == victim {
			n++
		}
	}
	if n > 1+p.r.e.opt.Retransmit.Tries {
		t.Errorf("%d messages went to the victim", n)
	}
	if len(p.r.in) != 0 {
		t.Error("the session is still there")
	}
}

// The cookie of a check must come back as it was sent.
func TestMOBIKECookie2(t *testing.T) {
	for name, answer := range map[string][]message.Payload{
		"missing": nil,
		"wrong":   {&message.Notify{Kind: message.Cookie2, Data: make([]byte, ownCookie2)}},
		"short":   {&message.Notify{Kind: message.Cookie2, Data: []byte{}}},
	} {
		for _, from := range []string{"initiator", "responder"} {
			t.Run(name+" at the "+from, func(t *testing.T) {
				p, id := mobilePair(t, nil)
				if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
					t.Fatal(err)
				}
				p.flush()
				liar, honest := p.r, p.i
				if from == "responder" {
					p.deliver(0) // and the responder's own check is under way
					liar, honest = p.i, p.r
				}
				d := liar.say(message.Informational, honest.e.order[0].cur.out.id, true, answer...)
				p.wire = nil
				p.hand(flight{liar, honest, d})
				if st := honest.e.order[0].state; st != sessionClosing {
					t.Errorf("the session is in state %v", st)
				}
				p.settle()
				p.advance(time.Minute)
				if ev, ok := last[SessionDown](honest); !ok || !strings.Contains(ev.Reason, "COOKIE2") {
					t.Errorf("%+v", ev)
				}
				honest.empty() // the liar is out of step
			})
		}
	}
	p, _ := mobilePair(t, nil)
	for i, n := range []int{0, 7, 8, 64, 65} {
		want := &message.Notify{Kind: message.Cookie2, Data: bytes.Repeat([]byte{7}, n)}
		got, _ := p.tell(p.i, p.i.say(message.Informational, uint32(2+i), false, want))
		c := message.GetNotify(got, message.Cookie2)
		if good := n >= 8 && n <= 64; good != (c != nil) || good && !bytes.Equal(c.Data, want.Data) {
			t.Errorf("a COOKIE2 of %d octets is answered with %+v", n, c)
		}
	}
}

// translate has a NAT change what the initiator sends, from now on or once.
func (p *pair) translate(to netip.AddrPort, times int) {
	p.drop = func(f flight) bool {
		if f.from != p.i || times == 0 {
			return false
		}
		times--
		f.d.Path.Local = to
		f.d.Data = bytes.Clone(f.d.Data)
		p.wire = append(p.wire, f)
		return true
	}
}

func TestMOBIKENoNATsAllowed(t *testing.T) {
	nat := netip.MustParseAddrPort("192.0.2.200:61000")
	noNAT := func(c *PeerConfig, _ *AcceptConfig) { c.Encap = EncapESP }
	t.Run("path", func(t *testing.T) {
		p, id := mobilePair(t, noNAT)
		if up, _ := last[ChildUp](p.i); up.Child.Encap != 0 || up.Child.Path.Remote.Port() != 4500 {
			t.Errorf("%+v", up.Child.Path) // RFC 4555, Section 3.3: the ports change, NAT or not
		}
		if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.samePath()
		if ev, _ := last[PathChanged](p.r); ev.Encap != 0 {
			t.Error("UDP, where no NAT is")
		}
	})
	t.Run("one message changed", func(t *testing.T) {
		p, id := mobilePair(t, noNAT)
		p.translate(nat, 1)
		if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.samePath()
		if got := p.r.e.order[0].path.Remote.Addr(); got != elsewhereI {
			t.Errorf("the responder goes to %v", got)
		}
	})
	t.Run("all changed", func(t *testing.T) {
		p, id := mobilePair(t, noNAT)
		p.translate(nat, -1)
		if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.advance(time.Minute)
		if ev, ok := last[SessionDown](p.i); !ok || !strings.Contains(ev.Reason, "UNEXPECTED_NAT_DETECTED") {
			t.Errorf("%+v", ev)
		}
		if count[PathChanged](p.r) != 0 {
			t.Error("the responder moved to the NAT")
		}
		p.empty()
	})
	t.Run("IKE_AUTH changed", func(t *testing.T) {
		c, a := peerConfig(t), acceptConfig(t)
		c.MOBIKE, a.MOBIKE, c.Encap = true, true, EncapESP
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.deliver(0)
		p.translate(nat, -1)
		p.settle()
		if ev, ok := last[SessionFailed](p.i); !ok || ev.PeerReason != "UNEXPECTED_NAT_DETECTED" {
			t.Errorf("%s", dump(p.i.events))
		}
		p.empty()
	})
}

func TestMOBIKEUnacceptable(t *testing.T) {
	lease := netip.MustParseAddr("10.99.1.1")
	for name, change := range map[string]func(*PeerConfig, *AcceptConfig){
		"own lease": nil,
		"address that is not served": func(_ *PeerConfig, a *AcceptConfig) {
			a.Addresses = []netip.Prefix{netip.PrefixFrom(addrR.Addr(), 32)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, id := mobilePair(t, change)
			lease = p.r.e.order[0].lease4
			to := elsewhereI
			if change == nil {
				to = lease
			} else {
				p.drop = func(f flight) bool { // it arrives at another address of the responder
					if f.from != p.i {
						return false
					}
					f.d.Path.Remote = netip.AddrPortFrom(elsewhereR, 4500)
					p.wire = append(p.wire, f)
					return true
				}
			}
			if err := p.i.e.Move(id, to, p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if ev, ok := last[SessionDown](p.i); !ok || !strings.Contains(ev.Reason, "UNACCEPTABLE_ADDRESSES") {
				t.Errorf("%s", dump(p.i.events))
			}
			if count[PathChanged](p.r) != 0 {
				t.Error("the responder moved")
			}
			p.empty()
		})
	}
}

// A NAT that forgets its mapping shows in a liveness check, which itself moves
// nothing (RFC 4555, Section 3.8).
func TestMOBIKENATRebinding(t *testing.T) {
	p, id := mobilePair(t, nil)
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle() // the first one tells how the peer sees this end
	sent := len(p.tap)
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if got := p.requests(sent); len(got) != 1 {
		t.Errorf("nothing has changed, and there are %v", got)
	}
	nat := netip.MustParseAddrPort("192.0.2.200:61000")
	p.translate(nat, -1)
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	if count[PathChanged](p.r) != 0 {
		t.Error("a liveness check moved the path")
	}
	p.settle()
	if ev, ok := last[PathChanged](p.r); !ok || ev.Path.Remote != nat {
		t.Errorf("the responder goes to %v", ev.Path.Remote)
	}
	p.drop = nil
}

// The responder's other addresses are tried when the usual one is silent.
func TestMOBIKEOtherAddress(t *testing.T) {
	p, id := mobilePair(t, nil, func(_, r *Options) { r.Addresses = []netip.Addr{addrR.Addr(), elsewhereR} })
	if got := p.i.e.order[0].mob.others; !slices.Equal(got, []netip.Addr{elsewhereR}) {
		t.Fatalf("the initiator knows of %v", got)
	}
	p.drop = func(f flight) bool {
		return f.d.Path.Remote.Addr() == addrR.Addr() || f.d.Path.Local.Addr() == addrR.Addr()
	}
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(20 * time.Second)
	for _, n := range []*end{p.i, p.r} {
		if count[SessionDown](n) != 0 {
			t.Fatalf("%s: %s", n.name, dump(n.events))
		}
	}
	p.samePath()
	if ev, ok := last[PathChanged](p.i); !ok || ev.Path.Remote.Addr() != elsewhereR {
		t.Errorf("the initiator goes to %v", ev.Path.Remote)
	}
}

// A forged answer from an address that the responder has told of moves nothing.
func TestMOBIKEForgedAnswer(t *testing.T) {
	p, id := mobilePair(t, nil, func(_, r *Options) { r.Addresses = []netip.Addr{addrR.Addr(), elsewhereR} })
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	f := p.wire[0]
	f.d.Path.Local = netip.AddrPortFrom(elsewhereR, f.d.Path.Local.Port())
	f.d.Data = bytes.Clone(f.d.Data)
	f.d.Data[len(f.d.Data)-1] ^= 1
	before := p.i.state()
	p.hand(f)
	if out := p.i.take(); len(out) != 0 || p.i.state() != before {
		t.Errorf("%d messages, the path is %v", len(out), p.i.e.order[0].path)
	}
	p.settle()
	p.samePath()
	p.close()
}

// A responder that has moved is followed to where it announces itself from.
func TestMOBIKEResponderMoves(t *testing.T) {
	p, _ := mobilePair(t, nil)
	if err := p.r.e.Move(p.r.session(), elsewhereR, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	if count[PathChanged](p.i) != 0 {
		t.Error("ESP goes to an address that nobody has checked")
	}
	p.settle()
	p.samePath()
	if ev, ok := last[PathChanged](p.i); !ok || ev.Path.Remote.Addr() != elsewhereR {
		t.Errorf("the initiator goes to %v", ev.Path.Remote)
	}
	p.close()
}

// The responder of a session does not decide about its addresses, and lists of
// them change nothing while the one in use is still good.
func TestMOBIKERoles(t *testing.T) {
	p, _ := mobilePair(t, nil)
	before := p.i.e.order[0].path
	d := p.r.say(message.Informational, 0, false, &message.Notify{Kind: message.UpdateSAAddresses})
	d.Path.Local = netip.AddrPortFrom(elsewhereR, 4500)
	if _, ok := p.tell(p.r, d); !ok || p.i.e.order[0].path != before {
		t.Errorf("the path is %+v", p.i.e.order[0].path)
	}
	four, six := addrR.Addr().AsSlice(), netip.MustParseAddr("2001:db8::7").AsSlice()
	d = p.r.say(message.Informational, 1, false,
		&message.Notify{Kind: message.AdditionalIP4Address, Data: four},
		&message.Notify{Kind: message.AdditionalIP4Address, Data: four},
		&message.Notify{Kind: message.AdditionalIP6Address, Data: six},
		&message.Notify{Kind: message.AdditionalIP6Address, Data: four},
		&message.Notify{Kind: message.AdditionalIP4Address, Data: []byte{255, 255, 255, 255}},
		&message.Notify{Kind: message.AdditionalIP4Address, Data: []byte{224, 0, 0, 1}},
		&message.Notify{Kind: message.AdditionalIP6Address, Data: make([]byte, 16)},
		&message.Notify{Kind: message.AdditionalIP4Address, Data: nil})
	d.Path.Local = netip.AddrPortFrom(elsewhereR, 4500)
	p.tell(p.r, d)
	want := []netip.Addr{addrR.Addr(), netip.MustParseAddr("2001:db8::7")}
	if s := p.i.e.order[0]; !slices.Equal(s.mob.others, want) || s.path != before {
		t.Errorf("others %v, path %+v", s.mob.others, s.path)
	}
	var many []message.Payload
	for i := range 40 {
		many = append(many, &message.Notify{Kind: message.AdditionalIP4Address, Data: []byte{10, 0, 0, byte(i)}})
	}
	p.tell(p.r, p.r.say(message.Informational, 2, false, many...))
	if n := len(p.i.e.order[0].mob.others); n != maxAddresses {
		t.Errorf("%d addresses are kept", n)
	}
}

// An update that comes late, on an IKE SA older than the one that brought the
// last, changes nothing.
func TestMOBIKELateUpdate(t *testing.T) {
	p, id := mobilePair(t, nil)
	old := p.i.e.order[0].cur
	sk, err := crypt.NewSK(old.keys, true)
	if err != nil {
		t.Fatal(err)
	}
	late, err := sk.Seal(message.Header{SPIi: old.spiI, SPIr: old.spiR, Exchange: message.Informational,
		Flags: message.FlagInitiator, MessageID: old.sendID + 1}, []message.Payload{&message.Notify{Kind: message.UpdateSAAddresses}})
	if err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(time.Second)
	p.rekeyIKE(p.i)
	p.flush()
	p.deliver(0)
	p.drop = func(f flight) bool { // the DELETE of the old one
		h, _ := message.ParseHeader(f.d.Data)
		return h.SPIi == old.spiI
	}
	p.settle()
	if err := p.i.e.Move(id, elsewhereI, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	r := p.r.e.order[0]
	if r.path.Remote.Addr() != elsewhereI || p.r.e.sas[old.spiR] == r.cur {
		t.Fatalf("the responder goes to %v", r.path.Remote)
	}
	d := Datagram{Path: p.i.e.order[0].path, NATT: true, Data: late}
	d.Path.Local = netip.AddrPortFrom(addrI.Addr(), 4500)
	p.hand(flight{p.i, p.r, d})
	if len(p.r.take()) != 1 {
		t.Error("the late update has no answer")
	}
	if r.path.Remote.Addr() != elsewhereI {
		t.Errorf("the late update moved the responder to %v", r.path.Remote)
	}
}
