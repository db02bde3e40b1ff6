package ike

import (
	"testing"
	"time"

	"warren/ike/message"
)

// Collisions of exchanges about the IKE SA: rows 1 to 15. Rows 9 and 10 are of
// several key exchanges, and stand with them.

// common checks that both ends use one IKE SA, rekeyed n times.
func (p *pair) common(n int) {
	p.t.Helper()
	a, b := p.i.theSession(), p.r.theSession()
	if a.SPIi != b.SPIi || a.SPIr != b.SPIr || a.Rekeys != n || b.Rekeys != n ||
		count[SessionRekeyed](p.i) != n || count[SessionRekeyed](p.r) != n {
		p.t.Errorf("no common survivor: %x/%x after %d and %x/%x after %d rekeys", a.SPIi, a.SPIr, a.Rekeys, b.SPIi, b.SPIr, b.Rekeys)
	}
}

// rekeyedIKE checks that the IKE SA was replaced once and the child kept.
func rekeyedIKE(p *pair, a, b *end) {
	p.common(1)
	p.untouched()
	p.steady()
}

// untouched checks that the child was left alone.
func (p *pair) untouched() {
	for _, n := range []*end{p.i, p.r} {
		if count[ChildRemoved](n)+count[ChildAdded](n)+count[OutboundSwitched](n) != 0 || count[ChildUp](n) != 1 {
			p.t.Errorf("%s: the child flapped", n.name)
		}
	}
}

// gone checks that the session ended on both ends, once.
func gone(p *pair, a, b *end) { p.over() }

// otherGroups makes both ends of a session want another group than the one that
// their next rekey of the IKE SA starts with, so that both get
// INVALID_KE_PAYLOAD.
func (p *pair) otherGroups(ends ...*end) {
	for _, n := range ends {
		n.e.order[0].ike = ikeProposals(p.t, "aes128gcm16-prfsha256-ecp256-x25519")
	}
}

func isCreate(f flight) bool { return f.kind() == message.CreateChildSA }
func isInfo(f flight) bool   { return f.kind() == message.Informational }

// TestCollision01: a regular rekey of the IKE SA.
func TestCollision01(t *testing.T) {
	crossing{
		lossless: true,
		begin:    func(p *pair, a, b *end) { p.rekeyIKE(a) },
		check: func(p *pair, a, b *end) {
			rekeyedIKE(p, a, b)
			for _, n := range []*end{a, b} {
				if sa := n.e.order[0].cur; sa.sendID != 0 || sa.recvID != 0 {
					p.t.Errorf("%s: message ids do not restart at 0", n.name)
				}
			}
			if x, y := p.asked(a, isInfo), p.asked(b, isInfo); x != 1 || y != 0 {
				p.t.Errorf("%d and %d DELETEs, want that of the one who asked", x, y)
			}
			p.rekeyChild(b)
			p.steady()
			p.rekeyIKE(b)
			p.steady()
		},
	}.run(t)
}

// TestCollision02: the responder of a rekey wants another group.
func TestCollision02(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.otherGroups(a, b)
			p.rekeyIKE(a)
			p.flush()
			p.deliver(0)
			if len(b.e.sas) != 1 {
				p.t.Error("a refused rekey leaves an IKE SA")
			}
		},
		check: func(p *pair, a, b *end) {
			rekeyedIKE(p, a, b)
			if n := p.asked(a, isCreate); n != 2 {
				p.t.Errorf("%d requests, want one and its repetition with another group", n)
			}
		},
	}.run(t)
}

// TestCollision03: both rekey the IKE SA.
func TestCollision03(t *testing.T) {
	crossing{
		lossless: true,
		begin:    func(p *pair, a, b *end) { p.cross(p.rekeyIKE) },
		check: func(p *pair, a, b *end) {
			rekeyedIKE(p, a, b)
			if x, y := p.asked(a, isInfo), p.asked(b, isInfo); x > 1 || y > 1 || x+y == 0 {
				p.t.Errorf("%d and %d DELETEs", x, y)
			}
		},
	}.run(t)
}

// TestCollision04: as 3, and both have to change the group first.
func TestCollision04(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.otherGroups(a, b)
			p.cross(p.rekeyIKE)
			p.deliverFrom(a)
			p.deliverFrom(b)
			p.deliverFrom(a) // the refusals; both start again
			p.deliverFrom(b)
		},
		check: rekeyedIKE,
	}.run(t)
}

// TestCollision05: as 4, and the retry of a comes when the rekey of b is over.
func TestCollision05(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.otherGroups(a, b)
			p.cross(p.rekeyIKE)
			for range 2 {
				p.deliverFrom(a)
				p.deliverFrom(b)
			}
			late := p.hold(a)
			p.deliverFrom(b) // a answers
			p.deliverFrom(a) // b uses the new IKE SA and deletes the old one
			answers := len(p.tap)
			p.hand(late)
			p.flush()
			for _, f := range p.tap[answers:] {
				if f.isResponse() && len(f.d.Data) > 100 {
					p.t.Error("a second rekey was answered")
				}
			}
		},
		check: rekeyedIKE,
	}.run(t)
}

// TestCollision06: as 3, and the DELETEs overtake the responses.
func TestCollision06(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.cross(p.rekeyIKE)
			p.deliverFrom(a)
			p.deliverFrom(b)
			late := p.hold(b) // the response that a waits for
			p.deliverFrom(a)  // b has its own, and deletes the one or the other
			for len(p.wire) > 0 {
				p.deliver(len(p.wire) - 1)
			}
			p.wire = append(p.wire, late)
		},
		check: rekeyedIKE,
	}.run(t)
}

