package ike

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/ike/message"
	"warren/ike/trust"
	"warren/pki"
	"warren/sa"
)

const hybridSuite = "aes128gcm16-prfsha256-x25519-ke1_mlkem768"

// resumable are two ends that know tickets.
func resumable(t rapid.TB) (PeerConfig, AcceptConfig) {
	c, a := peerConfig(t), acceptConfig(t)
	c.Resumption, a.Resumption = true, true
	c.IKE, a.IKE = ikeProposals(t, hybridSuite), ikeProposals(t, hybridSuite)
	a.Rekey.IKE, c.Rekey.IKE = 4*time.Hour, 4*time.Hour
	return c, a
}

// interrupt has the initiator lose all its sessions without a word.
func (p *pair) interrupt() {
	for _, s := range slices.Backward(p.i.e.Sessions()) {
		p.i.e.Abort(s.ID)
	}
	clear(p.i.in)
	clear(p.i.out)
	p.i.take()
	p.r.quiet = true
}

// forgets has the responder lose its session.
func (p *pair) forgets() {
	p.r.e.Abort(p.r.session())
	clear(p.r.in)
	clear(p.r.out)
	p.r.quiet = true
}

// askedFor lists what the initiator has asked since the n-th message, each once.
func (p *pair) askedFor(from int) string {
	var kinds []string
	seen := map[string]bool{}
	for _, f := range p.tap[from:] {
		h, _ := message.ParseHeader(f.d.Data)
		key := fmt.Sprint(h.SPIi, h.MessageID) // a message may be in fragments
		if opens(h.Exchange) {
			key = string(f.d.Data)
		}
		if f.from == p.i && !h.IsResponse() && !seen[key] {
			seen[key] = true
			kinds = append(kinds, h.Exchange.String())
		}
	}
	return strings.Join(kinds, " ")
}

const (
	wasResumed = "IKE_SESSION_RESUME IKE_AUTH"
	inFull     = "IKE_SA_INIT IKE_INTERMEDIATE IKE_AUTH"
	refusedOne = "IKE_SESSION_RESUME " + inFull
)

// comesBack opens c a second time, and wants these exchanges for it.
func (p *pair) comesBack(c PeerConfig, want string) {
	p.t.Helper()
	from := len(p.tap)
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	p.advance(3 * time.Second)
	if got := p.askedFor(from); got != want {
		p.t.Errorf("exchanges %s, want %s", got, want)
	}
	up, _ := last[SessionUp](p.i)
	at, _ := last[SessionUp](p.r)
	if resumed := strings.HasPrefix(want, wasResumed); up.ID != id || up.Resumed != resumed || at.Resumed != resumed {
		p.t.Errorf("%+v and %+v, resumed should be %v; %s", up, at, resumed, dump(p.i.events))
	}
	p.agree()
	if len(p.i.e.order) != 1 || len(p.r.e.order) != 1 {
		p.t.Errorf("%d and %d sessions, want one at each end", len(p.i.e.order), len(p.r.e.order))
	}
}

