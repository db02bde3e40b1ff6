package ike

import (
	"slices"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/message"
	"warren/policy"
)

// exchanges are the kinds of the requests on the wire so far, in order.
func (p *pair) exchanges() (kinds []message.ExchangeType) {
	for _, f := range p.tap {
		if !f.isResponse() {
			kinds = append(kinds, f.kind())
		}
	}
	return kinds
}

// TestChildless (CASES C, 6023): the first child SA comes by a CREATE_CHILD_SA of
// its own, with a key exchange and with the lease of IKE_AUTH.
func TestChildless(t *testing.T) {
	for name, change := range map[string]func(c *PeerConfig, a *AcceptConfig){
		"prefer":          func(c *PeerConfig, _ *AcceptConfig) { c.Childless = ChildlessPrefer },
		"force":           func(c *PeerConfig, _ *AcceptConfig) { c.Childless = ChildlessForce },
		"without a lease": func(c *PeerConfig, _ *AcceptConfig) { c.Childless, c.VirtualIP4 = ChildlessForce, false },
		"additional kex": func(c *PeerConfig, a *AcceptConfig) {
			c.ESP = espProposals(t, "aes128gcm16-x25519-ke1_mlkem768")
			a.ESP = c.ESP
		},
		"another group": func(c *PeerConfig, a *AcceptConfig) {
			c.ESP = espProposals(t, "aes128gcm16-ecp384-x25519")
			a.ESP = espProposals(t, "aes128gcm16-x25519")
		},
		"movable":         func(c *PeerConfig, a *AcceptConfig) { c.MOBIKE, a.MOBIKE = true, true },
		"no key exchange": func(c *PeerConfig, a *AcceptConfig) { c.ESP = espProposals(t, "aes128gcm16"); a.ESP = c.ESP },
		"transport":       func(c *PeerConfig, _ *AcceptConfig) { c.Mode, c.VirtualIP4 = esp.Transport, false },
		"certificates": func(c *PeerConfig, a *AcceptConfig) {
			cc, ac := certPair(t, "ed25519", "ed25519")
			c.Cert, c.Trust, a.Cert, a.Trust = cc.Cert, cc.Trust, ac.Cert, ac.Trust
		},
		"raw ESP": func(c *PeerConfig, _ *AcceptConfig) { c.Encap = EncapESP },
		"additional IKE kex": func(c *PeerConfig, a *AcceptConfig) {
			c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_mlkem768")
			a.IKE = c.IKE
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := peerConfig(t), acceptConfig(t)
			c.ESP = espProposals(t, "aes128gcm16-esn-x25519")
			a.ESP, c.Childless = c.ESP, ChildlessForce
			change(&c, &a)
			p := newPair(t, a)
			p.establish(c)
			create := p.exchanges()
			if i := slices.Index(create, message.CreateChildSA); i < 0 || create[i-1] != message.IKEAuth {
				t.Errorf("exchanges %v", create)
			}
			up, _ := last[ChildUp](p.i)
			if up.Child.Lease4.IsValid() != c.VirtualIP4 || up.Child.Layer != c.Layer || up.Child.Mode != c.Mode {
				t.Errorf("%v", up.Child)
			}
			if s := p.i.theSession(); s.MOBIKE != c.MOBIKE || s.MOBIKE != p.r.theSession().MOBIKE {
				t.Errorf("MOBIKE %v", s.MOBIKE)
			}
			p.advance(10 * time.Minute)
			p.rekeyChild(p.r)
			p.rekeyChild(p.i)
			p.rekeyIKE(p.i)
			p.steady()
			p.close()
		})
	}
}

// TestChildlessUnsupported (CASES C, 6023): without CHILDLESS_IKEV2_SUPPORTED, IKE_AUTH
// has a child SA, or there is none.
func TestChildlessUnsupported(t *testing.T) {
	strip := func(m *message.Message) { withoutNotify(m, message.ChildlessIKEv2Supported) }
	for c, want := range map[Childless]string{ChildlessPrefer: "SA TSi TSr", ChildlessForce: "", ChildlessNever: "SA TSi TSr"} {
		p := newPair(t, acceptConfig(t))
		p.rewrite(p.r, strip)
		cfg := peerConfig(t)
		cfg.Childless = c
		must1(p.i.e.Initiate(cfg, p.now))
		if want == "" {
			p.advance(3 * time.Second)
			if f, ok := last[SessionFailed](p.i); !ok || !strings.Contains(f.Err.Error(), "childless is force") {
				t.Errorf("%s", dump(p.i.events))
			}
			continue
		}
		f := p.until(message.IKEAuth)
		ps := must1(p.r.e.open(p.r.e.order[0].cur, f.d))
		if childless(ps) {
			t.Errorf("childless %d: IKE_AUTH has no child SA", c)
		}
	}
}

