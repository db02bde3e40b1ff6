package ike

import (
	"testing"
	"time"

	"warren/ike/message"
)

// Collisions of rekeys with additional key exchanges: rows 9 and 10, for IKE SAs
// and, by the same rule, for child SAs (RFC 9370, Section 2.2.4).

func isFollowup(f flight) bool { return f.kind() == message.IKEFollowupKE }

// several makes n start with so many additional key exchanges, of two, when it
// rekeys; it accepts any number.
func (p *pair) several(n *end, many int) {
	words := []string{"-ke1_none-ke1_ecp256-ke2_none-ke2_ecp384", "-ke1_ecp256-ke1_none-ke2_none-ke2_ecp384", "-ke1_ecp256-ke1_none-ke2_ecp384-ke2_none"}
	s := n.e.order[0]
	s.ike = ikeProposals(p.t, "aes128gcm16-prfsha256-x25519"+words[many])
	s.esp = espProposals(p.t, "aes128gcm16-x25519"+words[many]+"-esn")
}

// notMany checks that nothing was asked for more often than it may be: each end
// does its own key exchanges once at most.
func (p *pair) notMany(ns ...int) {
	p.t.Helper()
	for i, n := range []*end{p.i, p.r} {
		if k := p.asked(n, isFollowup); k > ns[i] {
			p.t.Errorf("%s: %d IKE_FOLLOWUP_KE, want at most %d", n.name, k, ns[i])
		}
		for _, s := range n.e.order {
			for _, sa := range s.sas {
				if len(sa.promises) > 0 {
					p.t.Errorf("%s: something is half made", n.name)
				}
			}
		}
	}
}

// most is how many IKE_FOLLOWUP_KE the initiator and the responder may send.
func (p *pair) most(a *end, ofA, ofB int) {
	p.t.Helper()
	if a == p.i {
		p.notMany(ofA, ofB)
	} else {
		p.notMany(ofB, ofA)
	}
}

// TestFollowup: rekeys with additional key exchanges, from either side, lose
// nothing, whatever becomes of their messages.
func TestFollowup(t *testing.T) {
	for many := 1; many <= 2; many++ {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.several(a, many)
				p.several(b, many)
				p.rekeyIKE(a)
			},
			check: func(p *pair, a, b *end) {
				rekeyedIKE(p, a, b)
				p.most(a, many, 0)
			},
		}.run(t)
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.several(a, many)
				p.several(b, many)
				p.rekeyChild(a)
			},
			check: func(p *pair, a, b *end) {
				rekeyedChild(p, a, b)
				p.most(a, many, 0)
			},
		}.run(t)
	}
}

// TestCollision09: both rekey, a with additional key exchanges and b without.
func TestCollision09(t *testing.T) {
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.several(a, 1)
			p.several(b, 0)
			p.cross(p.rekeyIKE)
		},
		check: func(p *pair, a, b *end) {
			rekeyedIKE(p, a, b)
			p.most(a, 1, 0)
		},
	}.run(t)
	crossing{
		lossless: true,
		begin: func(p *pair, a, b *end) {
			p.several(a, 1)
			p.several(b, 0)
			p.cross(p.rekeyChild)
		},
		check: func(p *pair, a, b *end) {
			rekeyedChild(p, a, b)
			p.most(a, 1, 0)
		},
	}.run(t)
}

// TestCollision09Stops: the loser with further key exchanges sends none of them,
// if it knows that it lost.
func TestCollision09Stops(t *testing.T) {
	for low := range 4 {
		for _, rekey := range []func(p *pair) func(n *end){
			func(p *pair) func(n *end) { return p.rekeyIKE }, func(p *pair) func(n *end) { return p.rekeyChild },
		} {
			p := newPair(t, acceptConfig(t))
			p.establish(peerConfig(t))
			p.lowest(low)
			p.several(p.i, 2)
			p.several(p.r, 2)
			p.cross(rekey(p))
			p.settle() // in order, so that each end knows all nonces
			wins, loses := p.i, p.r
			if low < 2 {
				wins, loses = p.r, p.i
			}
			if x, y := p.asked(wins, isFollowup), p.asked(loses, isFollowup); x != 2 || y != 0 {
				t.Errorf("nonce %d is the lowest: the winner asks %d times, the loser %d times", low, x, y)
			}
			p.steady()
			p.notMany(2, 2)
			p.close()
		}
	}
}

