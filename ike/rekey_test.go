package ike

import (
	"fmt"
	"testing"
	"time"

	"warren/ike/message"
	"warren/sa"
)

// session returns the id of the only session of n.
func (n *end) session() SessionID { return n.theSession().ID }

// spi is the inbound SPI of the pair that n sends on.
func (p *pair) spi(n *end) (spi uint32) {
	p.t.Helper()
	for _, s := range n.out {
		return uint32(s)
	}
	p.t.Fatalf("%s sends on nothing; %s", n.name, dump(n.events))
	return 0
}

// steady checks that both ends have one session with one pair in use, and after
// the late ones are gone no other.
func (p *pair) steady() {
	p.t.Helper()
	p.advance(2 * time.Minute)
	for _, n := range []*end{p.i, p.r} {
		if s := n.theSession(); s.State != "up" || len(s.Children) != 1 || s.Children[0].State != "up" {
			p.t.Errorf("%s: %+v; %s", n.name, s, dump(n.events))
		}
		if len(n.in) != 1 || len(n.out) != 1 || len(n.spis.taken) != 1 || len(n.e.sas) != 1 || len(n.spis.twice) != 0 {
			p.t.Errorf("%s: installed %d, outbound %d, SPIs %d, IKE SAs %d, freed twice %v; %s", n.name,
				len(n.in), len(n.out), len(n.spis.taken), len(n.e.sas), n.spis.twice, dump(n.events))
		}
		if count[SessionDown](n) != 0 {
			p.t.Errorf("%s: %s", n.name, dump(n.events))
		}
	}
	p.agree()
}

func (p *pair) close() {
	p.t.Helper()
	if err := p.i.e.Delete(p.i.session(), p.now); err != nil {
		p.t.Fatal(err)
	}
	p.empty()
}

func (p *pair) rekeyChild(n *end) {
	p.t.Helper()
	s := n.theSession()
	for _, c := range s.Children {
		if uint32(c.SPIIn) == p.spi(n) {
			if err := n.e.RekeyChild(s.ID, c.SPIIn, p.now); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func (p *pair) rekeyIKE(n *end) {
	p.t.Helper()
	if err := n.e.RekeyIKE(n.session(), p.now); err != nil {
		p.t.Fatal(err)
	}
}

// eachSide runs f once with the initiator as a and once with the responder.
func eachSide(t *testing.T, f func(t *testing.T, p *pair, a, b *end)) {
	for _, name := range []string{"initiator", "responder"} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			p.establish(peerConfig(t))
			a, b := p.i, p.r
			if name == "responder" {
				a, b = b, a
			}
			f(t, p, a, b)
		})
	}
}

func TestCollision01(t *testing.T) { // regular rekey of the IKE SA
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		old := a.theSession()
		p.rekeyIKE(a)
		p.settle()
		for _, n := range []*end{a, b} {
			s := n.theSession()
			if s.SPIi == old.SPIi || s.Rekeys != 1 || count[SessionRekeyed](n) != 1 {
				t.Errorf("%s: %+v", n.name, s)
			}
			if count[ChildRemoved](n)+count[ChildAdded](n) != 0 || count[ChildUp](n) != 1 {
				t.Errorf("%s: the child flapped: %s", n.name, dump(n.events))
			}
			if sa := n.e.sessions[s.ID].cur; sa.sendID != 0 || sa.recvID != 0 {
				t.Errorf("%s: message ids do not restart at 0", n.name)
			}
		}
		p.steady()
		p.rekeyChild(b)
		p.steady()
		p.rekeyIKE(b)
		p.steady()
		p.close()
	})
}

func TestCollision02(t *testing.T) { // the responder wants another group
	a := acceptConfig(t)
	a.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ecp256")
	p := newPair(t, a)
	c := peerConfig(t)
	c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ecp256")
	p.establish(c)
	p.r.e.sessions[p.r.session()].ike = ikeProposals(t, "aes128gcm16-prfsha256-ecp256")
	p.rekeyIKE(p.i)
	p.settle()
	if s := p.i.theSession(); s.Rekeys != 1 {
		t.Errorf("not rekeyed: %+v", s)
	}
	p.steady()
	p.close()
}