// TestResume: an interrupted session comes back without key exchange and
// credentials, again and again, with its address.
func TestResume(t *testing.T) {
	tests := map[string]func(c *PeerConfig, a *AcceptConfig){
		"plain":               func(*PeerConfig, *AcceptConfig) {},
		"with MOBIKE":         func(c *PeerConfig, a *AcceptConfig) { c.MOBIKE, a.MOBIKE = true, true },
		"ESP alone":           func(c *PeerConfig, _ *AcceptConfig) { c.Encap = EncapESP },
		"ESP in UDP":          func(c *PeerConfig, _ *AcceptConfig) { c.Encap = EncapUDP },
		"without a lease":     func(c *PeerConfig, a *AcceptConfig) { c.VirtualIP4, a.Pool = false, nil },
		"no INITIAL_CONTACT":  func(c *PeerConfig, _ *AcceptConfig) { c.NoInitialContact = true },
		"never rekeyed":       func(c *PeerConfig, a *AcceptConfig) { c.Rekey.IKE, a.Rekey.IKE = 0, 0 },
		"an initiator rekeys": func(c *PeerConfig, a *AcceptConfig) { c.Rekey.IKE, a.Rekey.IKE = time.Hour, 0 },
		"longer prf, other KE": func(c *PeerConfig, a *AcceptConfig) {
			c.IKE, a.IKE = ikeProposals(t, "aes256-sha256-prfsha512-ecp384-ke1_mlkem768"), ikeProposals(t, "aes256-sha256-prfsha512-ecp384-ke1_mlkem768")
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			change(&c, &a)
			p := newPair(t, a)
			p.establish(c)
			lease := p.i.theSession().Lease4
			for range 3 {
				p.advance(time.Minute)
				p.interrupt()
				p.comesBack(c, wasResumed)
				if got := p.i.theSession(); got.Lease4 != lease || !got.Resumed || got.MOBIKE != c.MOBIKE || got.Encap != p.r.theSession().Encap {
					t.Errorf("resumed as %+v", got)
				}
				if down, ok := last[SessionDown](p.r); !ok || !strings.Contains(down.Reason, "resumed it") {
					t.Errorf("the old session ended by %+v", down)
				}
				for _, f := range p.tap {
					if f.from == p.r && f.kind() == message.Informational && !f.isResponse() {
						t.Error("the responder tells the peer of the end of its old session")
					}
				}
			}
			p.rekeyChild(p.i)
			p.rekeyIKE(p.r)
			p.settle()
			p.agree()
		})
	}
}

// TestResumeRoundTrips: a chain of four, whose layers all have a hybrid key
// exchange, comes back with a round trip less for each.
func TestResumeRoundTrips(t *testing.T) {
	const latency = 10 * time.Millisecond
	took := map[bool]time.Duration{}
	for _, tickets := range []bool{false, true} {
		c, a := resumable(t)
		c.Resumption = tickets
		p := newPair(t, a)
		p.vias = map[sa.Layer]sa.Layer{}
		p.chainBy(c, latency)
		p.interrupt()
		took[tickets] = p.chainBy(c, latency)
		if n := count[SessionFailed](p.i); n != 0 || len(p.i.out) != 4 {
			t.Errorf("tickets %v: %d failed; %s", tickets, n, dump(p.i.events))
		}
		for _, s := range p.i.e.Sessions() {
			if s.Resumed != tickets {
				t.Errorf("tickets %v: layer of %v resumed %v", tickets, s.Path, s.Resumed)
			}
		}
	}
	const round = 2 * latency
	if full, resumed := took[false]/round, took[true]/round; full != 4*3 || resumed != 4*2 {
		t.Errorf("%d round trips without tickets, %d with them, want 12 and 8", full, resumed)
	}
}

// chainBy opens four sessions inside one another, on a wire that takes latency, and
// returns how long that took.
func (p *pair) chainBy(c PeerConfig, latency time.Duration) (took time.Duration) {
	p.t.Helper()
	for k := range 4 {
		c.Layer, c.Via, c.Local = sa.Layer(7+k), sa.Network, addrI
		if k > 0 {
			up, _ := last[ChildUp](p.i)
			c.Via, c.Local = c.Layer-1, netip.AddrPortFrom(up.Child.Lease4, 500)
		}
		ups, began, up := count[ChildUp](p.i), p.now, time.Time{}
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			p.t.Fatal(err)
		}
		p.slow(time.Second, latency, func() {
			if up.IsZero() && count[ChildUp](p.i) > ups {
				up = p.now
			}
		})
		took += up.Sub(began)
		at, _ := last[ChildUp](p.r)
		p.vias[c.Layer] = at.Child.Layer
	}
	return took
}

