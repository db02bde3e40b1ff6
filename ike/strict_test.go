package ike

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
	"warren/sa"
)

// What a strict reader of the RFCs finds between the rows of the other tests.

// answerWith has b answer the request of a that is under way with ps.
func (p *pair) answerWith(a, b *end, ps ...message.Payload) {
	p.t.Helper()
	x := a.e.order[0].cur.out
	if x == nil {
		p.t.Fatalf("%s asks for nothing", a.name)
	}
	p.hand(flight{b, a, b.say(x.kind, x.id, true, ps...)})
	p.flush()
}

// TestInvalidSyntaxAnswered: who answers INVALID_SYNTAX has deleted the IKE SA, and
// waits for no DELETE (RFC 7296, Section 2.21.3).
func TestInvalidSyntaxAnswered(t *testing.T) {
	for name, ask := range map[string]func(p *pair, n *end){
		"child rekey": func(p *pair, n *end) { p.rekeyChild(n) },
		"IKE rekey":   func(p *pair, n *end) { p.rekeyIKE(n) },
		"liveness":    func(p *pair, n *end) { _ = n.e.Liveness(n.session(), p.now) },
		"delete":      func(p *pair, n *end) { p.deleteChild(n, n.only().SPIIn) },
	} {
		t.Run(name, func(t *testing.T) {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				ask(p, a)
				a.take()
				p.answerWith(a, b, &message.Notify{Kind: message.InvalidSyntax})
				if d, ok := last[SessionDown](a); !ok || !strings.Contains(d.Reason, "malformed") || len(p.wire) != 0 {
					t.Errorf("%d messages; %s", len(p.wire), dump(a.events))
				}
				p.advance(time.Minute)
				a.empty()
			})
		})
	}
}

// TestChildNotFoundNamesIt: CHILD_SA_NOT_FOUND has the SPI of REKEY_SA (RFC 7296,
// Section 3.10.1).
func TestChildNotFoundNamesIt(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		got, _ := p.tell(a, a.say(message.CreateChildSA, b.e.order[0].cur.recvID, false, childRequest(t, 0x999)...))
		n := childError(got)
		if n == nil || n.Kind != message.ChildSANotFound || n.Protocol != message.ProtoESP || !bytes.Equal(n.SPI, spiBytes(0x999)) {
			t.Errorf("%+v", n)
		}
	})
}

// TestBadKeyExchangeAnswered: a bad public value in an answer ends the IKE SA with
// a DELETE (RFC 6989, Section 2.5).
func TestBadKeyExchangeAnswered(t *testing.T) {
	zero := &message.KE{Group: message.DHX25519, Data: make([]byte, 32)}
	short := &message.KE{Group: message.DHX25519, Data: make([]byte, 31)}
	for _, ke := range []*message.KE{zero, short} {
		for _, kind := range []string{"child", "IKE"} {
			t.Run(fmt.Sprint(kind, len(ke.Data)), func(t *testing.T) {
				eachSide(t, func(t *testing.T, p *pair, a, b *end) {
					for _, n := range []*end{a, b} {
						n.e.order[0].esp = espProposals(t, "aes128gcm16-x25519-esn")
					}
					if kind == "child" {
						p.rekeyChild(a)
					} else {
						p.rekeyIKE(a)
					}
					p.flush()
					ps, err := b.e.open(b.e.order[0].cur, p.wire[0].d)
					if err != nil {
						t.Fatal(err)
					}
					p.wire = nil
					for i, x := range ps {
						if x.Type() == message.PayloadKE {
							ps[i] = ke
						}
					}
					p.answerWith(a, b, ps...) // its own words, but for the value
					if s := a.e.order[0]; s.state != sessionClosing || len(a.in) != 1 {
						t.Errorf("%+v; %s", s.info(), dump(a.events))
					}
					if len(p.wire) != 1 || !isInfo(p.wire[0]) {
						t.Errorf("%d messages", len(p.wire))
					}
				})
			})
		}
	}
}

// TestUnreadableAnswer: the peer has perhaps made what an answer that cannot be read
// was about. It is told to delete that.
func TestUnreadableAnswer(t *testing.T) {
	bad := &message.Unknown{Kind: message.PayloadNonce, Data: []byte{1}}
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyChild(a)
		p.flush()
		p.deliver(0) // b has made a pair
		p.wire = nil
		p.answerWith(a, b, bad)
		p.advance(2 * time.Second)
		if len(a.in) != 1 || len(b.in) != 1 || len(b.spis.taken) != 1 || a.downs()+b.downs() != 0 {
			t.Errorf("%d and %d pairs; %s; %s", len(a.in), len(b.in), dump(a.events), dump(b.events))
		}
		p.steady()
		p.close()
	})
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.rekeyIKE(a)
		p.flush()
		p.deliver(0) // b uses another IKE SA from now on
		p.wire = nil
		p.answerWith2(a, b, bad)
		if s := a.e.order[0]; s.state != sessionClosing {
			t.Errorf("%+v", s.info())
		}
	})
}

