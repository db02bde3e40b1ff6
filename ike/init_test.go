package ike

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// initKinds lists the IKE_SA_INIT messages on the wire by what they carry.
func (p *pair) initKinds() (kinds []string) {
	for _, f := range p.tap {
		if f.kind() != message.IKESAInit {
			continue
		}
		m, err := message.Parse(f.d.Data)
		if err != nil {
			p.t.Fatal(err)
		}
		k := "request"
		if m.IsResponse() {
			k = "response"
		}
		for _, n := range []message.NotifyType{message.Cookie, message.InvalidKEPayload} {
			if message.GetNotify(m.Payloads, n) != nil {
				k += "+" + n.String()
			}
		}
		kinds = append(kinds, k)
	}
	return kinds
}

func TestInitRounds(t *testing.T) {
	always := func(_, r *Options) { r.CookieThreshold = -1 }
	tests := map[string]struct {
		own  string // the responder's proposal
		opt  func(i, r *Options)
		want string
	}{
		"plain":           {"aes128gcm16-prfsha256-x25519", func(_, _ *Options) {}, "request response"},
		"cookie":          {"aes128gcm16-prfsha256-x25519", always, "request response+COOKIE request+COOKIE response"},
		"other group":     {"aes128gcm16-prfsha256-ecp384", func(_, _ *Options) {}, "request response+INVALID_KE_PAYLOAD request response"},
		"cookie, then KE": {"aes128gcm16-prfsha256-ecp384", always, "request response+COOKIE request+COOKIE response+INVALID_KE_PAYLOAD request+COOKIE response"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, c := acceptConfig(t), peerConfig(t)
			a.IKE = ikeProposals(t, tt.own)
			c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ecp384-modp2048")
			p := newPair(t, a, tt.opt)
			p.establish(c)
			if got := strings.Join(p.initKinds(), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			p.close()
		})
	}
}

// A peer that asks for ever other cookies or groups is given up on.
func TestInitRoundsBounded(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	req, err := message.Parse(p.wire[0].d.Data)
	if err != nil {
		t.Fatal(err)
	}
	p.wire = nil
	for i := range 100 {
		p.answerInit(req, &message.Notify{Kind: message.Cookie, Data: []byte{byte(i), 1, 2, 3}})
	}
	if n := len(p.wire); n >= maxInitRounds {
		t.Errorf("%d more requests, want fewer than %d", n, maxInitRounds)
	}
	p.wire, p.drop = nil, func(flight) bool { return true }
	p.advance(20 * time.Second)
	f, ok := last[SessionFailed](p.i)
	if !ok || !strings.Contains(f.Err.Error(), "192.0.2.1:500 keeps asking for other cookies or groups") {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()
}

// answerInit sends the initiator an unprotected answer.
func (p *pair) answerInit(req *message.Message, ps ...message.Payload) {
	p.t.Helper()
	m := message.Message{Header: message.Header{SPIi: req.SPIi, Exchange: message.IKESAInit, Flags: message.FlagResponse}, Payloads: ps}
	data, err := m.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	p.i.e.Receive(Datagram{Path: Path{Local: addrI, Remote: addrR}, Data: data}, p.now)
	p.flush()
}

// Forged answers do not hinder the real one (RFC 7296, Section 2.21.1).
func TestInitForgedErrors(t *testing.T) {
	forged := map[string][]message.Payload{
		"NO_PROPOSAL_CHOSEN":   {&message.Notify{Kind: message.NoProposalChosen}},
		"INVALID_SYNTAX":       {&message.Notify{Kind: message.InvalidSyntax}},
		"INVALID_KE_PAYLOAD 0": {invalidKE(0)},
		"INVALID_KE_PAYLOAD":   {invalidKE(message.DHMODP1024)},
		"empty":                nil,
		"AUTHENTICATION_FAILED": {
			&message.Notify{Kind: message.AuthenticationFailed}},
		"nonsense": {&message.KE{Group: message.DHX25519, Data: make([]byte, 32)}, &message.Nonce{Data: make([]byte, 32)},
			crypt.Offer(nil, nil)},
	}
	for name, ps := range forged {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			id, err := p.i.e.Initiate(peerConfig(t), p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.flush()
			req, err := message.Parse(p.wire[0].d.Data)
			if err != nil {
				t.Fatal(err)
			}
			p.answerInit(req, ps...)
			p.settle()
			if !p.i.up[id] {
				t.Errorf("%s", dump(p.i.events))
			}
			p.close()
		})
	}
}