// TestNotResumed: what makes a ticket worthless, and that the session comes up in
// the same attempt all the same, where it may.
func TestNotResumed(t *testing.T) {
	other := func(p *pair, c *PeerConfig, psk string) {
		c.PSK = []byte(psk)
		p.r.e.opt.Accept[0].PSK = func(ID) ([]byte, bool) { return []byte(psk), true }
	}
	tests := map[string]struct {
		do   func(p *pair, c *PeerConfig) // after the first session is up
		want string
	}{
		"the session was deleted": {func(p *pair, _ *PeerConfig) {
			noError(p, p.i.e.Delete(p.i.session(), p.now))
			p.settle()
		}, inFull},
		"the peer deleted it": {func(p *pair, _ *PeerConfig) {
			noError(p, p.r.e.Delete(p.r.session(), p.now))
			p.settle()
		}, inFull},
		"the peer deleted it, and nobody heard": {func(p *pair, _ *PeerConfig) {
			p.interrupt()
			p.drop = func(f flight) bool { return f.from == p.r }
			noError(p, p.r.e.Delete(p.r.session(), p.now))
			p.advance(10 * time.Second)
			p.drop = nil
		}, refusedOne},
		"a DELETE had no answer": {func(p *pair, _ *PeerConfig) {
			p.drop = func(flight) bool { return true }
			noError(p, p.i.e.Delete(p.i.session(), p.now))
			p.advance(10 * time.Second)
			p.drop = nil
		}, inFull},
		"the peer does not believe us any more": {func(p *pair, _ *PeerConfig) {
			p.tell(p.r, p.r.say(message.Informational, 0, false, &message.Notify{Kind: message.AuthenticationFailed}))
			p.settle()
		}, inFull},
		"the responder was restarted": {func(p *pair, _ *PeerConfig) {
			p.interrupt()
			p.r = newEnd(p.t, "restarted", 77, Options{Accept: p.r.e.opt.Accept})
		}, refusedOne},
		"it lasted too long": {func(p *pair, _ *PeerConfig) {
			p.interrupt()
			p.forgets()
			p.advance(4 * time.Hour)
			if len(p.i.e.tickets.kept)+len(p.r.e.tickets.issued) != 0 || !p.i.e.Next().IsZero() {
				p.t.Error("tickets that have ended are remembered")
			}
		}, inFull},
		"this node wants other algorithms": {func(_ *pair, c *PeerConfig) {
			c.IKE = ikeProposals(t, "aes256gcm16-prfsha256-x25519-ke1_mlkem768", hybridSuite)[:1]
		}, ""},
		"the peer wants other algorithms": {func(p *pair, c *PeerConfig) {
			more := "aes256gcm16-prfsha256-x25519-ke1_mlkem768"
			c.IKE = ikeProposals(t, hybridSuite, more)
			p.r.e.opt.Accept[0].IKE = ikeProposals(t, more)
		}, refusedOne},
		"both have another key": {func(p *pair, c *PeerConfig) { other(p, c, "battery staple") }, inFull},
		"this node is somebody else": {func(p *pair, c *PeerConfig) {
			p.forgets()
			c.LocalID = mustID(t, "bob.example")
		}, inFull},
		"tickets are off here":  {func(_ *pair, c *PeerConfig) { c.Resumption = false }, inFull},
		"tickets are off there": {func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].Resumption = false }, refusedOne},
		"users prove themselves by EAP now": {func(p *pair, _ *PeerConfig) {
			old := p.r.e.opt.Accept[0]
			old.Resumption = false
			p.r.e.opt.Accept[0].Users = func(string) ([]byte, bool) { return nil, false }
			p.r.e.opt.Accept = append(p.r.e.opt.Accept, old)
		}, refusedOne},
		"the gateway is another one": {func(p *pair, c *PeerConfig) {
			c.Remote = netip.MustParseAddrPort("192.0.2.2:500")
		}, inFull},
		"its id is not admitted any more, another entry's is": {func(p *pair, _ *PeerConfig) {
			a := p.r.e.opt.Accept[0]
			a.Resumption = false
			p.r.e.opt.Accept[0].IDs = []string{"nobody"}
			p.r.e.opt.Accept = append(p.r.e.opt.Accept, a)
		}, refusedOne},
		"a PPK is wanted now": {func(p *pair, c *PeerConfig) {
			c.PPK = ppkOf(ppkID, ppkSecret, true)
			p.r.e.opt.Accept[0].PPK = func(string) ([]byte, bool) { return []byte(ppkSecret), true }
		}, "IKE_SA_INIT IKE_INTERMEDIATE IKE_AUTH CREATE_CHILD_SA IKE_FOLLOWUP_KE INFORMATIONAL INFORMATIONAL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			p := newPair(t, a)
			p.establish(c)
			tt.do(p, &c)
			p.interrupt()
			if tt.want == "" {
				p.unable(c)
				return
			}
			p.comesBack(c, tt.want)
		})
	}
}

