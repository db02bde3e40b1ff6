package ike

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// hybrid is a pair whose IKE SAs are made with the given key exchanges, behind
// "aes128gcm16-prfsha256-".
func hybrid(t *testing.T, kex string, opt ...func(i, r *Options)) (*pair, PeerConfig) {
	t.Helper()
	c, a := peerConfig(t), acceptConfig(t)
	c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-"+kex)
	a.IKE = c.IKE
	return newPair(t, a, opt...), c
}

// TestHybrid: with additional key exchanges of every kind and number, whole and
// in fragments, the two ends agree, on keys that each exchange has changed.
func TestHybrid(t *testing.T) {
	for kex, rounds := range map[string]int{
		"x25519-ke1_mlkem768":            1,
		"ecp384-ke1_mlkem1024":           1,
		"x25519-ke3_ecp256":              1,
		"x25519-ke2_mlkem768-ke7_ecp521": 2,
		"x25519-ke1_mlkem768-ke1_none":   1,
		"x25519-ke1_none-ke1_mlkem768":   0,
		"x25519-ke1_mlkem768-ke2_mlkem1024-ke3_ecp256-ke4_ecp384-ke5_ecp521-ke6_modp2048-ke7_modp3072": 7,
	} {
		for _, mtu := range []int{1500, 500} {
			t.Run(fmt.Sprint(kex, " ", mtu), func(t *testing.T) {
				p, c := hybrid(t, kex, small(mtu))
				p.establish(c)
				seen := map[uint32]bool{}
				for _, f := range p.tap {
					if f.kind() == message.IKEIntermediate {
						seen[must1(message.ParseHeader(f.d.Data)).MessageID] = true
					}
					if len(f.d.Data) > mtu-20-8-4 && f.kind() != message.IKESAInit {
						t.Errorf("%#v has %d octets", f, len(f.d.Data))
					}
				}
				if len(seen) != rounds || p.i.e.order[0].cur.sendID != uint32(2+rounds) {
					t.Errorf("rounds %v, next message id %d", seen, p.i.e.order[0].cur.sendID)
				}
				if s := p.i.theSession().Suite; strings.Count(s, "_") != rounds || s != p.r.theSession().Suite {
					t.Errorf("suite %s", s)
				}
				p.close()
			})
		}
	}
}

// TestHybridLost: every message of it may be lost once.
func TestHybridLost(t *testing.T) {
	p, c := hybrid(t, "x25519-ke1_mlkem768-ke2_mlkem1024", small(700))
	p.establish(c)
	total := len(p.tap)
	for lost := range total {
		p, c := hybrid(t, "x25519-ke1_mlkem768-ke2_mlkem1024", small(700))
		n := 0
		p.drop = func(flight) bool { n++; return n == lost+1 }
		id, err := p.i.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		p.advance(2 * time.Second)
		if !p.i.up[id] {
			t.Errorf("message %d of %d lost: %s", lost, total, dump(p.i.events))
		}
		p.agree()
	}
}

// until delivers messages as long as they are not of kind.
func (p *pair) until(kind message.ExchangeType) flight {
	p.t.Helper()
	for p.flush(); len(p.wire) > 0; p.deliver(0) {
		if p.wire[0].kind() == kind {
			f := p.wire[0]
			p.wire = nil
			return f
		}
	}
	p.t.Fatalf("no %v", kind)
	return flight{}
}

// TestHybridOrder: nothing but the next IKE_INTERMEDIATE is answered before the
// agreed ones are over, none after, and none at all without agreement (RFC 9242,
// Section 5).
func TestHybridOrder(t *testing.T) {
	ke := func(p *pair, id uint32, g message.DHGroup) Datagram {
		k := must1(crypt.NewKeyExchange(g, nil))
		return p.i.say(message.IKEIntermediate, id, false, &message.KE{Group: g, Data: k.Public()})
	}
	quiet := func(p *pair, what string, d Datagram) {
		t.Helper()
		before := p.r.e.order[0].cur.keys
		p.hand(flight{p.i, p.r, d})
		if out := p.r.take(); len(out) > 0 || len(p.r.up) > 0 || p.r.e.order[0].cur.keys != before {
			t.Errorf("%s: %d answers", what, len(out))
		}
	}
	p, c := hybrid(t, "x25519-ke1_ecp384")
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	f := p.until(message.IKEIntermediate)
	for _, kind := range []message.ExchangeType{message.IKEAuth, message.CreateChildSA, message.Informational, message.IKEFollowupKE} {
		quiet(p, kind.String()+" before IKE_INTERMEDIATE", p.i.say(kind, 1, false))
	}
	quiet(p, "next message id", ke(p, 2, message.DHECP384))
	p.wire = []flight{f}
	auth := p.until(message.IKEAuth)
	quiet(p, "one IKE_INTERMEDIATE more", ke(p, 2, message.DHECP384))
	p.hand(f) // again, though the keys have changed: answered as before
	if out := p.r.take(); len(out) != 1 || must1(message.ParseHeader(out[0].Data)).MessageID != 1 {
		t.Errorf("repetition: %d answers", len(out))
	}
	p.wire = []flight{auth}
	p.settle()
	p.steady()
	p.hand(flight{p.i, p.r, p.i.say(message.IKEIntermediate, 3, false)})
	if len(p.r.take()) > 0 {
		t.Error("IKE_INTERMEDIATE is answered when the SA is up")
	}
	p, _ = halfway(t)
	quiet(p, "not agreed on", ke(p, 1, message.DHECP384))
}

