package ike

import (
	"net/netip"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
	"warren/sa"
)

// A peer may not pile up child SAs: neither new ones, nor rekeys whose DELETE
// it never sends.
func TestChildrenBounded(t *testing.T) {
	for _, name := range []string{"new", "rekeys"} {
		p := newPair(t, acceptConfig(t))
		p.establish(peerConfig(t))
		p.r.quiet = true
		var refused *message.Notify
		for i := range uint32(40) {
			var old esp.SPI
			if name == "rekeys" {
				cs := p.r.theSession().Children
				old = cs[len(cs)-1].SPIOut
			}
			ps := childRequest(t, old)
			ps[len(ps)-4] = crypt.Offer(espProposals(t, "aes128gcm16-esn"), spiBytes(esp.SPI(0xabcd00+i)))
			got, ok := p.tell(p.i, p.i.say(message.CreateChildSA, 2+i, false, ps...))
			if !ok {
				t.Fatalf("%s: request %d is not answered", name, i)
			}
			refused = childError(got)
		}
		if n := len(p.r.theSession().Children); n != 32 || len(p.r.spis.taken) != 32 {
			t.Errorf("%s: %d child SAs, %d SPIs", name, n, len(p.r.spis.taken))
		}
		if refused == nil || refused.Kind != message.NoAdditionalSAs {
			t.Errorf("%s: answer is %+v", name, refused)
		}
	}
}

// A peer may not pile up IKE SAs that it rekeys and never deletes.
func TestIKESAsBounded(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	var id uint32 = 2
	for range 20 {
		ps := ikeRekeyRequest(t)
		got, _ := p.tell(p.i, p.i.say(message.CreateChildSA, id, false, ps...))
		if n := childError(got); n != nil {
			if n.Kind != message.TemporaryFailure {
				t.Errorf("answer is %v", n.Kind)
			}
			break
		}
		// The peer goes on with the new IKE SA; here it borrows its keys.
		r := p.r.e.order[0].cur
		s := p.i.e.order[0]
		sk, err := crypt.NewSK(r.keys, true)
		if err != nil {
			t.Fatal(err)
		}
		s.cur = &ikeSA{sess: s, initiator: true, state: saUp, spiI: r.spiI, spiR: r.spiR, choice: r.choice, sk: sk, keys: r.keys}
		id = 0
	}
	if n := len(p.r.e.sas); n != maxIKESAs {
		t.Errorf("%d IKE SAs", n)
	}
}

// What is left of many selectors may be too much for one TS payload: nothing is
// installed then.
func TestSelectorsBounded(t *testing.T) {
	a := acceptConfig(t)
	a.Local = nil
	for i := range 20 {
		a.Local = append(a.Local, policy.PrefixSelector(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)))
	}
	p := newPair(t, a)
	p.establish(peerConfig(t))
	var many []policy.Selector
	for i := range 200 {
		many = append(many, policy.Selector{From: netip.IPv4Unspecified(), To: netip.AddrFrom4([4]byte{255, 255, 255, 255}),
			Proto: 6, Ports: policy.Ports{Lo: uint16(2 * i), Hi: uint16(2 * i)}})
	}
	ps := childRequest(t, 0)
	ps[3] = tsPayload(true, many)
	got, _ := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false, ps...))
	if n := childError(got); n == nil || n.Kind != message.TSUnacceptable || len(p.r.in) != 1 {
		t.Errorf("%+v", got)
	}
}

// A range with an end in ::ffff:0:0/96 must not become one from an IPv4 to an
// IPv6 address.
func TestSelectorsOfMappedAddresses(t *testing.T) {
	v4, v6 := netip.MustParseAddr("::ffff:10.0.0.0"), netip.MustParseAddr("2001:db8::")
	for _, s := range []message.Selector{{From: v4, To: v6, EndPort: 65535}, {From: v4, To: v4, EndPort: 65535},
		{From: netip.IPv6Unspecified(), To: v4, EndPort: 65535}} {
		if got := selectors(&message.TS{Selectors: []message.Selector{s}}); len(got) != 0 {
			t.Errorf("%v to %v: %v", s.From, s.To, got)
		}
	}
}