// TestResumeChildless: a resumed session, too, begins without a child SA where that is
// wanted.
func TestResumeChildless(t *testing.T) {
	for _, mode := range []Childless{ChildlessPrefer, ChildlessForce} {
		c, a := resumable(t)
		c.Childless = mode
		p := newPair(t, a)
		p.establish(c)
		lease := p.i.theSession().Lease4
		for range 2 {
			p.interrupt()
			p.comesBack(c, wasResumed+" CREATE_CHILD_SA")
			if got := p.i.theSession(); got.Lease4 != lease || got.Rekeys != 0 {
				t.Errorf("%v: came back as %+v", mode, got)
			}
		}
		p.rekeyChild(p.i)
		p.settle()
		p.agree()
	}
}

// TestResumeChildlessUnsupported: a responder that does not say that it can begin without
// a child SA (RFC 6023, Section 3) is asked in full. So is one whose word was
// taken out on the way.
func TestResumeChildlessUnsupported(t *testing.T) {
	for mode, want := range map[Childless]string{
		ChildlessForce:  refusedOne + " CREATE_CHILD_SA",
		ChildlessPrefer: wasResumed + " " + inFull + " CREATE_CHILD_SA",
	} {
		c, a := resumable(t)
		c.Childless = mode
		p := newPair(t, a)
		p.establish(c)
		p.interrupt()
		p.rewrite(p.r, func(m *message.Message) {
			if m.Exchange == message.IKESessionResume {
				withoutNotify(m, message.ChildlessIKEv2Supported)
			}
		})
		from := len(p.tap)
		must1(p.i.e.Initiate(c, p.now))
		p.advance(30 * time.Second) // until what is half-open has ended
		if got := p.askedFor(from); got != want {
			t.Errorf("%v: exchanges %s, want %s", mode, got, want)
		}
		if got := p.i.theSession(); got.Resumed || got.State != "up" || len(p.r.e.order) != 1 {
			t.Errorf("%v: %+v; %s", mode, got, dump(p.i.events))
		}
		p.agree()
	}
}

// TestEAPNotResumed: who proves itself by EAP is neither given a ticket nor asks for
// one.
func TestEAPNotResumed(t *testing.T) {
	c, a := eapPair(t)
	c.Resumption, a.Resumption = true, true
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	p.comesBack(c, "IKE_SA_INIT"+strings.Repeat(" IKE_AUTH", 4))
	if n := len(p.i.e.tickets.kept) + len(p.r.e.tickets.issued); n != 0 {
		t.Errorf("there are %d tickets", n)
	}
}

// unable wants c to fail in full, without a look at tickets.
func (p *pair) unable(c PeerConfig) { p.unableIn(c, "IKE_SA_INIT") }

func (p *pair) unableIn(c PeerConfig, want string) {
	p.t.Helper()
	from := len(p.tap)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		p.t.Fatal(err)
	}
	p.advance(20 * time.Second)
	if got := p.askedFor(from); got != want || count[SessionFailed](p.i) != 1 {
		p.t.Errorf("exchanges %s; %s", got, dump(p.i.events))
	}
}

