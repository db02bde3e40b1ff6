package ike

import (
	"testing"
	"time"

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

// heldRequests starts something at both ends, so that their requests cross.
func (p *pair) cross(f func(n *end)) {
	f(p.i)
	f(p.r)
	p.flush()
	if len(p.wire) != 2 {
		p.t.Fatalf("%d messages under way, want 2", len(p.wire))
	}
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
	p.advance(63 * time.Second)
	if d, ok := last[SessionDown](p.r); !ok || d.Reason != "no child SA was agreed on" {
		t.Errorf("%s", dump(p.r.events))
	}
	p.empty()
}