// heldRequests starts something at both ends, so that their requests cross.
func (p *pair) cross(f func(n *end)) {
	f(p.i)
	f(p.r)
	p.flush()
	if len(p.wire) != 2 {
		p.t.Fatalf("%d messages under way, want 2", len(p.wire))
	}
}

// orders runs f with many seeds, so that the lowest nonce falls at each place,
// and with each order in which the messages of both ends may arrive.
func orders(t *testing.T, f func(t *testing.T, p *pair, order func())) {
	for seed := uint64(1); seed <= 8; seed++ {
		for mask := range 16 {
			t.Run(fmt.Sprintf("seed %d order %04b", seed, mask), func(t *testing.T) {
				p := newSeededPair(t, seed*1000, acceptConfig(t))
				p.establish(peerConfig(t))
				f(t, p, func() { p.ordered(mask) })
			})
		}
	}
}

// ordered delivers what is under way, each time from the one or the other end
// as the bits of mask say. Messages of one end keep their order.
func (p *pair) ordered(mask int) {
	for n := 0; len(p.wire) > 0; n++ {
		if n > 1000 {
			p.t.Fatal("the two ends do not stop talking")
		}
		want := p.i
		if mask>>(n%4)&1 == 1 {
			want = p.r
		}
		at := 0
		for i, f := range p.wire {
			if f.from == want {
				at = i
				break
			}
		}
		p.deliver(at)
	}
}

func TestCollision03(t *testing.T) { // both rekey the IKE SA
	orders(t, func(t *testing.T, p *pair, order func()) {
		p.cross(p.rekeyIKE)
		order()
		if a, b := p.i.theSession(), p.r.theSession(); a.SPIi != b.SPIi || a.SPIr != b.SPIr || a.Rekeys != 1 || b.Rekeys != 1 {
			t.Errorf("no common survivor: %x/%x and %x/%x", a.SPIi, a.SPIr, b.SPIi, b.SPIr)
		}
		p.steady()
		p.close()
	})
}

// deliverFrom delivers the oldest message of n that is under way.
func (p *pair) deliverFrom(n *end) {
	p.t.Helper()
	for i, f := range p.wire {
		if f.from == n {
			p.deliver(i)
			return
		}
	}
	p.t.Fatalf("nothing of %s is under way", n.name)
}

func TestCollision06(t *testing.T) { // the winner deletes before the loser has its response
	for seed := uint64(1); seed <= 12; seed++ {
		p := newSeededPair(t, seed, acceptConfig(t))
		p.establish(peerConfig(t))
		p.cross(p.rekeyIKE)
		p.deliverFrom(p.i) // request of I, R's response to it waits
		p.deliverFrom(p.r) // request of R, which got no answer before: held response first
		for len(p.wire) > 0 {
			p.deliver(len(p.wire) - 1) // newest first: deletes overtake responses
		}
		p.steady()
		p.close()
	}
}

func TestCollision07(t *testing.T) { // one of the two requests never arrives
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.cross(p.rekeyIKE)
		lost := func(f flight) bool { return f.from == a && !f.isResponse() && f.kind() == message.CreateChildSA }
		p.drop = lost
		for i, f := range p.wire {
			if lost(f) {
				p.wire = append(p.wire[:i], p.wire[i+1:]...)
				break
			}
		}
		p.settle()
		p.advance(time.Second)
		p.drop = nil
		if x, y := a.theSession(), b.theSession(); x.SPIi != y.SPIi || x.Rekeys != 1 {
			t.Errorf("%+v and %+v", x, y)
		}
		p.steady()
		p.close()
	})
}

func TestCollision08(t *testing.T) { // a request arrives when the old IKE SA is being deleted
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.cross(p.rekeyIKE)
		p.deliverFrom(b) // a answers b; a's request is held back
		var held flight
		for i, f := range p.wire {
			if f.from == a && !f.isResponse() {
				held = f
				p.wire = append(p.wire[:i], p.wire[i+1:]...)
				break
			}
		}
		p.deliverFrom(a) // b has its response and deletes
		p.hand(held)
		p.flush()
		p.settle()
		p.steady()
		p.close()
	})
}