// TestNotReadmitted: who would not be let in today is not let in by a ticket, and in
// full neither.
func TestNotReadmitted(t *testing.T) {
	pk := thePKI()
	const tried = wasResumed + " " + inFull
	noKE := func(exchanges string) string { return strings.ReplaceAll(exchanges, " IKE_INTERMEDIATE", "") }
	tests := map[string]struct {
		certs bool
		do    func(t *testing.T, c *PeerConfig, a *AcceptConfig)
		want  string
	}{
		"its id is not admitted": {false, func(_ *testing.T, _ *PeerConfig, a *AcceptConfig) { a.IDs = []string{"bob.example"} }, refusedOne},
		"it is not known": {false, func(_ *testing.T, _ *PeerConfig, a *AcceptConfig) {
			a.PSK = func(ID) ([]byte, bool) { return nil, false }
		}, tried},
		"its key is another one": {false, func(_ *testing.T, _ *PeerConfig, a *AcceptConfig) {
			a.PSK = func(ID) ([]byte, bool) { return []byte("other"), true }
		}, tried},
		"a certificate is wanted": {false, func(t *testing.T, _ *PeerConfig, a *AcceptConfig) {
			a.Trust = store(t, trust.Options{}, pk.root)
		}, refusedOne},
		"a PPK is wanted": {false, func(_ *testing.T, _ *PeerConfig, a *AcceptConfig) {
			a.PPKRequired = true
		}, refusedOne},
		"its certificate was revoked": {true, func(t *testing.T, c *PeerConfig, a *AcceptConfig) {
			list := must(pk.root.CRL(pki.CRL{Revoked: []*big.Int{c.Cert.Leaf().SerialNumber}, From: start.Add(-time.Hour), To: start.Add(time.Hour)}))
			a.Trust = store(t, trust.Options{CRLs: []*x509.RevocationList{must(trust.ParseCRL(list))}}, pk.root)
		}, noKE(tried)},
		"its authority is not trusted": {true, func(t *testing.T, _ *PeerConfig, a *AcceptConfig) {
			a.Trust = store(t, trust.Options{}, pk.other)
		}, noKE(tried)},
		"its certificate is not enough": {true, func(t *testing.T, c *PeerConfig, a *AcceptConfig) {
			a.Trust, a.Cert = nil, nil
			a.PSK = func(ID) ([]byte, bool) { return []byte("other"), true }
		}, noKE(refusedOne)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			if tt.certs {
				c, a = certPair(t, "ecdsa-p256", "ecdsa-p256")
				c.Cert = credential(t, issue(pk.root, "ecdsa-p256", "alice.example"))
				c.Resumption, a.Resumption = true, true
			}
			p := newPair(t, a)
			p.establish(c)
			p.interrupt()
			tt.do(t, &c, &p.r.e.opt.Accept[0])
			from := len(p.tap)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(time.Second)
			f, failed := last[SessionFailed](p.i)
			if got := p.askedFor(from); got != tt.want || !failed || f.PeerReason != "AUTHENTICATION_FAILED" {
				t.Errorf("exchanges %s, want %s; %s", got, tt.want, dump(p.i.events))
			}
			if n := len(p.r.e.tickets.issued) + len(p.i.e.tickets.kept); tt.want != refusedOne && tt.want != noKE(refusedOne) && n != 0 {
				t.Errorf("%d tickets are left", n)
			}
		})
	}
}

// TestResumeWithCertificates: neither is sent a second time, both are held to what
// is trusted then, and the session ends with them.
func TestResumeWithCertificates(t *testing.T) {
	pk := thePKI()
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	c.Resumption, a.Resumption = true, true
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	want := strings.ReplaceAll(wasResumed, " IKE_INTERMEDIATE", "")
	from := len(p.tap)
	p.comesBack(c, want)
	for _, f := range p.tap[from:] {
		if len(f.d.Data) > 600 {
			t.Errorf("%d octets in %v: a certificate?", len(f.d.Data), f.kind())
		}
	}
	if got, want := p.r.e.order[0].reauth.ends, start.AddDate(1, 0, 0); !got.Equal(want) {
		t.Errorf("the certificates of the resumed session end at %v, want %v", got, want)
	}
	p.interrupt()
	c.Trust = store(t, trust.Options{}, pk.root, pk.other) // another store, the same trust
	p.comesBack(c, want)
	p.interrupt()
	c.Trust = store(t, trust.Options{}, pk.other)
	p.unableIn(c, "IKE_SA_INIT IKE_AUTH INFORMATIONAL")
}