// A client without a lease may use its own address, and not one that it only
// wrote on its later messages.
func TestOwnAddressIsProven(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.Pool, c.VirtualIP4 = nil, false
	p := newPair(t, a)
	p.establish(c)
	victim := netip.MustParseAddr("198.51.100.77")
	ps := childRequest(t, 0)
	ps[2] = tsPayload(false, []policy.Selector{policy.AddrSelector(victim)})
	d := p.i.say(message.CreateChildSA, 2, false, ps...)
	d.Path.Local = netip.AddrPortFrom(victim, 4500)
	got, _ := p.tell(p.i, d)
	if n := childError(got); n == nil || n.Kind != message.TSUnacceptable || len(p.r.in) != 1 {
		t.Errorf("a client got selectors for the address it spoofed: %+v", got)
	}
}

// Row 39: a peer may not narrow the selectors of a rekey either.
func TestRekeyNarrowedByResponder(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	c := p.r.e.order[0].children[0]
	c.localTS = []policy.Selector{policy.AddrSelector(addrR.Addr())}
	p.rekeyChild(p.r) // a peer that asks for less is refused: see TestCollision39
	p.settle()
	if count[ChildAdded](p.i)+count[ChildAdded](p.r) != 0 {
		t.Error("a rekey with fewer selectors was accepted")
	}
	s := p.i.e.order[0]
	o := offer{whole: true, localTS: s.children[0].localTS, remoteTS: s.children[0].remoteTS}
	if err := o.narrow(&child{}, s, o.localTS, c.localTS); err == nil {
		t.Error("an answer with fewer selectors was accepted")
	}
	if err := o.narrow(&child{}, s, o.localTS, o.remoteTS); err != nil {
		t.Error(err)
	}
}

// Asking twice for the rekey of one child is asking once, also while the window
// is taken.
func TestRekeyAskedTwice(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		p.rekeyChild(p.i)
		p.rekeyIKE(p.i)
	}
	if n := len(p.i.e.order[0].cur.queue); n != 2 {
		t.Errorf("%d tasks wait", n)
	}
	p.steady()
}

// An IKE SA that is adopted while its session closes has no rekey to come, which
// nobody would do and which would stay due.
func TestNoRekeyWhileClosing(t *testing.T) {
	c := peerConfig(t)
	c.Rekey.IKE = time.Second
	p := newPair(t, acceptConfig(t))
	id := p.establish(c)
	p.rekeyIKE(p.i)
	p.flush()
	if err := p.i.e.Delete(id, p.now); err != nil {
		t.Fatal(err)
	}
	n := 0
	p.drop = func(f flight) bool { n++; return n > 1 } // only the answer to the rekey arrives
	p.settle()
	p.advance(time.Minute)
	p.i.empty()
}

// Whoever fails to authenticate takes a half-open place until it is forgotten,
// and one source cannot take all of them.
func TestHalfOpenPerSource(t *testing.T) {
	a := acceptConfig(t)
	p := newPair(t, a, func(_, r *Options) { r.MaxHalfOpen = 64 })
	attacker := newEnd(t, "attacker", 99, Options{})
	c := peerConfig(t)
	c.PSK = []byte("wrong")
	for range 100 {
		if _, err := attacker.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
	}
	for out := attacker.take(); len(out) > 0; out = attacker.take() { // IKE_SA_INIT, then IKE_AUTH
		for _, d := range out {
			d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
			p.r.e.Receive(d, p.now)
			for _, r := range p.r.take() {
				r.Path.Local, r.Path.Remote = r.Path.Remote, r.Path.Local
				attacker.e.Receive(r, p.now)
			}
		}
	}
	if n := count[SessionFailed](p.r); n != 16 || p.r.e.halfOpen != 16 || len(p.r.e.sas) != 16 {
		t.Errorf("%d attempts failed, %d count as half-open, %d IKE SAs; want 16", n, p.r.e.halfOpen, len(p.r.e.sas))
	}
	other := peerConfig(t)
	other.Local = netip.MustParseAddrPort("192.0.2.101:500")
	p.establish(other)
	p.close()
	if len(p.r.e.halfFrom) != 0 {
		t.Errorf("left: %v", p.r.e.halfFrom)
	}
}

// One identity cannot pile up sessions: the oldest goes.
func TestSessionsPerIdentityBounded(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.r.quiet = true
	for i := range 20 {
		c := peerConfig(t)
		c.Name, c.Layer, c.NoInitialContact = "sg1", sa.Layer(200+i), true
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.advance(5 * time.Second)
	}
	if n := len(p.r.e.Sessions()); n != maxTwins || count[SessionDown](p.r) != 4 || len(p.i.e.Sessions()) != maxTwins {
		t.Errorf("%d sessions, %d ended", n, count[SessionDown](p.r))
	}
	if first := p.r.e.order[0].id; first != 5 {
		t.Errorf("session %d is the oldest, want 5", first)
	}
}