func TestCollision11(t *testing.T) { // rekey against delete of the IKE SA
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyIKE(a)
		if err := b.e.Delete(b.session(), p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.settle()
		if count[SessionDown](a) != 1 || count[SessionDown](b) != 1 {
			t.Errorf("a %s b %s", dump(a.events), dump(b.events))
		}
		p.empty()
	})
}

func TestCollision12(t *testing.T) { // as 11, and the DELETE is lost at first
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		n := 0
		p.drop = func(f flight) bool {
			if f.from == b && f.kind() == message.Informational && n == 0 {
				n++
				return true
			}
			return false
		}
		p.rekeyIKE(a)
		if err := b.e.Delete(b.session(), p.now); err != nil {
			t.Fatal(err)
		}
		p.empty()
		if n != 1 || count[SessionDown](a) != 1 || count[SessionDown](b) != 1 {
			t.Errorf("a %s b %s", dump(a.events), dump(b.events))
		}
	})
}

func TestCollision13(t *testing.T) { // both delete the IKE SA
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.cross(func(n *end) {
		if err := n.e.Delete(n.session(), p.now); err != nil {
			t.Fatal(err)
		}
	})
	p.settle()
	if count[SessionDown](p.i) != 1 || count[SessionDown](p.r) != 1 {
		t.Errorf("%s %s", dump(p.i.events), dump(p.r.events))
	}
	p.empty()
}

func TestCollision14(t *testing.T) { // rekey of the IKE SA against rekey of a child
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyIKE(a)
		p.rekeyChild(b)
		p.flush()
		p.settle()
		if a.theSession().Rekeys != 0 || len(a.in) != 1 {
			t.Errorf("rekeyed in spite of the other: %s", dump(a.events))
		}
		p.advance(30 * time.Second)
		if a.theSession().Rekeys != 1 || count[ChildAdded](a) != 1 {
			t.Errorf("not tried again: %s", dump(a.events))
		}
		p.steady()
		p.close()
	})
}

func TestCollision15(t *testing.T) { // delete of the IKE SA against rekey of a child
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		if err := a.e.Delete(a.session(), p.now); err != nil {
			t.Fatal(err)
		}
		p.rekeyChild(b)
		p.flush()
		p.settle()
		p.empty()
	})
}

func TestCollision16(t *testing.T) { // regular rekey of a child
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		oldA, oldB := p.spi(a), p.spi(b)
		p.rekeyChild(a)
		p.flush()
		p.deliver(0) // the request
		if len(b.in) != 2 || p.spi(b) != oldB {
			t.Error("the responder must receive on both pairs and still send on the old one")
		}
		p.deliver(0) // the response
		if len(a.in) != 2 || p.spi(a) == oldA {
			t.Error("the initiator must receive on both pairs and send on the new one")
		}
		p.deliver(0) // the DELETE
		if len(b.in) != 2 || p.spi(b) == oldB {
			t.Error("the responder must send on the new pair and still receive on both")
		}
		p.settle()
		p.agree()
		p.steady()
		p.close()
	})
}

func TestChildUsedSwitches(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		old := p.spi(b)
		p.rekeyChild(a)
		p.flush()
		p.deliver(0)
		added, _ := last[ChildAdded](b)
		b.e.ChildUsed(b.session(), added.Child.SPIIn, p.now)
		p.flush()
		if p.spi(b) == old {
			t.Error("the first packet on the new pair must switch the responder over")
		}
		p.settle()
		p.steady()
		p.close()
	})
}

func TestCollision17(t *testing.T) { // the responder has lost the child
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		s := b.e.sessions[b.session()]
		b.e.removeChild(s, s.children[0], removal{down: true, reason: "lost"})
		old := p.spi(a)
		p.rekeyChild(a)
		p.settle()
		if p.spi(a) == old || count[ChildRemoved](a) != 1 {
			t.Errorf("no fresh child: %s", dump(a.events))
		}
		delete(b.out, 0)
		p.steadyAnew(a, b)
	})
}