// answerWith2 is answerWith on the IKE SA that b has left.
func (p *pair) answerWith2(a, b *end, ps ...message.Payload) {
	p.t.Helper()
	s := b.e.order[0]
	cur := s.cur
	for _, sa := range s.sas {
		if sa.spiI == a.e.order[0].cur.spiI {
			s.cur = sa
		}
	}
	p.answerWith(a, b, ps...)
	s.cur = cur
}

// TestPayloadsTwice: what a message has one of must not come twice: each in the
// message that the fields of its peer's next one would be taken from.
func TestPayloadsTwice(t *testing.T) {
	for _, kind := range []message.PayloadType{message.PayloadSA, message.PayloadNonce, message.PayloadTSi, message.PayloadTSr} {
		t.Run("CREATE_CHILD_SA "+kind.String(), func(t *testing.T) {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				b.quiet = true
				twice := replace(kind, func(x message.Payload) []message.Payload { return []message.Payload{x, x} })
				ps := twice(childRequest(t, a.only().SPIIn))
				got, _ := p.tell(a, a.say(message.CreateChildSA, b.e.order[0].cur.recvID, false, ps...))
				if n := childError(got); n == nil || n.Kind != message.InvalidSyntax || count[SessionDown](b) != 1 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
	for _, kind := range []message.PayloadType{message.PayloadIDi, message.PayloadIDr, message.PayloadAuth, message.PayloadCP,
		message.PayloadSA, message.PayloadTSi, message.PayloadTSr} {
		t.Run("IKE_AUTH "+kind.String(), func(t *testing.T) {
			p, auth := halfway(t)
			ps, err := p.r.e.open(p.r.e.order[0].cur, auth)
			if err != nil {
				t.Fatal(err)
			}
			twice := replace(kind, func(x message.Payload) []message.Payload { return []message.Payload{x, x} })
			got, _ := p.tell(p.i, p.i.say(message.IKEAuth, 1, false, twice(ps)...))
			if n := childError(got); n == nil || n.Kind != message.InvalidSyntax || count[SessionUp](p.r) != 0 || len(p.r.spis.taken) != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestShortNonceForPRF: a nonce must be half as long as the key of the prf, here 32
// octets (RFC 7296, Section 2.10).
func TestShortNonceForPRF(t *testing.T) {
	fresh := func() *pair {
		a, c := acceptConfig(t), peerConfig(t)
		a.IKE = ikeProposals(t, "aes128gcm16-prfsha512-x25519")
		c.IKE = a.IKE
		p := newPair(t, a)
		p.establish(c)
		p.r.quiet = true
		return p
	}
	for _, n := range []int{31, 32} {
		p := fresh()
		ps := childRequest(t, 0x2001)
		ps[2] = &message.Nonce{Data: make([]byte, n)}
		got, _ := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false, ps...))
		if e := childError(got); (e != nil) != (n < 32) || e != nil && e.Kind != message.InvalidSyntax {
			t.Errorf("%d octets: %+v", n, got)
		}
		p = fresh()
		c := p.i.only()
		p.rekeyChild(p.i)
		p.i.take()
		p.answerWith(p.i, p.r, ps[1], ps[2], tsPayload(false, c.LocalTS), tsPayload(true, c.RemoteTS))
		if made := count[ChildAdded](p.i) == 1; made != (n == 32) {
			t.Errorf("%d octets in an answer are taken: %v", n, made)
		}
	}
}

// TestNoSecondOfALayer: what the peer has begun counts, so that two new pairs that
// need further key exchanges are not of one layer (CASES A.2, row 29).
func TestNoSecondOfALayer(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.several(a, 1)
		p.several(b, 1)
		p.deleteChild(a, a.only().SPIIn)
		p.advance(10 * time.Second)
		var links [][]byte
		var refused *message.Notify
		for i := range 2 {
			ps := childRequest(t, 0)
			ps[0] = crypt.Offer(a.e.order[0].esp, spiBytes(esp.SPI(0xabc000+i)))
			ke := must1(crypt.NewKeyExchange(message.DHX25519, nil))
			ps = append(ps, &message.KE{Group: ke.Group(), Data: ke.Public()})
			got, _ := p.tell(a, a.say(message.CreateChildSA, b.e.order[0].cur.recvID, false, ps...))
			if n := message.GetNotify(got, message.AdditionalKeyExchange); n != nil {
				links = append(links, n.Data)
			} else {
				refused = childError(got)
			}
		}
		for _, link := range links {
			ke := must1(crypt.NewKeyExchange(message.DHECP256, nil))
			p.tell(a, a.say(message.IKEFollowupKE, b.e.order[0].cur.recvID, false,
				&message.KE{Group: ke.Group(), Data: ke.Public()}, &message.Notify{Kind: message.AdditionalKeyExchange, Data: link}))
		}
		layers := map[sa.Layer]int{}
		for _, c := range b.in {
			layers[c.Layer]++
		}
		if b == p.i {
			if len(b.in) != 1 || refused == nil || refused.Kind != message.NoAdditionalSAs {
				t.Errorf("%d pairs, the second one is answered with %+v", len(b.in), refused)
			}
			return
		}
		if len(b.in) != 2 || len(layers) != 2 {
			t.Errorf("%d pairs of %d layers", len(b.in), len(layers))
		}
	})
}

// TestLastMessageID: ids do not wrap, in either direction (RFC 7296, Section 2.2).
func TestLastMessageID(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		sa := b.e.order[0].cur
		sa.recvID = math.MaxUint32
		before := b.state()
		p.hand(flight{a, b, a.say(message.Informational, math.MaxUint32, false)})
		if out := b.take(); len(out) != 0 || b.state() != before {
			t.Errorf("%d answers, %s", len(out), b.state())
		}
		sa.sendID = math.MaxUint32
		if err := b.e.Liveness(b.session(), p.now); err != nil {
			t.Fatal(err)
		}
		if d, ok := last[SessionDown](endAfterTake(b)); !ok || d.Reason != "message ids are used up" {
			t.Errorf("%s", dump(b.events))
		}
	})
}

func endAfterTake(n *end) *end {
	n.take()
	return n
}

// TestForgedInvalidKE: a forged INVALID_KE_PAYLOAD for a group that was offered too
// does not keep the real one from bringing the first group back.
func TestForgedInvalidKE(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ecp256")
	a.IKE = c.IKE
	for _, answered := range []bool{false, true} {
		p := newPair(t, a)
		id, err := p.i.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		p.flush()
		req, err := message.Parse(p.wire[0].d.Data)
		if err != nil {
			t.Fatal(err)
		}
		if !answered {
			p.wire = nil
		}
		p.answerInit(req, invalidKE(message.DHECP256))
		p.advance(5 * time.Second)
		if !p.i.up[id] {
			t.Errorf("first request lost %v: %s", !answered, dump(p.i.events))
		}
		p.close()
	}
}

// TestLeaseOfNoUse: addresses that cannot be anybody's are no lease.
func TestLeaseOfNoUse(t *testing.T) {
	for addr, good := range map[string]bool{
		"10.0.0.1": true, "0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "127.0.0.1": false,
		"fd00::1": true, "::": false, "::1": false, "ff02::1": false, "::ffff:10.0.0.1": false,
	} {
		a := netip.MustParseAddr(addr)
		s := &session{peer: &PeerConfig{VirtualIP4: true, VirtualIP6: true}}
		err := s.takeLeases([]message.Payload{&message.CP{Kind: message.CfgReply, Attributes: []message.CPAttribute{
			message.CPAddress(netip.PrefixFrom(a, a.BitLen()))}}})
		if (err == nil) != good {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestTooManySelectors: what does not fit into a message fails at once, with the
// reason.
func TestTooManySelectors(t *testing.T) {
	var many []policy.Selector
	for i := range maxSelectors + 1 {
		many = append(many, policy.PrefixSelector(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0}), 24)))
	}
	c := peerConfig(t)
	c.RemoteTS = many
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if f, ok := last[SessionFailed](p.i); !ok || f.Stage != StageAuth || !strings.Contains(f.Err.Error(), "more elements than allowed") {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()

	p = newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	if err := p.i.e.CreateChild(id, ChildConfig{Layer: 70, LocalTS: many, RemoteTS: many}, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if count[ChildFailed](p.i) != 1 || len(p.i.spis.taken) != 1 {
		t.Errorf("%s", dump(p.i.events))
	}
	p.steady()
	p.close()
}

// TestLostWithTheOldIKESA: what was under way on an IKE SA that the peer replaced
// and deleted is done again on its successor.
func TestLostWithTheOldIKESA(t *testing.T) {
	for name, begin := range map[string]struct {
		do   func(p *pair, a *end)
		done func(p *pair, a, b *end) bool
	}{
		"DELETE of a child": {
			func(p *pair, a *end) { p.deleteChild(a, a.only().SPIIn) },
			func(p *pair, a, b *end) bool { return len(a.in) == 0 && len(b.in) == 0 && len(b.spis.taken) == 0 },
		},
		"DELETE of what was not made": {
			func(p *pair, a *end) {
				s := a.e.order[0]
				a.e.enqueue(s.cur, &deleteSPI{spi: a.only().SPIIn}, p.now)
				a.e.arm(s)
			},
			func(p *pair, a, b *end) bool { return len(b.in) == 0 && len(b.spis.taken) == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				p.several(a, 1)
				p.several(b, 1)
				p.rekeyIKE(b)
				p.flush()
				p.deliver(0) // a has promised an IKE SA
				begin.do(p, a)
				p.flush()
				p.wire = slices.DeleteFunc(p.wire, func(f flight) bool { return f.from == a && isInfo(f) && !f.isResponse() })
				for len(p.wire) > 0 {
					p.deliver(0)
				}
				p.advance(time.Minute)
				p.common(1)
				if !begin.done(p, a, b) {
					t.Errorf("%s: %s; %s: %s", a.name, dump(a.events), b.name, dump(b.events))
				}
			})
		})
	}
}
