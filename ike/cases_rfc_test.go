package ike

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// Rules of the RFCs that no other test of the engine names.

// TestRFC7296_2_4: notifies that nobody protected do nothing to an SA, as requests
// and as responses to what is under way.
func TestRFC7296_2_4(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		if err := b.e.Liveness(b.session(), p.now); err != nil {
			t.Fatal(err)
		}
		b.take()
		s := b.e.order[0]
		before := b.state()
		for _, kind := range []message.NotifyType{message.InvalidIKESPI, message.InvalidSyntax, message.AuthenticationFailed,
			message.InvalidMajorVersion, message.InvalidMessageID, message.InvalidSPI, message.TemporaryFailure, 8192, message.InitialContact} {
			for _, x := range []message.ExchangeType{message.Informational, message.CreateChildSA, message.IKEAuth} {
				for _, h := range []message.Header{{MessageID: s.cur.recvID}, {MessageID: s.cur.out.id, Flags: message.FlagResponse}} {
					h.SPIi, h.SPIr, h.Exchange = s.cur.spiI, s.cur.spiR, x
					h.Flags |= a.e.order[0].cur.flags(false)
					m := message.Message{Header: h, Payloads: []message.Payload{&message.Notify{Kind: kind}}}
					b.e.Receive(Datagram{Path: s.path, NATT: s.natt, Data: must1(m.Marshal())}, p.now)
					if out := b.take(); len(out) != 0 || b.state() != before {
						t.Fatalf("%v in %v, response %v: %d messages, %s", kind, x, h.IsResponse(), len(out), b.state())
					}
				}
			}
		}
	})
}

// TestRFC7296_2_10: a nonce has 16 to 256 octets, the initiator's and the
// responder's.
func TestRFC7296_2_10(t *testing.T) {
	nonce := func(n int) func([]message.Payload) []message.Payload {
		return replace(message.PayloadNonce, func(message.Payload) []message.Payload {
			return []message.Payload{&message.Nonce{Data: bytes.Repeat([]byte{7}, n)}}
		})
	}
	for n, good := range map[int]bool{0: false, 1: false, 15: false, 16: true, 17: true, 256: true, 257: false, 4000: false} {
		p, m, d := opening(t)
		m.Payloads = nonce(n)(m.Payloads)
		d.Data = must1(m.Marshal())
		p.hand(flight{p.i, p.r, d})
		if p.r.take(); (len(p.r.e.sas) == 1) != good {
			t.Errorf("the initiator's nonce of %d octets makes %d IKE SAs", n, len(p.r.e.sas))
		}

		p, _, d = opening(t)
		p.hand(flight{p.i, p.r, d})
		d = p.r.take()[0]
		m = must1(message.Parse(d.Data))
		m.Payloads = nonce(n)(m.Payloads)
		d.Data = must1(m.Marshal())
		p.hand(flight{p.r, p.i, d})
		if out := p.i.take(); (len(out) == 1) != good {
			t.Errorf("the responder's nonce of %d octets is followed by %d messages", n, len(out))
		}
	}
}

// TestRFC7296_2_12 (also 2.10): nonces and key exchanges are new each time, for both
// ends, in rekeys and where a request is made again with another group.
func TestRFC7296_2_12(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.IKE, c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-ecp256-x25519"), ikeProposals(t, "aes128gcm16-prfsha256-x25519-ecp256")
	a.ESP, c.ESP = espProposals(t, "aes128gcm16-ecp256-x25519"), espProposals(t, "aes128gcm16-x25519-ecp256")
	p := newPair(t, a)
	seen, total := map[string]bool{}, 0
	look := func() {
		for _, f := range p.tap {
			plain, ok := (&hostile{pair: p}).inside(f)
			if !ok {
				continue
			}
			ps, _ := message.ParsePayloads(plain.Next, plain.Data)
			for _, x := range ps {
				switch x := x.(type) {
				case *message.Nonce:
					seen[string(x.Data)] = true
				case *message.KE:
					seen[string(x.Data)] = true
				default:
					continue
				}
				total++
			}
		}
		p.tap = nil
	}
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		t.Fatal(err)
	}
	for p.flush(); len(p.wire) > 0; {
		p.deliver(0)
		look()
	}
	for range 3 {
		for _, n := range []*end{p.i, p.r} {
			for _, begin := range []func(*end){p.rekeyIKE, p.rekeyChild} {
				begin(n)
				for p.flush(); len(p.wire) > 0; {
					look()
					p.deliver(0)
				}
			}
		}
	}
	if !p.i.up[id] || len(seen) != total || total < 40 {
		t.Errorf("%d of %d nonces and public values are their own", len(seen), total)
	}
}