// A group that was not offered is not taken, though it could be done.
func TestInitForgedDowngrade(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	req, err := message.Parse(p.wire[0].d.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []message.DHGroup{message.DHMODP2048, message.DHECP256, message.DHX25519} {
		p.answerInit(req, invalidKE(g))
	}
	if len(p.wire) != 1 {
		t.Errorf("%d requests, want the first one only", len(p.wire))
	}
	p.settle()
	p.close()
}

// Answers from elsewhere are nobody's.
func TestInitAnswerFromElsewhere(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	good := p.wire[0].d
	for _, from := range []string{"192.0.2.2:500", "192.0.2.1:501", "192.0.2.1:4500"} {
		before := p.i.state()
		p.i.e.Receive(Datagram{Path: Path{Local: addrI, Remote: netip.MustParseAddrPort(from)}, Data: bytes.Clone(good.Data)}, p.now)
		if out := p.i.take(); len(out) != 0 || p.i.state() != before {
			t.Errorf("an answer from %s was accepted", from)
		}
	}
	p.settle()
	p.close()
}

// A cookie is asked for when there are many half-open IKE SAs, and there are
// never more than allowed.
func TestHalfOpenFlood(t *testing.T) {
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.CookieThreshold, r.MaxHalfOpen = 16, 32 })
	id := p.establish(peerConfig(t))
	attacker := newEnd(t, "attacker", 99, Options{})
	plain, cookies := 0, 0
	for i := range 2000 {
		c := peerConfig(t)
		a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		c.Local, c.NoInitialContact = netip.AddrPortFrom(a, 500), true
		aid, err := attacker.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range attacker.take() {
			n := len(d.Data)
			d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
			p.r.e.Receive(d, p.now)
			for _, r := range p.r.take() {
				if len(r.Data) > 3*n {
					t.Fatalf("answer of %d bytes to %d", len(r.Data), n)
				}
				m, err := message.Parse(r.Data)
				if err != nil {
					t.Fatal(err)
				}
				if message.GetNotify(m.Payloads, message.Cookie) != nil {
					cookies++
				} else {
					plain++
				}
			}
		}
		attacker.e.Abort(aid)
	}
	if plain != 16 || cookies != 2000-16 || p.r.e.halfOpen != 16 {
		t.Errorf("%d plain answers, %d cookies, %d half-open", plain, cookies, p.r.e.halfOpen)
	}
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(30 * time.Second)
	if p.r.e.halfOpen != 0 || len(p.r.e.sas) != 1 || len(p.r.e.inits) != 1 {
		t.Errorf("left: %d half-open, %d IKE SAs, %d answers", p.r.e.halfOpen, len(p.r.e.sas), len(p.r.e.inits))
	}
	p.close()
}

func TestRetransmission(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.drop = func(f flight) bool { return f.from == p.i }
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(time.Minute)
	if len(p.tap) != 5 {
		t.Fatalf("%d transmissions, want 5", len(p.tap))
	}
	for _, f := range p.tap {
		if !bytes.Equal(f.d.Data, p.tap[0].d.Data) {
			t.Error("a repetition differs from the first transmission")
		}
	}
	r := Retransmit{Base: time.Second, Factor: 2, Max: 5 * time.Second}
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		if got := r.wait(i + 1); got != want*time.Second {
			t.Errorf("wait(%d) = %v, want %v", i+1, got, want*time.Second)
		}
	}
}