// TestCollision10: both rekey with additional key exchanges, and the response
// that a waits for comes when those of b are under way, or over and the old SA
// deleted.
func TestCollision10(t *testing.T) {
	late := func(p *pair, a, b *end, steps int) {
		p.deliverFrom(a)
		p.deliverFrom(b)
		response := p.hold(b)
		for range steps {
			if len(p.wire) > 0 {
				p.deliver(0)
			}
		}
		p.wire = append(p.wire, response)
	}
	for _, steps := range []int{1, 3, 6} {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.several(a, 1)
				p.several(b, 1)
				p.cross(p.rekeyIKE)
				late(p, a, b, steps)
			},
			check: func(p *pair, a, b *end) {
				rekeyedIKE(p, a, b)
				p.notMany(1, 1)
			},
		}.run(t)
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.several(a, 1)
				p.several(b, 1)
				p.cross(p.rekeyChild)
				late(p, a, b, steps)
			},
			check: func(p *pair, a, b *end) {
				rekeyedChild(p, a, b)
				p.most(a, 1, 1)
			},
		}.run(t)
	}
}

// TestCollision10Late: the request of a comes when b's own CREATE_CHILD_SA is
// over and its further key exchanges are under way: TEMPORARY_FAILURE.
func TestCollision10Late(t *testing.T) {
	for _, child := range []bool{false, true} {
		crossing{
			lossless: true,
			begin: func(p *pair, a, b *end) {
				p.several(a, 1)
				p.several(b, 1)
				rekey, answer := p.rekeyIKE, 100
				if child {
					rekey = p.rekeyChild
				}
				p.cross(rekey)
				late := p.hold(a)
				p.deliverFrom(b) // a answers
				p.deliverFrom(a) // b goes on
				n := len(p.tap)
				p.hand(late)
				p.flush()
				for _, f := range p.tap[n:] {
					if f.isResponse() && len(f.d.Data) > answer {
						p.t.Error("a second rekey was answered")
					}
				}
			},
			check: func(p *pair, a, b *end) {
				if child {
					rekeyedChild(p, a, b)
				} else {
					rekeyedIKE(p, a, b)
				}
				p.most(a, 0, 1)
			},
		}.run(t)
	}
}

// TestFollowupGivenUp: who never comes back for the further key exchanges loses
// what it had begun, and nothing else; the child lives on, and is rekeyed when
// asked for again.
func TestFollowupGivenUp(t *testing.T) {
	for _, child := range []bool{false, true} {
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			p.several(a, 1)
			p.several(b, 1)
			if child {
				p.rekeyChild(a)
			} else {
				p.rekeyIKE(a)
			}
			p.flush()
			p.deliver(0)
			response := p.hold(b)
			promises := len(b.e.order[0].cur.promises)
			p.now = p.now.Add(b.e.opt.HalfOpenTime - time.Second)
			b.e.Tick(p.now)
			if n := len(b.e.order[0].cur.promises); promises != 1 || n != 1 {
				t.Fatalf("%d promises, then %d", promises, n)
			}
			p.now = p.now.Add(time.Second)
			b.e.Tick(p.now)
			if n := len(b.e.order[0].cur.promises); n != 0 || len(b.spis.taken) != 1 || len(b.in) != 1 {
				t.Errorf("%d promises, %d SPIs, %d pairs are left", n, len(b.spis.taken), len(b.in))
			}
			p.hand(response) // a goes on, and is told STATE_NOT_FOUND
			p.settle()
			if p.asked(a, isFollowup) != 1 || len(a.spis.taken) != 1 {
				t.Errorf("asked %d times, %d SPIs", p.asked(a, isFollowup), len(a.spis.taken))
			}
			p.advance(10 * time.Second) // and tries again
			if p.asked(a, isFollowup) != 2 {
				t.Errorf("asked %d times, want once more", p.asked(a, isFollowup))
			}
			p.steady()
			p.close()
		})
	}
}
