package ike

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/message"
	"warren/policy"
)

// A session that fails names the peer, the stage and the reason, and leaves
// nothing behind.
func TestFailures(t *testing.T) {
	other := netip.MustParsePrefix("203.0.113.0/24")
	tests := map[string]struct {
		accept  func(a *AcceptConfig)
		peer    func(c *PeerConfig)
		drop    func(f flight) bool
		stage   string
		want    string
		notify  string
		within  time.Duration
		answers bool // the responder tells why, too
	}{
		"gateway silent": {
			drop:  func(f flight) bool { return f.from.name == "responder" },
			stage: StageInit, within: 16 * time.Second,
			want: "ike: sg1: IKE_SA_INIT: no answer from 192.0.2.1:500 after 5 tries in 15.5s",
		},
		"gateway killed between INIT and AUTH": {
			drop:  func(f flight) bool { return f.kind() == message.IKEAuth },
			stage: StageAuth, within: 16 * time.Second,
			want: "ike: sg1: IKE_AUTH: no answer from 192.0.2.1:4500 after 5 tries in 15.5s",
		},
		"wrong PSK": {
			peer:  func(c *PeerConfig) { c.PSK = []byte("incorrect horse") },
			stage: StageAuth, notify: "AUTHENTICATION_FAILED",
			want: "ike: sg1: IKE_AUTH: AUTHENTICATION_FAILED: sg1.example refuses alice.example: it knows another pre-shared key, or not this id",
		},
		"id not accepted": {
			peer:  func(c *PeerConfig) { c.LocalID = ID{message.IDFQDN, "mallory.test"} },
			stage: StageAuth, notify: "AUTHENTICATION_FAILED",
			want: "ike: sg1: IKE_AUTH: AUTHENTICATION_FAILED: sg1.example refuses mallory.test: it knows another pre-shared key, or not this id",
		},
		"no secret for the id": {
			accept: func(a *AcceptConfig) { a.PSK = func(ID) ([]byte, bool) { return nil, false } },
			stage:  StageAuth, notify: "AUTHENTICATION_FAILED",
			want: "ike: sg1: IKE_AUTH: AUTHENTICATION_FAILED: sg1.example refuses alice.example: it knows another pre-shared key, or not this id",
		},
		"no common IKE proposal": {
			accept: func(a *AcceptConfig) { a.IKE = ikeProposals(t, "aes256gcm16-prfsha384-ecp384") },
			stage:  StageInit, notify: "NO_PROPOSAL_CHOSEN", within: 1200 * time.Millisecond,
			want: "ike: sg1: IKE_SA_INIT: NO_PROPOSAL_CHOSEN: 192.0.2.1:500 accepts none of the proposals aes128gcm16-prfsha256-x25519",
		},
		"no common ESP proposal": {
			accept: func(a *AcceptConfig) { a.ESP = espProposals(t, "chacha20poly1305") },
			stage:  StageAuth, notify: "NO_PROPOSAL_CHOSEN",
			want: "ike: sg1: IKE_AUTH: NO_PROPOSAL_CHOSEN: the peer accepts none of the ESP proposals aes128gcm16-esn",
		},
		"selectors refused": {
			accept: func(a *AcceptConfig) { a.Local = []policy.Selector{policy.PrefixSelector(other)} },
			peer: func(c *PeerConfig) {
				c.RemoteTS = []policy.Selector{policy.AddrSelector(netip.MustParseAddr("198.51.100.1"))}
			},
			stage: StageAuth, notify: "TS_UNACCEPTABLE",
			want: "ike: sg1: IKE_AUTH: TS_UNACCEPTABLE: the peer refuses the selectors local 0.0.0.0/0, remote 198.51.100.1",
		},
		"pool empty": {
			accept: func(a *AcceptConfig) {
				a.Pool = mustPool(t, "10.99.1.7/32")
				if _, err := a.Pool.Acquire(Holder{ID: mustID(t, "bob.example")}, netip.Addr{}, false); err != nil {
					t.Fatal(err)
				}
			},
			stage: StageAuth, notify: "INTERNAL_ADDRESS_FAILURE",
			want: "ike: sg1: IKE_AUTH: INTERNAL_ADDRESS_FAILURE: the peer has no virtual address for us",
		},
		"no pool": {
			accept: func(a *AcceptConfig) { a.Pool = nil },
			stage:  StageAuth, notify: "INTERNAL_ADDRESS_FAILURE",
			want: "ike: sg1: IKE_AUTH: INTERNAL_ADDRESS_FAILURE: the peer has no virtual address for us",
		},
		"gateway is somebody else": {
			accept: func(a *AcceptConfig) { a.LocalID = ID{message.IDFQDN, "sg2.example"} },
			peer:   func(c *PeerConfig) {},
			stage:  StageAuth, notify: "AUTHENTICATION_FAILED",
			want: "ike: sg1: IKE_AUTH: AUTHENTICATION_FAILED: sg1.example refuses alice.example: it knows another pre-shared key, or not this id",
		},
		"transport mode refused": {
			accept: func(a *AcceptConfig) { a.Modes = []esp.Mode{esp.Tunnel} },
			peer:   func(c *PeerConfig) { c.Mode, c.VirtualIP4 = esp.Transport, false },
			stage:  StageAuth,
			want:   "ike: sg1: IKE_AUTH: the peer does not agree to transport mode",
		},
		"tunnel mode refused": {
			accept: func(a *AcceptConfig) { a.Modes = []esp.Mode{esp.Transport} },
			stage:  StageAuth, notify: "NO_PROPOSAL_CHOSEN",
			want: "ike: sg1: IKE_AUTH: NO_PROPOSAL_CHOSEN: the peer accepts none of the ESP proposals aes128gcm16-esn",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, c := acceptConfig(t), peerConfig(t)
			if tt.accept != nil {
				tt.accept(&a)
			}
			if tt.peer != nil {
				tt.peer(&c)
			}
			p := newPair(t, a)
			p.i.quiet, p.r.quiet = true, true
			p.drop = tt.drop
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(tt.within)
			f, ok := last[SessionFailed](p.i)
			if !ok {
				t.Fatalf("no failure within %v; initiator %s responder %s", tt.within, dump(p.i.events), dump(p.r.events))
			}
			var e *Error
			if !errors.As(f.Err, &e) || f.Err.Error() != tt.want || f.Stage != tt.stage || f.PeerReason != tt.notify {
				t.Errorf("got  %v (stage %s, peer said %q)\nwant %s (stage %s, peer said %q)", f.Err, f.Stage, f.PeerReason, tt.want, tt.stage, tt.notify)
			}
			if n := count[SessionFailed](p.i); n != 1 || count[SessionDown](p.i) != 0 || count[SessionUp](p.i) != 0 {
				t.Errorf("%s", dump(p.i.events))
			}
			p.empty()
			if a.Pool != nil && name != "pool empty" && len(a.Pool.Leases()) != 0 {
				t.Errorf("leases left: %v", a.Pool.Leases())
			}
		})
	}
}