// steadyAnew is steady where a responder's end made a second ChildUp.
func (p *pair) steadyAnew(a, b *end) {
	p.t.Helper()
	if len(a.in) != 1 || len(b.in) != 1 {
		p.t.Errorf("a %s b %s", dump(a.events), dump(b.events))
	}
	p.agree()
	p.close()
}

func TestCollision18(t *testing.T) { // both rekey the same child
	orders(t, func(t *testing.T, p *pair, order func()) {
		p.cross(p.rekeyChild)
		order()
		p.agree()
		p.steady()
		p.close()
	})
}

func TestCollision19(t *testing.T) { // as 18, deletes overtake responses
	for seed := uint64(1); seed <= 12; seed++ {
		p := newSeededPair(t, seed, acceptConfig(t))
		p.establish(peerConfig(t))
		p.cross(p.rekeyChild)
		p.deliverFrom(p.i)
		p.deliverFrom(p.r)
		for len(p.wire) > 0 {
			p.deliver(len(p.wire) - 1)
		}
		p.steady()
		p.close()
	}
}

func TestCollision21(t *testing.T) { // a rekey request arrives when the old child is being or was deleted
	for _, late := range []bool{false, true} {
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			p.cross(p.rekeyChild)
			var held flight
			for i, f := range p.wire {
				if f.from == a {
					held = f
					p.wire = append(p.wire[:i], p.wire[i+1:]...)
				}
			}
			p.deliverFrom(b) // a answers
			p.deliverFrom(a) // b deletes the old pair
			if late {
				p.settle()
			}
			p.hand(held)
			p.flush()
			p.settle()
			p.steady()
			p.close()
		})
	}
}

func TestCollision22(t *testing.T) { // the new child is deleted before the response that makes it arrives
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyChild(a)
		p.flush()
		p.deliver(0)
		added, _ := last[ChildAdded](b)
		if err := b.e.DeleteChild(b.session(), added.Child.SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.deliver(1) // the DELETE, and its answer, before the response
		p.settle()
		if len(a.in) != 1 {
			t.Errorf("a revived what was deleted: %s", dump(a.events))
		}
	})
}

func TestCollision24(t *testing.T) { // delete against rekey of a child
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyChild(a)
		c := b.theSession().Children[0]
		if err := b.e.DeleteChild(b.session(), c.SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.settle()
		p.advance(time.Minute)
		for _, n := range []*end{a, b} {
			if len(n.in) != 0 || count[ChildRemoved](n) != 1 || len(n.theSession().Children) != 0 {
				t.Errorf("%s: %s", n.name, dump(n.events))
			}
		}
		p.close()
	})
}

