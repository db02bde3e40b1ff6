package ike

import (
	"slices"
	"testing"
	"time"

	"warren/ike/message"
)

// otherGroups makes both ends of a session want another group than the one that
// their next rekey of the IKE SA starts with, so that both get
// INVALID_KE_PAYLOAD.
func (p *pair) otherGroups() {
	for _, n := range []*end{p.i, p.r} {
		n.e.order[0].ike = ikeProposals(p.t, "aes128gcm16-prfsha256-ecp256-x25519")
	}
}

// common checks that both ends use one IKE SA, rekeyed n times.
func (p *pair) common(n int) {
	p.t.Helper()
	if a, b := p.i.theSession(), p.r.theSession(); a.SPIi != b.SPIi || a.SPIr != b.SPIr || a.Rekeys != n || b.Rekeys != n {
		p.t.Errorf("no common survivor: %x/%x after %d and %x/%x after %d rekeys", a.SPIi, a.SPIr, a.Rekeys, b.SPIi, b.SPIr, b.Rekeys)
	}
}

func TestCollision04(t *testing.T) { // both rekey the IKE SA, and both have to change the group
	orders(t, func(t *testing.T, p *pair, order func()) {
		p.otherGroups()
		p.cross(p.rekeyIKE)
		refused := 0
		p.drop = func(f flight) bool { // counts, drops nothing
			if f.isResponse() && f.kind() == message.CreateChildSA && len(f.d.Data) < 100 {
				refused++
			}
			return false
		}
		p.deliverFrom(p.i)
		p.deliverFrom(p.r)
		if refused != 2 {
			t.Fatalf("%d refusals, want 2", refused)
		}
		p.deliverFrom(p.i) // the refusals; both start again
		p.deliverFrom(p.r)
		order()
		p.advance(20 * time.Second) // where the retries did not cross: TEMPORARY_FAILURE
		p.common(1)
		p.steady()
		p.close()
	})
}

func TestCollision05(t *testing.T) { // as 4, and one retry comes late
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.otherGroups()
		p.cross(p.rekeyIKE)
		for range 2 {
			p.deliverFrom(a)
			p.deliverFrom(b)
		}
		at := slices.IndexFunc(p.wire, func(f flight) bool { return f.from == a })
		held := p.wire[at]
		p.wire = slices.Delete(p.wire, at, at+1)
		p.deliverFrom(b) // a answers
		p.deliverFrom(a) // b uses the new IKE SA and deletes the old one
		answers := len(p.tap)
		p.hand(held)
		p.flush()
		for _, f := range p.tap[answers:] {
			if f.isResponse() && len(f.d.Data) > 100 {
				t.Error("a second rekey was answered")
			}
		}
		p.settle()
		p.common(1)
		p.steady()
		p.close()
	})
}

// Row 23: the responder of a rekey deletes the old pair itself, before or after
// its response.
func TestCollision23(t *testing.T) {
	for _, before := range []bool{true, false} {
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			p.rekeyChild(a)
			p.flush()
			p.deliver(0) // b answers
			old := b.e.order[0].children[0]
			b.e.enqueue(b.e.order[0].cur, &deleteSPI{spi: old.spiIn}, p.now)
			b.e.arm(b.e.order[0])
			p.flush()
			if len(p.wire) != 2 {
				t.Fatalf("%d messages under way, want 2", len(p.wire))
			}
			deletes := 0
			p.drop = func(f flight) bool {
				if f.from == a && !f.isResponse() && f.kind() == message.Informational {
					deletes++
				}
				return false
			}
			if before {
				p.deliver(1)
				if deletes != 0 {
					t.Error("a deletes before it has its response")
				}
				p.deliver(0)
				if deletes != 0 {
					t.Error("a deletes the old pair again")
				}
			}
			p.settle()
			for _, ev := range a.events {
				if r, ok := ev.(ChildRemoved); ok && r.Down {
					t.Errorf("the pair went down: %s", dump(a.events))
				}
			}
			if count[ChildAdded](a) != 1 || len(a.out) != 1 {
				t.Errorf("not rekeyed: %s", dump(a.events))
			}
			for _, spi := range a.out {
				if a.in[spi].SPIOut == old.spiIn {
					t.Error("a still sends on the pair that b deleted")
				}
			}
			p.advance(2 * time.Minute)
			if s := a.theSession(); len(s.Children) != 1 || s.Children[0].State != "up" {
				t.Errorf("%+v", s.Children)
			}
		})
	}
}