// The initiator finds out that the gateway does not know the key, or is not
// who it should be, and tells it.
func TestResponderNotProven(t *testing.T) {
	tests := map[string]struct {
		tamper func(s *session)
		want   string
	}{
		"wrong key": {func(s *session) { s.auth = &credentials{psk: []byte("changed meanwhile")} }, "ike: sg1: IKE_AUTH: sg1.example is not proven: the pre-shared keys differ"},
		"wrong id":  {func(s *session) { s.remoteID = ID{message.IDFQDN, "sg9.example"} }, "ike: sg1: IKE_AUTH: the peer calls itself sg1.example, its id must be sg9.example"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			id, err := p.i.e.Initiate(peerConfig(t), p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.flush()
			p.deliver(0)
			p.deliver(0)
			p.deliver(0) // the gateway has accepted
			tt.tamper(p.i.e.sessions[id])
			p.settle()
			f, ok := last[SessionFailed](p.i)
			if !ok || f.Err.Error() != tt.want {
				t.Fatalf("%s, want %s", dump(p.i.events), tt.want)
			}
			d, ok := last[SessionDown](p.r)
			if !ok || !d.ByPeer || !strings.Contains(d.Reason, "AUTHENTICATION_FAILED") {
				t.Errorf("%s", dump(p.r.events))
			}
			p.empty()
		})
	}
}