func TestCollision26(t *testing.T) { // both delete the same child
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.cross(func(n *end) {
		s := n.theSession()
		if err := n.e.DeleteChild(s.ID, s.Children[0].SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
	})
	p.settle()
	for _, n := range []*end{p.i, p.r} {
		if len(n.in) != 0 || count[ChildRemoved](n) != 1 {
			t.Errorf("%s: %s", n.name, dump(n.events))
		}
	}
	for _, f := range p.tap {
		if f.kind() != message.Informational || !f.isResponse() {
			continue
		}
		if ps, err := f.to.e.open(f.to.e.order[0].cur, f.d); err != nil || len(ps) != 0 {
			t.Errorf("%s answers %+v %v, want nothing", f.from.name, ps, err)
		}
	}
	p.close()
}

func TestCollision27(t *testing.T) { // the responder waits for a DELETE that never comes
	a := acceptConfig(t)
	a.Rekey = Rekey{Child: sa.Lifetime{SoftTime: time.Hour, HardTime: time.Hour + time.Minute}}
	p := newPair(t, a)
	p.establish(peerConfig(t))
	old := p.spi(p.r)
	p.rekeyChild(p.i)
	p.flush()
	p.deliver(0)
	p.deliver(0)
	p.drop = func(f flight) bool { return f.from == p.i && !f.isResponse() }
	p.wire = nil
	// The initiator gives up, so forget it; the responder lives on alone.
	p.now = p.now.Add(time.Hour + 2*time.Minute)
	p.r.e.Tick(p.now)
	p.flush()
	if p.spi(p.r) == old {
		t.Errorf("still on the old pair: %s", dump(p.r.events))
	}
}

func TestRekeyTimers(t *testing.T) {
	rekey := Rekey{IKE: 10 * time.Minute, Child: sa.Lifetime{SoftTime: 3 * time.Minute, HardTime: 4 * time.Minute}}
	a := acceptConfig(t)
	a.Rekey = rekey
	c := peerConfig(t)
	c.Rekey = rekey
	p := newPair(t, a)
	p.establish(c)
	p.advance(2 * time.Hour)
	if s := p.i.theSession(); s.Rekeys < 11 || len(s.Children) == 0 || s.Children[0].Rekeys < 35 {
		t.Errorf("%+v", s)
	}
	p.agree()
	if len(p.i.in) > 2 || len(p.r.in) > 2 || count[SessionDown](p.i) != 0 {
		t.Errorf("%d and %d pairs; %s", len(p.i.in), len(p.r.in), dump(p.i.events))
	}
	p.close()
}

func TestChildHardLifetime(t *testing.T) {
	c := peerConfig(t)
	c.Rekey = Rekey{Child: sa.Lifetime{HardTime: time.Minute}}
	p := newPair(t, acceptConfig(t))
	p.establish(c)
	p.advance(2 * time.Minute)
	ev, ok := last[ChildRemoved](p.i)
	if !ok || !ev.Down || len(p.r.in) != 0 {
		t.Errorf("%s", dump(p.i.events))
	}
	p.close()
}

func TestRekeyWithPFS(t *testing.T) {
	for _, g := range []string{"x25519", "ecp256", "ecp384", "modp2048"} {
		a, c := acceptConfig(t), peerConfig(t)
		a.ESP = espProposals(t, "aes256gcm16-"+g)
		c.ESP = espProposals(t, "aes256gcm16-"+g)
		p := newPair(t, a)
		p.establish(c)
		p.rekeyChild(p.i)
		p.steady()
		p.rekeyChild(p.r)
		p.steady()
		p.close()
	}
}

func TestRekeyWithOtherGroup(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.ESP = espProposals(t, "aes256gcm16-ecp256")
	c.ESP = espProposals(t, "aes256gcm16-x25519-ecp256")
	p := newPair(t, a)
	p.establish(c)
	p.rekeyChild(p.i)
	p.settle()
	if count[ChildAdded](p.i) != 1 {
		t.Errorf("no rekey: %s", dump(p.i.events))
	}
	p.steady()
	p.close()
}

// A session is deleted while its IKE SA is being rekeyed: the DELETE goes over
// the new one, and nothing is left at the peer.
func TestDeleteDuringRekey(t *testing.T) {
	for n := range 3 {
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			p.rekeyIKE(a)
			p.flush()
			for range n {
				p.deliver(0)
			}
			if err := a.e.Delete(a.session(), p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if count[SessionDown](a) != 1 || count[SessionDown](b) != 1 {
				t.Errorf("a %s b %s", dump(a.events), dump(b.events))
			}
			p.empty()
		})
	}
}

// A responder that refused the child does not keep the IKE SA for ever.
func TestChildlessEnds(t *testing.T) {
	a := acceptConfig(t)
	a.ESP = espProposals(t, "chacha20poly1305")
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	for range 3 {
		p.deliver(0)
	}
	p.wire, p.drop = nil, func(flight) bool { return true }
	p.advance(23 * time.Second)
	if d, ok := last[SessionDown](p.r); !ok || d.Reason != "no child SA was agreed on" {
		t.Errorf("%s", dump(p.r.events))
	}
	p.empty()
}

