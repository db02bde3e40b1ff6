package ike

import (
	"testing"
	"time"

	"warren/esp"
	"warren/ike/message"
)

// Collisions of exchanges about a child SA: rows 16 to 30.

// rekeyedChild checks that the child was replaced once, without an end, and that
// no end has sent on more than the old pair and the new one.
func rekeyedChild(p *pair, a, b *end) {
	p.steady()
	for _, n := range []*end{a, b} {
		if n.downs() != 0 || n.only().Rekeys != 1 || count[ChildUp](n) != 1 {
			p.t.Errorf("%s: %d times down, %d rekeys", n.name, n.downs(), n.only().Rekeys)
		}
		if k := p.watch.carried(p, n); k != 2 {
			p.t.Errorf("%s has sent on %d pairs, want the old one and the survivor", n.name, k)
		}
	}
}

// TestCollision16: a regular rekey of a child.
func TestCollision16(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.watch.tell = false
			oldA, oldB := p.spi(a), p.spi(b)
			p.rekeyChild(a)
			p.flush()
			p.deliver(0) // the request
			if len(b.in) != 2 || p.spi(b) != oldB {
				p.t.Error("the responder must receive on both pairs and still send on the old one")
			}
			p.deliver(0) // the response
			if len(a.in) != 2 || p.spi(a) == oldA {
				p.t.Error("the initiator must receive on both pairs and send on the new one")
			}
			p.deliver(0) // the DELETE
			if len(b.in) != 2 || p.spi(b) == oldB {
				p.t.Error("the responder must send on the new pair and still receive on both")
			}
		},
		check: rekeyedChild,
	}.run(t)
	crossing{
		lossless: true,
		begin:    func(p *pair, a, b *end) { p.rekeyChild(a) },
		check:    rekeyedChild,
	}.run(t)
}

// TestCollision17: rekey of a child that the responder of the rekey lost.
func TestCollision17(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			s := b.e.sessions[b.session()]
			b.e.removeChild(s, s.children[0], removal{down: true, reason: "lost"}, p.now)
			p.rekeyChild(a)
		},
		check: func(p *pair, a, b *end) {
			p.advance(time.Minute)
			p.agree()
			if count[ChildRemoved](a) != 1 || a.downs() != 0 || len(a.in) != 1 || len(b.in) != 1 || len(a.out) != 1 || len(b.out) != 1 {
				p.t.Errorf("%d and %d pairs, want a fresh one", len(a.in), len(b.in))
			}
		},
	}.run(t)
}

// TestCollision18: both rekey the same child.
func TestCollision18(t *testing.T) {
	crossing{
		lossless: true,
		begin:    func(p *pair, a, b *end) { p.cross(p.rekeyChild) },
		check:    rekeyedChild,
	}.run(t)
}

// TestCollision19: as 18, and what b deletes goes before a has its response.
func TestCollision19(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.cross(p.rekeyChild)
			p.deliverFrom(a)
			late := p.hold(b)     // b's request
			response := p.hold(b) // and its answer
			p.wire = append(p.wire, late)
			p.deliverFrom(b) // a answers
			p.deliverFrom(a) // b deletes the redundant pair, or the old one
			p.deliverFrom(b)
			p.wire = append(p.wire, response)
		},
		check: rekeyedChild,
	}.run(t)
}

// TestCollision20: as 18, and b deletes the old pair and the new one before the
// response that a waits for arrives.
func TestCollision20(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.cross(p.rekeyChild)
			p.deliverFrom(a) // b answers
			request := p.hold(b)
			response := p.hold(b)
			p.wire = append(p.wire, request)
			p.deliverFrom(b) // a answers
			p.deliverFrom(a) // b has both pairs and deletes one of the three
			for _, c := range b.theSession().Children {
				if c.State != "closing" {
					p.deleteChild(b, c.SPIIn)
				}
			}
			p.settle()
			p.wire = append(p.wire, response)
		},
		check: func(p *pair, a, b *end) { p.childless() },
	}.run(t)
}