// TestTicketIsUsedOnce: a second try with a ticket is refused, whoever presents it.
func TestTicketIsUsedOnce(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	from := len(p.tap)
	p.comesBack(c, wasResumed)
	p.advance(time.Minute)
	request := p.tap[from]
	if request.kind() != message.IKESessionResume {
		t.Fatalf("%v is not IKE_SESSION_RESUME", request.kind())
	}
	before := p.r.state()
	from = len(p.tap)
	request.d.Data[7] ^= 1 // another SPI: no repetition of the first
	p.hand(request)
	p.flush()
	if p.r.state() != before || len(p.tap) != from+1 || p.tap[from].nack(t) == false {
		t.Errorf("state %s, and %s before; %d answers", p.r.state(), before, len(p.tap)-from)
	}
}

// nack reports whether a message is a TICKET_NACK in the clear.
func (f flight) nack(t *testing.T) bool {
	m, err := message.Parse(f.d.Data)
	if err != nil {
		t.Fatal(err)
	}
	return m.Exchange == message.IKESessionResume && m.SPIr == 0 && len(m.Payloads) == 1 && message.GetNotify(m.Payloads, message.TicketNACK) != nil
}

// TestResumeRace: two half-open IKE SAs by one ticket, as after a replay from another
// address. The first that proves itself gets the session.
func TestResumeRace(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	replayed := p.wire[0]
	replayed.d.Path.Local = netip.MustParseAddrPort("203.0.113.66:500")
	p.hand(replayed)
	p.r.take()
	if p.r.e.halfOpen != 1 {
		t.Fatalf("%d half-open", p.r.e.halfOpen)
	}
	p.settle()
	if up, _ := last[SessionUp](p.i); !up.Resumed {
		t.Errorf("not resumed: %s", dump(p.i.events))
	}
	p.advance(30 * time.Second)
	if len(p.r.e.order) != 1 || p.r.e.halfOpen != 0 {
		t.Errorf("%d sessions, %d half-open", len(p.r.e.order), p.r.e.halfOpen)
	}
	p.agree()
}

// TestResumeSilence: a peer that does not answer IKE_SESSION_RESUME is asked in full
// soon, and the ticket is kept until a session is up.
func TestResumeSilence(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	p.drop = func(flight) bool { return true }
	id, _ := p.i.e.Initiate(c, p.now)
	p.advance(1400 * time.Millisecond)
	if got := p.i.theSession(); got.ID != id {
		t.Fatalf("%+v", got)
	}
	p.advance(time.Minute)
	if f, ok := last[SessionFailed](p.i); !ok || f.ID != id || f.Stage != StageInit || len(p.i.e.tickets.kept) != 1 {
		t.Fatalf("%+v, %d tickets", f, len(p.i.e.tickets.kept))
	}
	p.drop = nil
	p.comesBack(c, wasResumed)

	p.interrupt()
	p.drop = func(f flight) bool { return f.kind() == message.IKESessionResume }
	began := p.now
	from := len(p.tap)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(1600 * time.Millisecond)
	if got := p.askedFor(from); got != refusedOne || len(p.i.out) != 1 {
		t.Errorf("exchanges %s after %v", got, p.now.Sub(began))
	}
	if len(p.i.e.tickets.kept) != 0 || p.i.e.order[0].resumption.spare != nil {
		t.Error("the ticket of before is still there")
	}
}