// A NAT where none may be.
func TestEncapESP(t *testing.T) {
	c := peerConfig(t)
	c.Encap = EncapESP
	p := newPair(t, acceptConfig(t))
	p.establish(c)
	if up, _ := last[ChildUp](p.i); up.Child.Encap != 0 || up.Child.Path.Remote.Port() != 500 {
		t.Errorf("%+v", up.Child)
	}
	p.close()

	p = newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	f := p.wire[0]
	p.wire = nil
	d := f.d
	d.Path.Local = netip.MustParseAddrPort("198.51.100.9:1024") // translated
	d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
	p.r.e.Receive(d, p.now)
	p.flush()
	p.drop = func(f flight) bool { return f.from == p.i } // repetitions
	p.advance(2 * time.Second)
	ev, ok := last[SessionFailed](p.i)
	if want := "ike: sg1: IKE_SA_INIT: a NAT is in between, and encap is esp: use auto or udp"; !ok || ev.Err.Error() != want {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()
}

func TestAbortIsSilent(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	clear(p.i.in)
	clear(p.i.out)
	before := p.sent
	p.i.e.Abort(id)
	p.settle()
	if p.sent != before || count[SessionDown](p.i) != 0 || len(p.i.spis.taken) != 0 || len(p.i.e.Sessions()) != 0 {
		t.Errorf("%d messages, %s", p.sent-before, dump(p.i.events))
	}
}

func TestDeleteWhileConnecting(t *testing.T) {
	for n := range 4 {
		p := newPair(t, acceptConfig(t))
		id, err := p.i.e.Initiate(peerConfig(t), p.now)
		if err != nil {
			t.Fatal(err)
		}
		p.flush()
		for range n {
			p.deliver(0)
		}
		if err := p.i.e.Delete(id, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		if count[SessionDown](p.i) != 1 {
			t.Errorf("after %d messages: %s", n, dump(p.i.events))
		}
		p.empty()
	}
}

func TestDeleteOfDeadPeer(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	id := p.establish(peerConfig(t))
	p.drop = func(flight) bool { return true }
	if err := p.i.e.Delete(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(2200 * time.Millisecond)
	if d, ok := last[SessionDown](p.i); !ok || d.Reason != "deleted" {
		t.Errorf("%s", dump(p.i.events))
	}
	p.i.empty()
}

// A DELETE behind a request whose answers are all lost is sent all the same, so
// that the peer does not keep the session.
func TestDeleteBehindUnanswered(t *testing.T) {
	for _, name := range []string{"liveness check", "IKE_AUTH"} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			id, err := p.i.e.Initiate(peerConfig(t), p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.flush()
			p.deliver(0)
			p.deliver(0)
			if name == "liveness check" {
				p.settle()
				if err := p.i.e.Liveness(id, p.now); err != nil {
					t.Fatal(err)
				}
				p.flush()
			}
			p.drop = func(f flight) bool { return f.from == p.r }
			if err := p.i.e.Delete(id, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(2200 * time.Millisecond)
			if d, ok := last[SessionDown](p.r); !ok || !d.ByPeer {
				t.Errorf("%s", dump(p.r.events))
			}
			p.empty()
		})
	}
}

func TestLiveness(t *testing.T) {
	c := peerConfig(t)
	c.Liveness = 5 * time.Second
	p := newPair(t, acceptConfig(t))
	id := p.establish(c)
	before := p.sent
	p.advance(time.Minute)
	if n := (p.sent - before) / 2; n < 11 || n > 12 {
		t.Errorf("%d liveness checks in a minute, want one every 5 s", n)
	}
	before = p.sent
	for range 60 {
		p.i.e.InboundSeen(id, p.now)
		p.advance(time.Second)
	}
	if p.sent != before {
		t.Errorf("%d messages although ESP comes in", p.sent-before)
	}
	p.drop = func(flight) bool { return true }
	p.advance(13 * time.Second)
	d, ok := last[SessionDown](p.i)
	if want := "INFORMATIONAL: no answer from 192.0.2.1:4500 after 5 tries in 7.5s"; !ok || d.Reason != want || d.ByPeer {
		t.Errorf("%s", dump(p.i.events))
	}
	p.i.empty()
}

// TestRefusalNamesEntry: what this node refuses names the accept entry that decided.
func TestRefusalNamesEntry(t *testing.T) {
	for name, peer := range map[string]func(c *PeerConfig){
		"another key":      func(c *PeerConfig) { c.PSK = []byte("incorrect horse") },
		"other algorithms": func(c *PeerConfig) { c.ESP = espProposals(t, "chacha20poly1305") },
		"a PPK is missing": func(c *PeerConfig) {},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := acceptConfig(t), peerConfig(t)
			a.Where, a.PPKRequired = "warren.yaml:7:3", name == "a PPK is missing"
			a.PPK = func(string) ([]byte, bool) { return nil, false }
			peer(&c)
			var log strings.Builder
			p := newPair(t, a, func(_, r *Options) { r.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			p.i.quiet, p.r.quiet = true, true
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(time.Second)
			if !strings.Contains(log.String(), "(see accept "+a.Name+" at warren.yaml:7:3)") {
				t.Error(log.String())
			}
		})
	}
}