// TestRFC7296_2_21_2: a child SA that is refused in IKE_AUTH leaves the IKE SA up.
func TestRFC7296_2_21_2(t *testing.T) {
	a := acceptConfig(t)
	a.ESP = espProposals(t, "chacha20poly1305")
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	p.deliver(0)
	p.deliver(0) // IKE_AUTH
	if s := p.r.theSession(); s.State != "up" || count[SessionUp](p.r) != 1 || count[ChildFailed](p.r) != 1 {
		t.Errorf("%+v: %s", s, dump(p.r.events))
	}
	got, _ := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false,
		replace(message.PayloadSA, func(message.Payload) []message.Payload {
			return []message.Payload{crypt.Offer(a.ESP, spiBytes(0xabcdef))}
		})(childRequest(t, 0))...))
	if n := childError(got); n != nil || len(p.r.in) != 1 {
		t.Errorf("a better offer is answered with %+v", n)
	}
}

// TestRFC7296_2_23: of several source hashes one that fits is enough, and without any
// of one kind there is no NAT traversal. Where there is a NAT, the initiator goes to
// port 4500 from IKE_AUTH on.
func TestRFC7296_2_23(t *testing.T) {
	path := Path{Local: addrR, Remote: addrI}
	hash := func(kind message.NotifyType, at netip.AddrPort) message.Payload {
		return &message.Notify{Kind: kind, Data: crypt.NATHash(1, 0, at)}
	}
	const src, dst = message.NATDetectionSourceIP, message.NATDetectionDestinationIP
	other := netip.MustParseAddrPort("10.0.0.1:500")
	for name, tt := range map[string]struct {
		ps   []message.Payload
		want natView
	}{
		"no NAT":             {[]message.Payload{hash(src, addrI), hash(dst, addrR)}, natView{known: true}},
		"the peer's":         {[]message.Payload{hash(src, other), hash(dst, addrR)}, natView{known: true, peer: true}},
		"ours":               {[]message.Payload{hash(src, addrI), hash(dst, other)}, natView{known: true, here: true}},
		"the last source":    {[]message.Payload{hash(src, other), hash(src, addrR), hash(dst, addrR), hash(src, addrI)}, natView{known: true}},
		"no source that is":  {[]message.Payload{hash(src, other), hash(src, addrR), hash(dst, addrR)}, natView{known: true, peer: true}},
		"another port":       {[]message.Payload{hash(src, netip.AddrPortFrom(addrI.Addr(), 501)), hash(dst, addrR)}, natView{known: true, peer: true}},
		"destination alone":  {[]message.Payload{hash(dst, other)}, natView{}},
		"sources alone":      {[]message.Payload{hash(src, other), hash(src, addrI)}, natView{}},
		"a hash cut short":   {[]message.Payload{&message.Notify{Kind: src, Data: make([]byte, 4)}, hash(dst, addrR)}, natView{known: true, peer: true}},
		"nothing of the two": {nil, natView{}},
	} {
		if got := detectNAT(tt.ps, 1, 0, path); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}

	c := peerConfig(t)
	c.Encap = EncapUDP // feigns a NAT
	p := newPair(t, acceptConfig(t))
	p.establish(c)
	for _, f := range p.tap {
		want := uint16(4500)
		if f.kind() == message.IKESAInit {
			want = 500
		}
		if f.d.Path.Local.Port() != want || f.d.Path.Remote.Port() != want || f.d.NATT != (want == 4500) {
			t.Errorf("%v goes from %v to %v, NAT traversal %v", f.kind(), f.d.Path.Local, f.d.Path.Remote, f.d.NATT)
		}
	}
	p.close()
}