// TestCollision06Timer: as 6, and the DELETEs never arrive: a timer clears away
// what nobody deletes.
func TestCollision06Timer(t *testing.T) {
	for _, both := range []bool{false, true} {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.drop = isInfo
				if both {
					p.cross(p.rekeyIKE)
				} else {
					p.rekeyIKE(a)
				}
				p.advance(redundantTime - time.Second)
				if len(p.i.e.sas)+len(p.r.e.sas) < 3 {
					p.t.Error("nothing waits for a DELETE")
				}
				p.advance(10 * time.Second)
				for _, n := range []*end{p.i, p.r} {
					if len(n.e.sas) != 1 {
						p.t.Errorf("%s has %d IKE SAs", n.name, len(n.e.sas))
					}
				}
			},
			check: rekeyedIKE,
		}.run(t)
	}
}

// TestCollision07: as 3, and the request of a never arrives.
func TestCollision07(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.cross(p.rekeyIKE)
			request := string(p.hold(a).d.Data)
			p.drop = func(f flight) bool { return string(f.d.Data) == request }
		},
		check: rekeyedIKE,
	}.run(t)
}

// TestCollision08: as 3, and the request of a arrives when b deletes the old IKE
// SA, before or after that DELETE arrives.
func TestCollision08(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.cross(p.rekeyIKE)
			late := p.hold(a)
			p.deliverFrom(b) // a answers b
			p.deliverFrom(a) // b has its response and deletes
			p.wire = append(p.wire, late)
		},
		check: func(p *pair, a, b *end) {
			rekeyedIKE(p, a, b)
			p.advance(10 * time.Minute)
			p.common(1) // a does not try again
		},
	}.run(t)
}

// TestCollision11: rekey against delete of the IKE SA.
func TestCollision11(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyIKE(a)
			p.deleteIKE(b)
		},
		check: gone, ends: true,
	}.run(t)
}

// TestCollision12: as 11, and the DELETE is lost at first.
func TestCollision12(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyIKE(a)
			p.deleteIKE(b)
			p.flush()
			p.hold(b)
		},
		check: gone, ends: true,
	}.run(t)
}

// TestCollision13: both delete the IKE SA.
func TestCollision13(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) { p.cross(p.deleteIKE) },
		check: func(p *pair, a, b *end) {
			p.over()
			for _, n := range []*end{a, b} {
				if d, _ := last[SessionDown](n); d.Reason != "deleted" && d.Reason != "deleted by the peer" {
					p.t.Errorf("%s: %s", n.name, d.Reason)
				}
			}
		},
		ends: true,
	}.run(t)
}

// TestCollision14: rekey of the IKE SA while a child is made, rekeyed or deleted.
func TestCollision14(t *testing.T) {
	t.Run("rekeyed", func(t *testing.T) {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.rekeyIKE(a)
				p.rekeyChild(b)
			},
			check: func(p *pair, a, b *end) {
				p.advance(time.Minute)
				p.common(1)
				if count[ChildAdded](a) != 1 || count[ChildAdded](b) != 1 {
					p.t.Error("the child is not rekeyed, or twice")
				}
				p.steady()
			},
		}.run(t)
	})
	t.Run("deleted", func(t *testing.T) {
		crossing{
			begin: func(p *pair, a, b *end) {
				p.rekeyIKE(a)
				p.deleteChild(b, b.only().SPIIn)
			},
			check: func(p *pair, a, b *end) {
				p.advance(time.Minute)
				p.common(1)
				p.childless()
			},
		}.run(t)
	})
	t.Run("made", func(t *testing.T) {
		crossing{
			begin: func(p *pair, a, b *end) {
				p.rekeyIKE(p.r)
				c := p.i.only()
				err := p.i.e.CreateChild(p.i.session(), ChildConfig{Layer: 70, LocalTS: c.LocalTS, RemoteTS: c.RemoteTS}, p.now)
				if err != nil {
					p.t.Fatal(err)
				}
			},
			check: func(p *pair, a, b *end) {
				p.advance(time.Minute)
				p.common(1)
				if len(a.in) != 2 || len(b.in) != 2 || len(a.out) != 2 || len(b.out) != 2 {
					p.t.Errorf("%d and %d pairs, want 2", len(a.in), len(b.in))
				}
				p.agree()
			},
		}.run(t)
	})
}

// TestCollision15: delete of the IKE SA while a child is rekeyed.
func TestCollision15(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.deleteIKE(a)
			p.rekeyChild(b)
		},
		check: gone, ends: true,
	}.run(t)
}

// TestLowestNonceLoses: of two crossing rekeys the one with the lowest of the
// four nonces is redundant (RFC 7296, Sections 2.8.1 and 2.8.2).
func TestLowestNonceLoses(t *testing.T) {
	for low := range 4 {
		want := low >= 2 // the exchange of the session's initiator survives
		p := newPair(t, acceptConfig(t))
		p.establish(peerConfig(t))
		p.lowest(low)
		p.cross(p.rekeyIKE)
		p.settle()
		if got := p.i.e.order[0].cur.initiator; got != want {
			t.Errorf("nonce %d is the lowest: IKE SA of the initiator survives: %v", low, got)
		}
		p.cross(p.rekeyChild)
		p.settle()
		for _, ev := range p.i.events {
			if a, ok := ev.(ChildAdded); ok && a.UseOutbound != want && a.Child.SPIIn == p.i.only().SPIIn {
				t.Errorf("nonce %d is the lowest: the wrong child survives", low)
			}
		}
		p.close()
	}
}