func TestCollision20(t *testing.T) { // the peer deletes the old pair and the new one before our response comes
	for seed := uint64(1); seed <= 8; seed++ {
		p := newSeededPair(t, seed, acceptConfig(t))
		p.establish(peerConfig(t))
		a, b := p.i, p.r
		a.quiet, b.quiet = true, true
		p.cross(p.rekeyChild)
		p.deliverFrom(b) // a answers b's rekey, and its own request still waits
		for i, f := range p.wire {
			if f.from == a && f.isResponse() {
				p.deliver(i) // b has the new pair, and deletes the old one
				break
			}
		}
		p.deliverFrom(b) // a handles that DELETE
		p.deliverFrom(a) // b gets a's late request: the old pair is going or gone
		added, _ := last[ChildAdded](b)
		var answer int
		for i, f := range p.wire {
			if f.from == a {
				answer = i
			}
		}
		p.deliver(answer)
		if err := b.e.DeleteChild(b.session(), added.Child.SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.advance(time.Minute)
		if len(a.in) != 0 || len(b.in) != 0 {
			t.Errorf("a %s b %s", dump(a.events), dump(b.events))
		}
		p.close()
	}
}

func TestCollision25(t *testing.T) { // 24 with the DELETE or the rekey lost
	for _, lost := range []message.ExchangeType{message.Informational, message.CreateChildSA} {
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			a.quiet, b.quiet = true, true
			n := 0
			p.drop = func(f flight) bool {
				if f.kind() == lost && !f.isResponse() && n == 0 {
					n++
					return true
				}
				return false
			}
			p.rekeyChild(a)
			if err := b.e.DeleteChild(b.session(), b.theSession().Children[0].SPIIn, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(2 * time.Minute)
			if len(a.in) != len(b.in) || n != 1 {
				t.Errorf("%d and %d pairs\na %s b %s", len(a.in), len(b.in), dump(a.events), dump(b.events))
			}
			p.agree()
			p.close()
		})
	}
}

func TestCollision28(t *testing.T) { // the DELETE after a rekey is never answered
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.rekeyChild(p.i)
	p.flush()
	p.deliver(0)
	p.deliver(0)
	p.wire, p.drop = nil, func(flight) bool { return true }
	p.advance(time.Minute)
	down := 0
	for _, ev := range p.i.events {
		if r, ok := ev.(ChildRemoved); ok && r.Down {
			down++
		}
	}
	if down != 1 || count[SessionDown](p.i) != 1 {
		t.Errorf("%s", dump(p.i.events))
	}
	p.i.empty()
}

func TestCollision30(t *testing.T) { // the new child is deleted while the DELETE of the old one is out
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		a.quiet, b.quiet = true, true
		p.rekeyChild(a)
		p.flush()
		p.deliver(0)
		p.deliver(0)
		added, _ := last[ChildAdded](a)
		if err := a.e.DeleteChild(a.session(), added.Child.SPIIn, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.advance(time.Minute)
		if len(a.in)+len(b.in) != 0 {
			t.Errorf("a %s b %s", dump(a.events), dump(b.events))
		}
		p.close()
	})
}

// The DELETEs after rekeys never arrive: timers clear away what nobody deletes.
func TestUndeletedIKESAsAreDropped(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		p := newSeededPair(t, seed, acceptConfig(t))
		p.establish(peerConfig(t))
		p.drop = func(f flight) bool { return f.kind() == message.Informational }
		if seed%2 == 0 {
			p.cross(p.rekeyIKE)
		} else {
			p.rekeyIKE(p.i)
		}
		p.advance(redundantTime - time.Second)
		if len(p.i.e.sas)+len(p.r.e.sas) < 3 {
			t.Error("nothing waits for a DELETE")
		}
		p.advance(10 * time.Second)
		for _, n := range []*end{p.i, p.r} {
			if len(n.e.sas) != 1 {
				t.Errorf("%s has %d IKE SAs", n.name, len(n.e.sas))
			}
		}
		p.drop = nil
		p.steady()
		p.close()
	}
}