// TestCollision21: the rekey request of a arrives when b deletes the old child,
// or has done so.
func TestCollision21(t *testing.T) {
	for _, over := range []bool{false, true} {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.cross(p.rekeyChild)
				late := p.hold(a)
				p.deliverFrom(b) // a answers
				p.deliverFrom(a) // b deletes the old pair
				if over {
					p.settle()
				}
				p.wire = append(p.wire, late)
			},
			check: rekeyedChild,
		}.run(t)
	}
}

// TestCollision22: the new child is deleted before the response that makes it
// arrives.
func TestCollision22(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyChild(a)
			p.flush()
			p.deliver(0)
			added, _ := last[ChildAdded](b)
			p.deleteChild(b, added.Child.SPIIn)
		},
		check: func(p *pair, a, b *end) {
			p.advance(time.Minute)
			p.agree()
			for _, n := range []*end{a, b} {
				if len(n.in) > 1 || len(n.in) != len(n.out) || len(n.spis.taken) != len(n.in) {
					p.t.Errorf("%s: %d pairs, %d in use, %d SPIs", n.name, len(n.in), len(n.out), len(n.spis.taken))
				}
			}
			if len(a.in) != len(b.in) {
				p.t.Errorf("%d and %d pairs", len(a.in), len(b.in))
			}
		},
	}.run(t)
}

// TestCollision23: the responder of a rekey deletes the old pair itself, before
// or after its response.
func TestCollision23(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyChild(a)
			p.flush()
			p.deliver(0) // b answers
			s := b.e.order[0]
			old := s.children[0]
			b.e.enqueue(s.cur, &deleteSPI{spi: old.spiIn}, p.now)
			b.e.switchOutbound(s, old, old.succ)
			b.e.linger(old, p.now)
			b.e.arm(s)
			p.flush()
			if len(p.wire) != 2 {
				p.t.Fatalf("%d messages under way, want 2", len(p.wire))
			}
		},
		check: func(p *pair, a, b *end) {
			p.advance(2 * time.Minute)
			p.agree()
			if a.downs()+b.downs() != 0 || count[ChildAdded](a) != 1 || len(a.in) != 1 || len(a.out) != 1 {
				p.t.Errorf("%d and %d times down, %d pairs", a.downs(), b.downs(), len(a.in))
			}
			if s := a.theSession(); len(s.Children) != 1 || s.Children[0].State != "up" {
				p.t.Errorf("%+v", s.Children)
			}
		},
	}.run(t)
}

// TestCollision24: delete against rekey of a child.
func TestCollision24(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyChild(a)
			p.deleteChild(b, b.only().SPIIn)
		},
		check: deleteWins,
	}.run(t)
}

// deleteWins checks what is left of a rekey by a against a DELETE by b: nothing,
// or the pair of a rekey that was over before.
func deleteWins(p *pair, a, b *end) {
	p.advance(2 * time.Minute)
	p.agree()
	for _, n := range []*end{a, b} {
		if s := n.theSession(); len(s.Children) != len(n.in) || len(n.in) != len(n.out) || n.downs() > 1 || len(n.spis.taken) != len(n.in) {
			p.t.Errorf("%s: %+v, installed %d, %d times down", n.name, s.Children, len(n.in), n.downs())
		}
	}
	if len(a.in) != len(b.in) || len(a.in) > 1 {
		p.t.Errorf("%d and %d pairs", len(a.in), len(b.in))
	}
}

// TestCollision25: as 24, and the DELETE or the rekey is lost at first.
func TestCollision25(t *testing.T) {
	for _, rekeyLost := range []bool{false, true} {
		crossing{
			begin: func(p *pair, a, b *end) {
				p.rekeyChild(a)
				p.deleteChild(b, b.only().SPIIn)
				p.flush()
				if rekeyLost {
					p.hold(a)
				} else {
					p.hold(b)
				}
			},
			check: deleteWins,
		}.run(t)
	}
}