// TestResumeForged: forged answers to IKE_SESSION_RESUME cost no more than an
// exchange in full, or nothing.
func TestResumeForged(t *testing.T) {
	tests := map[string]struct {
		spiR message.SPI
		ps   []message.Payload
		want string
	}{
		"TICKET_NACK":        {0, []message.Payload{&message.Notify{Kind: message.TicketNACK}}, refusedOne},
		"another error":      {0, []message.Payload{&message.Notify{Kind: message.InvalidSyntax}}, refusedOne},
		"an answer":          {5, []message.Payload{&message.Nonce{Data: make([]byte, 32)}}, wasResumed},
		"a short nonce":      {5, []message.Payload{&message.Nonce{Data: make([]byte, 15)}}, wasResumed},
		"two nonces":         {5, []message.Payload{&message.Nonce{Data: make([]byte, 32)}, &message.Nonce{Data: make([]byte, 32)}}, wasResumed},
		"nothing":            {5, nil, wasResumed},
		"no SPI":             {0, []message.Payload{&message.Nonce{Data: make([]byte, 32)}}, wasResumed},
		"INVALID_KE_PAYLOAD": {0, []message.Payload{invalidKE(message.DHECP384)}, refusedOne},
		"a cookie":           {0, []message.Payload{&message.Notify{Kind: message.Cookie, Data: []byte("x")}}, wasResumed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			p := newPair(t, a)
			p.establish(c)
			p.interrupt()
			from := len(p.tap)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.flush()
			m := message.Message{Header: message.Header{SPIi: p.i.e.order[0].cur.spiI, SPIr: tt.spiR, Exchange: message.IKESessionResume, Flags: message.FlagResponse}, Payloads: tt.ps}
			data, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			p.i.e.Receive(Datagram{Path: Path{Local: addrI, Remote: addrR}, Data: data}, p.now)
			p.advance(10 * time.Second)
			var kinds []string
			for _, k := range strings.Fields(p.askedFor(from)) {
				if !slices.Contains(kinds, k) {
					kinds = append(kinds, k)
				}
			}
			if got := strings.Join(kinds, " "); got != tt.want || len(p.i.out) != 1 {
				t.Errorf("exchanges %s, want %s; %s", got, tt.want, dump(p.i.events))
			}
			p.agree()
		})
	}
}

// TestResumeCookies: IKE_SESSION_RESUME meets the same cookies and limits as
// IKE_SA_INIT.
func TestResumeCookies(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a, func(_, r *Options) { r.CookieThreshold, r.MaxHalfOpen, r.InitRate = -1, 16, 4 })
	p.establish(c)
	p.interrupt()
	from := len(p.tap)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	request := p.wire[0]
	p.settle()
	if got := p.askedFor(from); got != "IKE_SESSION_RESUME "+wasResumed || len(p.i.out) != 1 {
		t.Errorf("exchanges %s", got)
	}
	if n := p.r.e.refused[RefusedCookie]; n != 2 {
		t.Errorf("%d requests met a cookie, want both", n)
	}

	p.r.e.opt.CookieThreshold = 1000
	refused := func(n int, change func(i int, f *flight)) (of [numRefused]uint64) {
		p.now = p.now.Add(2 * time.Second)
		before := p.r.e.refused
		for i := range n {
			f := request
			f.d.Data = slices.Clone(f.d.Data)
			change(i, &f)
			p.hand(f)
		}
		p.r.take()
		for i, n := range p.r.e.refused {
			of[i] = n - before[i]
		}
		return of
	}
	if got := refused(10, func(i int, f *flight) { f.d.Data[7] = byte(i) }); got[RefusedTicket] != 4 || got[RefusedSourceRate] != 6 {
		t.Errorf("of ten from one source %v were refused", got)
	}
	p.interrupt()
	request.d.Data = p.presented(c)
	got := refused(20, func(i int, f *flight) {
		f.d.Data[7] = byte(i)
		f.d.Path.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 500)
	})
	if got[RefusedHalfOpen] != 4 || p.r.e.halfOpen != 16 {
		t.Errorf("of twenty from as many sources %v were refused, %d are half-open", got, p.r.e.halfOpen)
	}
	p.advance(30 * time.Second)
	if p.r.e.halfOpen != 0 {
		t.Errorf("%d are half-open", p.r.e.halfOpen)
	}
}

// presented is an IKE_SESSION_RESUME request of c that is on its way.
func (p *pair) presented(c PeerConfig) []byte {
	p.t.Helper()
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		p.t.Fatal(err)
	}
	p.flush()
	f := p.wire[len(p.wire)-1]
	p.wire = nil
	if f.kind() != message.IKESessionResume {
		p.t.Fatalf("%v is not IKE_SESSION_RESUME", f.kind())
	}
	return f.d.Data
}