// Each message is lost once: what is repeated must be answered alike.
func TestEveryMessageLostOnce(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	seen := map[string]bool{}
	p.drop = func(f flight) bool {
		k := string(f.d.Data)
		if seen[k] {
			return false
		}
		seen[k] = true
		return true
	}
	id, err := p.i.e.Initiate(peerConfig(t), p.now)
	if err != nil {
		t.Fatal(err)
	}
	p.advance(10 * time.Second)
	if !p.i.up[id] {
		t.Fatalf("%s", dump(p.i.events))
	}
	p.rekeyChild(p.i)
	p.advance(10 * time.Second)
	p.rekeyIKE(p.r)
	p.advance(10 * time.Second)
	if err := p.i.e.Delete(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.empty()
	if count[SessionDown](p.i) != 1 || count[SessionDown](p.r) != 1 || len(seen) != 14 {
		t.Errorf("%d messages; %s %s", len(seen), dump(p.i.events), dump(p.r.events))
	}
}

func TestNATRebinding(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	moved := netip.MustParseAddrPort("198.51.100.9:31337")
	// The NAT gives the client another address: all it sends comes from there.
	send := func(n int) {
		p.flush()
		for len(p.wire) > 0 {
			f := p.wire[0]
			p.wire = p.wire[1:]
			d := f.d
			d.Data = bytes.Clone(d.Data)
			d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
			if f.from == p.i {
				d.Path.Remote = moved
			} else {
				if n > 0 && f.d.Path.Remote != moved {
					t.Errorf("answer goes to %v", f.d.Path.Remote)
				}
				d.Path.Local = netip.AddrPortFrom(addrI.Addr(), 4500)
			}
			f.to.e.Receive(d, p.now)
			p.flush()
		}
	}
	replay := p.tap[2] // IKE_AUTH: old, moves nothing
	d := replay.d
	d.Path.Local, d.Path.Remote = d.Path.Remote, moved
	p.r.e.Receive(d, p.now)
	p.r.take()
	if count[PathChanged](p.r) != 0 {
		t.Error("a replay moved the peer")
	}
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	send(1)
	ev, ok := last[PathChanged](p.r)
	if !ok || ev.Path.Remote != moved || count[PathChanged](p.i) != 0 {
		t.Errorf("%s", dump(p.r.events))
	}
}

// A peer without NAT does not move, whoever asks.
func TestNoNATNoMove(t *testing.T) {
	c := peerConfig(t)
	c.Encap = EncapESP
	p := newPair(t, acceptConfig(t))
	id := p.establish(c)
	if err := p.i.e.Liveness(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	d := p.wire[0].d
	p.wire = nil
	d.Path.Local, d.Path.Remote = d.Path.Remote, netip.MustParseAddrPort("198.51.100.9:500")
	p.r.e.Receive(d, p.now)
	p.flush()
	if count[PathChanged](p.r) != 0 {
		t.Errorf("%s", dump(p.r.events))
	}
}

func TestWrongVia(t *testing.T) {
	c := peerConfig(t)
	c.Via = 3
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.wire[0].d.Path.Via = 0 // the gateway sees it from the network
	p.deliver(0)
	resp := p.wire[0]
	resp.d.Path.Via = 2
	p.hand(resp)
	p.flush()
	if s := p.i.theSession(); s.State != "connecting" || len(p.wire) != 1 {
		t.Error("an answer through the wrong layer was accepted")
	}
	resp.d.Path.Via = 3
	p.hand(resp)
	p.flush()
	if len(p.wire) != 2 || p.wire[1].d.Path.Via != 3 {
		t.Error("the answer through the right layer was not")
	}
}

func TestTransportMode(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.Modes = []esp.Mode{esp.Transport}
	c.Mode, c.VirtualIP4 = esp.Transport, false
	c.RemoteTS = []policy.Selector{{From: addrR.Addr(), To: addrR.Addr(), Proto: 6, Ports: policy.Ports{Lo: 443, Hi: 443}}}
	p := newPair(t, a)
	p.establish(c)
	up, _ := last[ChildUp](p.r)
	if up.Child.Mode != esp.Transport || len(up.Child.LocalTS) != 1 || up.Child.LocalTS[0] != c.RemoteTS[0] || up.Child.Lease4.IsValid() {
		t.Errorf("%+v", up.Child)
	}
	p.rekeyChild(p.r)
	p.steady()
	p.close()
}

func TestBothFamilies(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.Pool = mustPool(t, "10.99.1.0/24", "fd99:1::/64")
	c.VirtualIP6, c.Want4, c.Want6 = true, netip.MustParseAddr("10.99.1.77"), netip.MustParseAddr("fd99:1::77")
	c.Local, c.Remote = netip.MustParseAddrPort("[2001:db8::100]:500"), netip.MustParseAddrPort("[2001:db8::1]:500")
	p := newPair(t, a)
	p.establish(c)
	for _, n := range []*end{p.i, p.r} {
		up, _ := last[ChildUp](n)
		if up.Child.Lease4 != c.Want4 || up.Child.Lease6 != c.Want6 || up.Child.Encap != packet.EncapUDP {
			t.Errorf("%s: %+v", n.name, up.Child)
		}
	}
	p.rekeyChild(p.i)
	p.steady()
	p.close()
	if l := a.Pool.Leases(); len(l) != 0 {
		t.Errorf("leases left: %v", l)
	}
}

func TestInitialContact(t *testing.T) {
	a := acceptConfig(t)
	p := newPair(t, a)
	p.establish(peerConfig(t))
	lease := a.Pool.Leases()
	again := newEnd(t, "initiator again", 50, Options{}) // the client crashed
	p.i = again
	p.r.quiet = true
	p.establish(peerConfig(t))
	if p.r.theSession().ID != 2 || count[SessionDown](p.r) != 1 || count[ChildRemoved](p.r) != 1 {
		t.Errorf("%s", dump(p.r.events))
	}
	if now := a.Pool.Leases(); len(now) != 1 || now[0] != lease[0] {
		t.Errorf("lease was %v, is %v", lease, now)
	}
	p.close()

	p = newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	carol := peerConfig(t)
	carol.LocalID = mustID(t, "carol.example")
	p.i = newEnd(t, "another initiator", 51, Options{})
	if _, err := p.i.e.Initiate(carol, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if len(p.r.e.Sessions()) != 2 || count[SessionDown](p.r) != 0 {
		t.Errorf("carol's INITIAL_CONTACT ended alice's session: %s", dump(p.r.events))
	}

	p = newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	c := peerConfig(t)
	c.Layer = 8 // a second session between the same two is no initial contact
	p.establish(c)
	if len(p.r.e.Sessions()) != 2 {
		t.Errorf("%s", dump(p.r.events))
	}
}

func TestSuites(t *testing.T) {
	for _, i := range []string{"aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384", "chacha20poly1305-prfsha512-ecp256", "aes128gcm16-prfsha256-modp2048"} {
		for _, s := range []string{"aes128gcm16-esn", "aes256gcm16-noesn", "chacha20poly1305-esn", "aes192gcm16"} {
			a, c := acceptConfig(t), peerConfig(t)
			a.IKE, a.ESP = ikeProposals(t, i), espProposals(t, s)
			c.IKE, c.ESP = a.IKE, a.ESP
			p := newPair(t, a)
			p.establish(c)
			up, _ := last[ChildUp](p.i)
			if want := strings.HasSuffix(s, "-esn"); up.Child.Suite.ESN != want || len(up.Child.KeyIn) != up.Child.Suite.KeyLen() {
				t.Errorf("%s: %v with keys of %d bytes", s, up.Child.Suite, len(up.Child.KeyIn))
			}
			p.rekeyIKE(p.i)
			p.steady()
			p.close()
		}
	}
}

// The default proposals of both ends fit, whatever the order.
func TestDefaultProposals(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.IKE, a.ESP = crypt.DefaultIKE(), crypt.DefaultESP()
	c.IKE, c.ESP = a.IKE, a.ESP
	p := newPair(t, a)
	p.establish(c)
	p.rekeyChild(p.r)
	p.steady()
	p.close()
}

func TestCreateChild(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	up, _ := last[ChildUp](p.i)
	other := []policy.Selector{policy.PrefixSelector(netip.MustParsePrefix("203.0.113.0/24"))}
	if err := p.i.e.CreateChild(id, ChildConfig{Layer: 8, LocalTS: up.Child.LocalTS, RemoteTS: other}, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	second, _ := last[ChildUp](p.i)
	if second.Child.Layer != 8 || second.Child.RemoteTS[0] != other[0] || len(p.i.in) != 2 {
		t.Errorf("%+v", second.Child)
	}
	p.agree()
	// The gateway may not add pairs: which of two would be sent on?
	if err := p.r.e.CreateChild(p.r.session(), ChildConfig{Layer: 300, LocalTS: other, RemoteTS: up.Child.LocalTS}, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if f, ok := last[ChildFailed](p.r); !ok || f.Err.(*Error).Notify != message.NoAdditionalSAs || len(p.i.in) != 2 {
		t.Errorf("%s", dump(p.r.events))
	}
	elsewhere := []policy.Selector{policy.PrefixSelector(netip.MustParsePrefix("172.16.0.0/12"))}
	if err := p.i.e.CreateChild(id, ChildConfig{Layer: sa.Layer(9), LocalTS: elsewhere, RemoteTS: other}, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	f, ok := last[ChildFailed](p.i)
	if want := "ike: sg1: CREATE_CHILD_SA: TS_UNACCEPTABLE: the peer refuses the selectors local 172.16.0.0/12, remote 203.0.113.0/24"; !ok || f.Err.Error() != want || f.Layer != 9 {
		t.Errorf("%s", dump(p.i.events))
	}
}