// TestChildlessBounded: a session that never gets a child SA ends after a time, at
// both ends, whatever keeps it from that.
func TestChildlessBounded(t *testing.T) {
	setup := func(change func(*AcceptConfig)) *pair {
		c, a := peerConfig(t), acceptConfig(t)
		c.Childless = ChildlessForce
		change(&a)
		p := newPair(t, a)
		must1(p.i.e.Initiate(c, p.now))
		return p
	}
	t.Run("nobody asks", func(t *testing.T) {
		p := setup(func(*AcceptConfig) {})
		p.until(message.CreateChildSA)
		p.drop = func(flight) bool { return true }
		p.advance(59 * time.Second)
		if len(p.r.e.Sessions()) != 1 || count[SessionDown](p.r) != 0 {
			t.Errorf("too early: %s", dump(p.r.events))
		}
		p.advance(4 * time.Second)
		if d, ok := last[SessionDown](p.r); !ok || d.Reason != "no child SA was agreed on" {
			t.Errorf("%s", dump(p.r.events))
		}
		p.empty()
	})
	t.Run("refused", func(t *testing.T) {
		p := setup(func(a *AcceptConfig) { a.ESP = espProposals(t, "chacha20poly1305") })
		p.settle()
		f, ok := last[ChildFailed](p.i)
		if !ok || f.Layer != 7 || !strings.Contains(f.Err.Error(), "NO_PROPOSAL_CHOSEN") || len(p.i.up) != 1 || len(p.r.up) != 1 {
			t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
		}
		p.advance(time.Minute)
		if count[SessionDown](p.i) != 1 || count[SessionDown](p.r) != 1 {
			t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
		}
		p.empty()
	})
	t.Run("always later", func(t *testing.T) {
		p := setup(func(*AcceptConfig) {})
		p.until(message.CreateChildSA)
		p.wire = nil
		s, r := p.i.e.order[0], p.r.e.order[0]
		for id := uint32(2); p.now.Before(start.Add(2 * time.Minute)); p.now = p.now.Add(time.Second) {
			p.i.e.Tick(p.now)
			for _, d := range p.i.take() {
				h := must1(message.ParseHeader(d.Data))
				if h.MessageID < id || h.Exchange != message.CreateChildSA {
					continue
				}
				id++
				answer := must1(p.r.e.protect(r.cur, h.Exchange, h.MessageID, true, []message.Payload{&message.Notify{Kind: message.TemporaryFailure}}))
				p.hand(flight{p.r, p.i, Datagram{Path: s.path, Data: answer[0]}})
			}
		}
		if d, ok := last[SessionDown](p.i); !ok || d.Reason != "no child SA was agreed on" {
			t.Errorf("%s", dump(p.i.events))
		}
	})
}

// TestChildlessPPK (CASES C, 8784-3): with a PPK the first child SA waits for an IKE SA
// that the PPK protects.
func TestChildlessPPK(t *testing.T) {
	c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, true), map[string]string{ppkID: ppkSecret}, true)
	c.Childless = ChildlessForce
	p := newPair(t, a)
	p.establish(c)
	want := []message.ExchangeType{message.IKESAInit, message.IKEAuth, message.CreateChildSA, message.Informational, message.CreateChildSA}
	if got := p.exchanges(); len(got) != len(want) || got[2] != message.CreateChildSA || p.i.theSession().Rekeys != 1 {
		t.Errorf("exchanges %v, %d rekeys", got, p.i.theSession().Rekeys)
	}
	for i, ev := range p.i.events {
		if _, ok := ev.(SessionRekeyed); ok {
			if count[ChildUp](&end{events: p.i.events[:i]}) != 0 {
				t.Error("the child SA was there before the IKE SA was rekeyed")
			}
		}
	}
	p.advance(time.Minute)
	if p.i.theSession().Rekeys != 1 || p.r.theSession().Rekeys != 1 {
		t.Error("the IKE SA is rekeyed once more")
	}
	p.steady()
	p.close()
}

// TestChildlessHalf: some of the payloads of a child SA are neither one nor none.
func TestChildlessHalf(t *testing.T) {
	for mask := 1; mask < 7; mask++ {
		p := newPair(t, acceptConfig(t))
		id := must1(p.i.e.Initiate(peerConfig(t), p.now))
		f := p.until(message.IKEAuth)
		ps := must1(p.r.e.open(p.r.e.order[0].cur, f.d))
		for i, kind := range []message.PayloadType{message.PayloadSA, message.PayloadTSi, message.PayloadTSr} {
			if mask>>i&1 == 0 {
				ps = slices.DeleteFunc(ps, func(x message.Payload) bool { return x.Type() == kind })
			}
		}
		f.d.Data = must1(p.i.e.protect(p.i.e.sessions[id].cur, message.IKEAuth, 1, false, ps))[0]
		p.hand(f)
		p.settle()
		if len(p.r.in) != 0 || count[ChildUp](p.r) != 0 {
			t.Errorf("payloads %03b: %s", mask, dump(p.r.events))
		}
	}
}

// TestChildlessReauth: a session that begins without a child SA takes the place of
// another one only with its child SA, and leaves it where that is refused.
func TestChildlessReauth(t *testing.T) {
	for name, change := range map[string]func(p *pair){
		"takes over": func(*pair) {},
		"refused":    func(p *pair) { p.r.e.opt.Accept[0].ESP = espProposals(t, "chacha20poly1305") },
		"narrowed":   func(p *pair) { p.r.e.opt.Accept[0].Local = []policy.Selector{policy.AddrSelector(addrR.Addr())} },
	} {
		t.Run(name, func(t *testing.T) {
			c, a := peerConfig(t), acceptConfig(t)
			c.Childless = ChildlessForce
			p := newPair(t, a)
			first := p.establish(again(c))
			change(p)
			if name != "narrowed" { // then the responder has a pair that the initiator will not have
				p.watch = &flow{tell: true}
			}
			p.reauthenticate(c.Layer)
			p.slow(15*time.Second, 5*time.Millisecond, func() {})
			p.watch = nil
			s := p.i.e.order[0]
			if done := name == "takes over"; done != (s.id != first) || done != (count[ReauthFailed](p.i) == 0) || !done && s.reauth.at.IsZero() {
				t.Errorf("%s", dump(p.i.events))
			}
			if p.i.downs() != 0 || name != "narrowed" && p.r.downs() != 0 || count[ChildUp](p.i) != 1 || count[ChildFailed](p.i) != 0 {
				t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
			}
			p.agree()
		})
	}
}