// TestCollision26: both delete the same child.
func TestCollision26(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.cross(func(n *end) { p.deleteChild(n, n.only().SPIIn) })
			answers := len(p.tap)
			p.hand(p.wire[0])
			p.flush()
			for _, f := range p.tap[answers:] {
				if ps, err := f.to.e.open(f.to.e.order[0].cur, f.d); err != nil || len(ps) != 0 {
					p.t.Errorf("%s answers %+v %v, want nothing", f.from.name, ps, err)
				}
			}
		},
		check: func(p *pair, a, b *end) {
			p.childless()
			for _, n := range []*end{a, b} {
				if count[ChildRemoved](n) != 1 {
					p.t.Errorf("%s: %d removals", n.name, count[ChildRemoved](n))
				}
			}
		},
	}.run(t)
}

// TestCollision27: the lifetimes of the old pair run out on the responder of a
// rekey, which waits for a DELETE that never comes: the soft one does nothing,
// and at the hard one it goes over to the new pair and deletes the old one
// itself.
func TestCollision27(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		old := b.e.order[0].children[0]
		old.rekeyAt, old.hardAt = p.now.Add(time.Hour), p.now.Add(time.Hour+time.Minute)
		b.e.arm(b.e.order[0])
		p.rekeyChild(a)
		p.flush()
		p.deliver(0)
		p.wire = nil // a is never heard of again
		p.now = p.now.Add(time.Hour)
		b.e.Tick(p.now)
		if out := b.take(); len(out) != 0 || b.only().SPIIn != old.spiIn {
			t.Errorf("%d messages at the soft lifetime, and on %v", len(out), b.only().SPIIn)
		}
		p.now = p.now.Add(time.Minute)
		b.e.Tick(p.now)
		if out := b.take(); len(out) != 1 || b.only().SPIIn == old.spiIn || b.downs() != 0 {
			t.Errorf("%d messages at the hard lifetime, and on %v; %s", len(out), b.only().SPIIn, dump(b.events))
		}
	})
}

// TestCollision28: the DELETE after a rekey is never answered.
func TestCollision28(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyChild(a)
			p.flush()
			p.deliver(0)
			p.deliver(0)
			p.wire, p.drop = nil, func(flight) bool { return true }
			p.advance(time.Minute)
			if a.downs() != 1 || count[SessionDown](a) != 1 {
				p.t.Errorf("%d times down", a.downs())
			}
		},
		check: func(p *pair, a, b *end) {
			a.empty()
			p.r.e.Abort(1)
			p.i.e.Abort(1)
		},
		ends: true,
	}.run(t)
}

// TestCollision29: an identical child is a layer of its own, so that no two
// outbound SAs are in use for one; and a client takes none.
func TestCollision29(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			c := p.i.only()
			same := ChildConfig{Layer: 70, Mode: c.Mode, LocalTS: c.LocalTS, RemoteTS: c.RemoteTS}
			if err := a.e.CreateChild(a.session(), same, p.now); err != nil {
				p.t.Fatal(err)
			}
		},
		check: func(p *pair, a, b *end) {
			want, failed := 2, 0
			if a == p.r {
				want, failed = 1, 1
			}
			for _, n := range []*end{a, b} {
				if len(n.in) != want || len(n.out) != want {
					p.t.Errorf("%s: %d pairs, %d in use, want %d", n.name, len(n.in), len(n.out), want)
				}
			}
			if f, ok := last[ChildFailed](a); count[ChildFailed](a) != failed || ok && f.Err.(*Error).Notify != message.NoAdditionalSAs {
				p.t.Errorf("%+v", f)
			}
			p.agree()
		},
	}.run(t)
}

// TestCollision30: the new child is deleted while the DELETE of the old one is
// under way.
func TestCollision30(t *testing.T) {
	crossing{
		begin: func(p *pair, a, b *end) {
			p.rekeyChild(a)
			p.flush()
			p.deliver(0)
			p.deliver(0)
			p.deleteChild(a, esp.SPI(p.spi(a)))
		},
		check: func(p *pair, a, b *end) { p.childless() },
	}.run(t)
}