// TestHybridMalformed: a key exchange that is missing, of another method, twice,
// too short, or bad, ends the session with INVALID_SYNTAX, and no error of the
// initiator's side leaves anything either.
func TestHybridMalformed(t *testing.T) {
	good := must1(crypt.NewKeyExchange(message.MLKEM768, nil)).Public()
	bad := slices.Clone(good)
	bad[0], bad[1] = 0xff, 0x0f
	ke := func(g message.DHGroup, data []byte) message.Payload { return &message.KE{Group: g, Data: data} }
	for name, ps := range map[string][]message.Payload{
		"empty":        nil,
		"no KE":        {&message.VendorID{Data: good}},
		"other method": {ke(message.MLKEM1024, good)},
		"first method": {ke(message.DHX25519, good[:32])},
		"twice":        {ke(message.MLKEM768, good), ke(message.MLKEM768, good)},
		"short":        {ke(message.MLKEM768, good[1:])},
		"no value":     {ke(message.MLKEM768, nil)},
		"bad value":    {ke(message.MLKEM768, bad)},
	} {
		t.Run("request: "+name, func(t *testing.T) {
			p, c := hybrid(t, "x25519-ke1_mlkem768")
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.until(message.IKEIntermediate)
			p.hand(flight{p.i, p.r, p.i.say(message.IKEIntermediate, 1, false, ps...)})
			p.settle()
			ev, ok := last[SessionFailed](p.i)
			if !ok || ev.PeerReason != "INVALID_SYNTAX" || ev.Stage != StageIntermediate || count[SessionFailed](p.r) != 1 {
				t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
			}
			p.empty()
		})
		t.Run("response: "+name, func(t *testing.T) {
			if name == "twice" || name == "bad value" { // those are no errors of a ciphertext
				return
			}
			p, c := hybrid(t, "x25519-ke1_mlkem768")
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.until(message.IKEIntermediate)
			p.hand(flight{p.r, p.i, p.r.say(message.IKEIntermediate, 1, true, ps...)})
			p.settle()
			if ev, ok := last[SessionFailed](p.i); !ok || ev.Stage != StageIntermediate {
				t.Errorf("initiator: %s", dump(p.i.events))
			}
			p.empty()
		})
	}
}

// TestHybridTampered: who broke the first key exchange and changes what is in
// IKE_INTERMEDIATE, in either direction, fails at AUTH, even if the key exchange
// itself is left alone (RFC 9242, Section 3.3.2).
func TestHybridTampered(t *testing.T) {
	for _, response := range []bool{false, true} {
		p, c := hybrid(t, "x25519-ke1_ecp384")
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		f := p.until(message.IKEIntermediate)
		extra := message.Payload(&message.VendorID{Data: []byte("who reads along")})
		if response {
			p.hand(f)
			f = flight{p.r, p.i, p.r.take()[0]}
		}
		i := p.i.e.order[0].cur // has the keys of this exchange still
		forger := must1(crypt.NewSK(i.keys, !response))
		ps := must1(must1(crypt.NewSK(i.keys, response)).Open(must1(message.Parse(f.d.Data))))
		f.d.Data = must1(forger.Seal(must1(message.ParseHeader(f.d.Data)), append(ps, extra)))
		p.hand(f)
		p.settle()
		fi, iok := last[SessionFailed](p.i)
		if !iok || len(p.i.up)+len(p.r.up) > 0 || fi.Stage != StageAuth {
			t.Errorf("response %v: initiator %s, responder %s", response, dump(p.i.events), dump(p.r.events))
		}
	}
}