// TestRFC7296_2_25: what is refused with TEMPORARY_FAILURE is asked for again, not
// at once, and for minutes.
func TestRFC7296_2_25(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		b.e.order[0].state = sessionClosing // busy, for as long as it takes
		var at []time.Time
		p.drop = func(f flight) bool {
			if f.from == a && f.kind() == message.CreateChildSA {
				at = append(at, p.now)
			}
			return false
		}
		if a == p.i {
			err := a.e.CreateChild(a.session(), ChildConfig{Layer: 900, LocalTS: policy.Everything(), RemoteTS: policy.Everything()}, p.now)
			if err != nil {
				t.Fatal(err)
			}
		} else {
			p.rekeyChild(a)
		}
		p.advance(3 * time.Minute)
		for i := range at[1:] {
			if gap := at[i+1].Sub(at[i]); gap < a.e.opt.RetryAfter || gap > 2*a.e.opt.RetryAfter {
				t.Errorf("asked again after %v", gap)
			}
		}
		if len(at) < 20 || count[ChildFailed](a)+count[SessionDown](a) != 0 {
			t.Errorf("asked %d times: %s", len(at), dump(a.events))
		}
		b.e.order[0].state = sessionUp
		p.advance(time.Minute)
		if p.agree(); count[ChildUp](b)+count[ChildAdded](b) != 2 {
			t.Errorf("%s", dump(b.events))
		}
	})
}

// TestRFC7296_3_10: an error that nobody knows is a failure of the request that it
// answers, and a status that nobody knows is nothing.
func TestRFC7296_3_10(t *testing.T) {
	for _, kind := range []message.NotifyType{10, 48, 8191, 8192, 16383, 16500, 40959, 40960, 65535} {
		strange := &message.Notify{Kind: kind, Data: []byte{1, 2, 3}}
		for name, begin := range map[string]func(*pair, *end){"child": (*pair).rekeyChild, "IKE": (*pair).rekeyIKE} {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				begin(p, a)
				p.flush()
				p.deliver(0)
				sa := a.e.order[0].cur
				ps := must1(a.e.open(sa, p.hold(b).d))
				h := message.Header{Exchange: sa.out.kind, MessageID: sa.out.id, Flags: message.FlagResponse}
				for _, d := range seal(sa, h, must1(crypt.PlainOf(append(ps, strange))), 0) {
					p.hand(flight{b, a, comes(a.e.order[0], d)})
				}
				p.flush()
				made := count[ChildAdded](a)+count[SessionRekeyed](a) == 1
				if fails := kind < 16384; made == fails || a.theSession().State != "up" {
					t.Errorf("rekey of the %s answered with %v: made %v, %s", name, kind, made, dump(a.events))
				}
			})
		}
		eachSide(t, func(t *testing.T, p *pair, a, b *end) {
			got, ok := p.tell(a, a.say(message.Informational, b.e.order[0].cur.recvID, false, strange))
			if !ok || len(got) != 0 || b.theSession().State != "up" {
				t.Errorf("%v is answered with %+v", kind, got)
			}
		})
	}
}

// TestRFC9370_2_2_4: an IKE_FOLLOWUP_KE whose link nobody gave, or of something that
// is over, is answered with STATE_NOT_FOUND and changes nothing.
func TestRFC9370_2_2_4(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.several(a, 1)
		p.several(b, 1)
		p.rekeyChild(a)
		p.settle()
		var old []byte
		for _, f := range p.tap {
			if f.from == a && isFollowup(f) {
				old = message.GetNotify(must1(b.e.open(b.e.order[0].cur, f.d)), message.AdditionalKeyExchange).Data
			}
		}
		p.steady()
		ke := must1(crypt.NewKeyExchange(message.DHECP256, a.rand))
		for name, link := range map[string][]message.Payload{
			"none":    nil,
			"empty":   {&message.Notify{Kind: message.AdditionalKeyExchange}},
			"unknown": {&message.Notify{Kind: message.AdditionalKeyExchange, Data: []byte("nothing of yours")}},
			"over":    {&message.Notify{Kind: message.AdditionalKeyExchange, Data: old}},
		} {
			ps := append([]message.Payload{&message.KE{Group: message.DHECP256, Data: ke.Public()}}, link...)
			got, ok := p.tell(a, a.say(message.IKEFollowupKE, b.e.order[0].cur.recvID, false, ps...))
			if n := childError(got); !ok || n == nil || n.Kind != message.StateNotFound || len(old) == 0 {
				t.Errorf("link %s: %+v", name, got)
			}
			a.e.order[0].cur.sendID++
		}
		p.steady()
		p.close()
	})
}
