package ike

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is lost, doubled or delayed, and whatever both ends start at the
// same time: no SPI or session leaks, no layer ever has two outbound SAs, and
// once messages get through again both ends agree.
func TestRandomNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, c := acceptConfig(t), peerConfig(t)
		a.Liveness, c.Liveness = 10*time.Second, 10*time.Second
		a.MOBIKE, c.MOBIKE = true, rapid.Bool().Draw(t, "mobile")
		pfs := rapid.Bool().Draw(t, "pfs")
		if pfs {
			a.ESP, c.ESP = espProposals(t, "aes128gcm16-x25519-ecp256"), espProposals(t, "aes128gcm16-ecp256-x25519")
		}
		p := newSeededPair(t, rapid.Uint64Range(1, 1<<20).Draw(t, "seed"), a)
		p.i.quiet, p.r.quiet = true, true
		if _, err := p.i.e.Initiate(again(c), p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		ends := []*end{p.i, p.r}
		pick := func() *end { return rapid.SampledFrom(ends).Draw(t, "end") }
		index := func() int { return rapid.IntRange(0, len(p.wire)-1).Draw(t, "message") }
		deliver := func(t *rapid.T) {
			if len(p.wire) == 0 {
				t.Skip("nothing under way")
			}
			p.deliver(index())
		}
		actions := map[string]func(*rapid.T){
			"deliver": deliver, "deliver too": deliver, "deliver again": deliver, "deliver more": deliver,
			"all": func(*rapid.T) { p.settle() },
			"drop": func(t *rapid.T) {
				if len(p.wire) == 0 {
					t.Skip("nothing under way")
				}
				i := index()
				p.wire = slices.Delete(p.wire, i, i+1)
			},
			"double": func(t *rapid.T) {
				if len(p.wire) == 0 {
					t.Skip("nothing under way")
				}
				p.wire = append(p.wire, p.wire[index()])
			},
			"wait": func(t *rapid.T) {
				p.now = p.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
				for _, n := range ends {
					n.e.Tick(p.now)
				}
				p.flush()
			},
			"rekey child": func(*rapid.T) {
				n := pick()
				for _, s := range n.e.Sessions() {
					for _, ch := range s.Children {
						_ = n.e.RekeyChild(s.ID, ch.SPIIn, p.now)
					}
				}
				p.flush()
			},
			"rekey IKE": func(*rapid.T) {
				n := pick()
				for _, s := range n.e.Sessions() {
					_ = n.e.RekeyIKE(s.ID, p.now)
				}
				p.flush()
			},
			"reauthenticate": func(*rapid.T) {
				for _, s := range p.i.e.Sessions() {
					_ = p.i.e.Reauthenticate(s.ID, p.now)
				}
				p.flush()
			},
			"move": func(*rapid.T) {
				n, to := p.i, []netip.Addr{addrI.Addr(), elsewhereI, thirdI}
				if rapid.IntRange(0, 3).Draw(t, "who") == 0 {
					n, to = p.r, []netip.Addr{addrR.Addr(), elsewhereR}
				}
				for _, s := range n.e.Sessions() {
					_ = n.e.Move(s.ID, rapid.SampledFrom(to).Draw(t, "to"), p.now)
				}
				p.flush()
			},
			"used": func(*rapid.T) {
				n := pick()
				for _, s := range n.e.Sessions() {
					for _, ch := range s.Children {
						if other := p.other(n); other.sends(ch.SPIOut) {
							n.e.ChildUsed(s.ID, ch.SPIIn, p.now)
						}
					}
				}
				p.flush()
			},
			"replay": func(t *rapid.T) {
				f := rapid.SampledFrom(p.tap).Draw(t, "old message")
				p.hand(f)
				p.flush()
			},
			"": func(t *rapid.T) {
				for _, n := range ends {
					n.strict()
				}
			},
		}
		if rapid.IntRange(0, 3).Draw(t, "deletes") == 0 {
			actions["delete child"] = func(*rapid.T) {
				n := pick()
				for _, s := range n.e.Sessions() {
					for _, ch := range s.Children {
						_ = n.e.DeleteChild(s.ID, ch.SPIIn, p.now)
						break
					}
				}
				p.flush()
			}
			actions["delete IKE"] = func(*rapid.T) {
				n := pick()
				for _, s := range n.e.Sessions() {
					_ = n.e.Delete(s.ID, p.now)
				}
				p.flush()
			}
		}
		t.Repeat(actions)
		p.heal(t)
	})
}

func (p *pair) other(n *end) *end {
	if n == p.i {
		return p.r
	}
	return p.i
}

// sends reports whether n sends on the pair with inbound SPI spi.
func (n *end) sends(spi interface{ String() string }) bool {
	for _, s := range n.out {
		if s.String() == spi.String() {
			return true
		}
	}
	return false
}

// heal lets everything through from now on, and checks what is left.
func (p *pair) heal(t *rapid.T) {
	p.advance(3 * time.Minute)
	for _, n := range []*end{p.i, p.r} {
		n.strict()
	}
	a, b := p.i.e.Sessions(), p.r.e.Sessions()
	if len(a) != len(b) || len(a) > 1 {
		t.Fatalf("%d and %d sessions\n%s\n%s", len(a), len(b), dump(p.i.events), dump(p.r.events))
	}
	p.agree()
	if len(p.i.in) != len(p.r.in) || len(p.i.in) > 1 || len(p.i.out) != len(p.r.out) {
		t.Fatalf("%d and %d pairs, %d and %d in use\n%s\n%s", len(p.i.in), len(p.r.in), len(p.i.out), len(p.r.out), dump(p.i.events), dump(p.r.events))
	}
	if len(a) == 1 {
		p.samePath()
	}
	for i := range a {
		if a[i].SPIi != b[i].SPIi || a[i].SPIr != b[i].SPIr || len(p.i.e.sas) != 1 || len(p.r.e.sas) != 1 {
			t.Fatalf("IKE SAs differ: %+v and %+v, %d and %d", a, b, len(p.i.e.sas), len(p.r.e.sas))
		}
		_ = p.i.e.Delete(a[i].ID, p.now)
	}
	p.empty()
}
