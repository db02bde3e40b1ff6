package ike

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/ike/message"
	"warren/ike/trust"
)

const eapUser, eapPassword = "alice@corp.example", "Schlüssel of Alice"

// eapPair is a client that proves itself by EAP-MSCHAPv2 to a gateway with a
// certificate.
func eapPair(t rapid.TB) (PeerConfig, AcceptConfig) {
	pk := thePKI()
	c, a := peerConfig(t), acceptConfig(t)
	c.PSK, a.PSK = nil, nil
	c.EAP, c.Trust = eap.PasswordAccount(eapUser, []byte(eapPassword)), store(t, trust.Options{}, pk.root)
	a.Cert, a.IDs = credential(t, issue(pk.root, "ecdsa-p256", "sg1.example")), []string{"*@corp.example", "bob", "alice.example"}
	a.Users = func(user string) ([]byte, bool) {
		p, ok := map[string]string{eapUser: eapPassword, "bob": "of Bob", "carol@other.example": "of Carol"}[user]
		return []byte(p), ok
	}
	return c, a
}

// auths counts the IKE_AUTH requests and responses, each once.
func (p *pair) auths() (requests, responses int) {
	is := func(response bool) func(f flight) bool {
		return func(f flight) bool { return f.kind() == message.IKEAuth && f.isResponse() == response }
	}
	responses = len(slices.DeleteFunc(slices.Clone(p.tap), func(f flight) bool { return !is(true)(f) }))
	return p.asked(p.i, is(false)), responses
}

// TestEAP establishes, with the user as the identity whatever IDi says, and lives on.
func TestEAP(t *testing.T) {
	for name, tt := range map[string]struct {
		idi    string
		rounds int
		change func(c *PeerConfig, a *AcceptConfig)
	}{
		"a name":            {"alice.example", 4, nil},
		"the user itself":   {eapUser, 4, nil},
		"name of no user":   {"carol.example", 5, nil}, // asked for its identity
		"an address":        {"192.0.2.100", 5, nil},
		"an opaque id":      {"keyid:phone", 5, nil},
		"responder by psk":  {"alice.example", 4, func(c *PeerConfig, a *AcceptConfig) { withGroupSecret(c, a) }},
		"with a PPK":        {"alice.example", 4, func(c *PeerConfig, a *AcceptConfig) { withPPK(c, a, true, true) }},
		"with a PPK, maybe": {"alice.example", 4, func(c *PeerConfig, a *AcceptConfig) { withPPK(c, a, false, true) }},
		"PPK not known":     {"alice.example", 4, func(c *PeerConfig, a *AcceptConfig) { withPPK(c, a, false, false) }},
		"hybrid": {"alice.example", 4, func(c *PeerConfig, a *AcceptConfig) {
			c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_mlkem768")
			a.IKE = c.IKE
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := eapPair(t)
			c.LocalID = mustID(t, tt.idi)
			if tt.change != nil {
				tt.change(&c, &a)
			}
			p := newPair(t, a)
			id := p.establish(c)
			if got := p.r.theSession(); got.Remote != mustID(t, eapUser) || got.Local != c.RemoteID || got.Name != "road" {
				t.Errorf("the responder's session is %+v", got)
			}
			i, r := p.i.theSession(), p.r.theSession()
			if i.OwnProof != "EAP-MSCHAPv2" || r.PeerProof != i.OwnProof || r.OwnProof == r.PeerProof || i.PeerProof != r.OwnProof {
				t.Errorf("proven by %q to %q, and by %q to %q", i.OwnProof, r.PeerProof, r.OwnProof, i.PeerProof)
			}
			if requests, responses := p.auths(); requests != tt.rounds || responses != tt.rounds {
				t.Errorf("%d requests and %d responses, want %d", requests, responses, tt.rounds)
			}
			if got := p.i.theSession().PPK; got != strings.HasPrefix(name, "with a PPK") || p.r.theSession().PPK != got {
				t.Errorf("the PPK is used: %v", got)
			}
			if s := p.i.e.sessions[id]; s.eapPeer != nil || p.r.e.order[0].eapServer != nil {
				t.Error("EAP is not over")
			}
			p.rekeyIKE(p.i)
			p.settle()
			p.rekeyChild(p.r)
			p.settle()
			p.steady()
			p.close()
		})
	}
}

func withGroupSecret(c *PeerConfig, a *AcceptConfig) {
	c.Trust, a.Cert = nil, nil
	c.PSK, a.PSK = []byte("of the group, long and random"), func(ID) ([]byte, bool) { return []byte("of the group, long and random"), true }
}

func withPPK(c *PeerConfig, a *AcceptConfig, required, known bool) {
	secret := bytes.Repeat([]byte{7}, 32)
	c.PPK = PPK{ID: "ppk", Secret: slices.Clone(secret), Required: required}
	a.PPK = func(id string) ([]byte, bool) { return secret, known }
}

// TestEAPLoses loses, doubles and delays each of the messages.
func TestEAPLoses(t *testing.T) {
	for f := lost; f <= replayed; f++ {
		for n := 0; ; n++ {
			c, a := eapPair(t)
			p := newPair(t, a)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			s := script{faults: []fault{{n, f}}}
			s.play(p)
			if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
				t.Fatalf("message %d %v: %s %s", n, f, dump(p.i.events), dump(p.r.events))
			}
			p.drop = nil
			p.agree()
			p.close()
			if s.sent <= n {
				break
			}
		}
	}
}

// TestEAPInFragments: each round goes in fragments where the path is small.
func TestEAPInFragments(t *testing.T) {
	c, a := eapPair(t)
	long, _ := longAuth(t)
	c.RemoteTS = long.RemoteTS
	p := newPair(t, a, small(300))
	p.establish(c)
	seen := map[bool]bool{}
	for _, f := range p.tap {
		if f.fragment() != nil {
			seen[f.isResponse()] = true
		}
		if n := len(f.d.Data) + 32; f.kind() != message.IKESAInit && n > 300 {
			t.Errorf("%#v is a packet of %d octets", f, n)
		}
	}
	if !seen[true] || !seen[false] {
		t.Errorf("fragments: %v", seen)
	}
	p.close()
}

// TestEAPThroughNAT: the responder follows an initiator whose port changes between
// two rounds, and both ends move by MOBIKE afterwards.
func TestEAPThroughNAT(t *testing.T) {
	c, a := eapPair(t)
	c.Encap, c.MOBIKE, a.MOBIKE = EncapUDP, true, true
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	for range 4 {
		p.deliver(0)
	}
	s := p.r.e.order[0]
	if s.eapServer == nil || s.path.Remote.Port() != 4500 {
		t.Fatalf("the responder is at %+v", s.path)
	}
	moved := netip.MustParseAddrPort("192.0.2.100:4777")
	for len(p.wire) > 0 {
		f := p.wire[0]
		p.wire = p.wire[1:]
		if f.from == p.i {
			f.d.Path.Local = moved
		} else {
			f.d.Path.Remote = netip.MustParseAddrPort("192.0.2.100:4500")
		}
		p.hand(f)
		p.flush()
	}
	up, _ := last[ChildUp](p.r)
	if count[SessionUp](p.i) != 1 || up.Child.Path.Remote != moved || !p.r.theSession().MOBIKE || !p.i.theSession().MOBIKE {
		t.Errorf("%+v; %s %s", up.Child.Path, dump(p.i.events), dump(p.r.events))
	}
}

// TestEAPRefused: who is not let in hears why it may be, but not whether the user is
// there. Nothing is left.
func TestEAPRefused(t *testing.T) {
	const either = "the user name or the password is wrong"
	for name, tt := range map[string]struct {
		change    func(c *PeerConfig, a *AcceptConfig)
		initiator string
		responder string
	}{
		"wrong password": {func(c *PeerConfig, _ *AcceptConfig) { c.EAP = eap.PasswordAccount(eapUser, []byte("guess")) }, either, "user alice@corp.example: " + either},
		"no such user": {func(c *PeerConfig, _ *AcceptConfig) {
			c.EAP = eap.PasswordAccount("dave@corp.example", []byte("guess"))
		}, either, "user dave@corp.example: " + either},
		"user of another kind": {func(c *PeerConfig, _ *AcceptConfig) {
			c.EAP = eap.PasswordAccount("carol@other.example", []byte("of Carol"))
		}, either, either},
		"terminal codes": {func(c *PeerConfig, _ *AcceptConfig) { c.EAP = eap.PasswordAccount("\x1b[1m\n", nil) }, either, "user ?[1m?: " + either},
		"psk instead": {func(c *PeerConfig, _ *AcceptConfig) { c.EAP, c.PSK = nil, []byte("correct horse") },
			"knows another pre-shared key, or not this id", "nothing is accepted at 192.0.2.1"},
		"eap to who has none": {func(_ *PeerConfig, a *AcceptConfig) {
			a.Users, a.PSK, a.IDs = nil, func(ID) ([]byte, bool) { return []byte("correct horse"), true }, []string{"*"}
		}, "it does not let this id in by EAP", "AUTH is missing, and nobody may come in by EAP at 192.0.2.1"},
		"another gateway": {func(c *PeerConfig, _ *AcceptConfig) { c.RemoteID = mustID(t, "sg2.example") }, "by EAP", "asks for sg2.example, and we are sg1.example"},
		"other suites": {func(c *PeerConfig, a *AcceptConfig) {
			a.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}, "", ""},
		"no gateway secret": {func(c *PeerConfig, a *AcceptConfig) {
			withGroupSecret(c, a)
			a.PSK = func(ID) ([]byte, bool) { return nil, false }
		}, "by EAP", "no pre-shared key for alice.example"},
		"other gateway secret": {func(c *PeerConfig, a *AcceptConfig) { withGroupSecret(c, a); c.PSK = []byte("another") }, "sg1.example is not proven: the pre-shared keys differ", "gives up"},
		"other method": {func(c *PeerConfig, _ *AcceptConfig) {
			c.EAP = eap.CertificateAccount("alice", credential(t, issue(thePKI().root, "ecdsa-p256", "alice.example")), c.Trust, mustID(t, "sg1.example").payload(true))
		}, "EAP: the server ends EAP with a Failure (it asked for EAP-MSCHAPv2 first, this node has EAP-TLS)", "it wants EAP-TLS, and EAP-MSCHAPv2 is all there is"},
		"PPK required": {func(_ *PeerConfig, a *AcceptConfig) { withPPK(&PeerConfig{}, a, true, true); a.PPKRequired = true }, "after EAP", "it does not use a PPK"},
		"another PPK":  {func(c *PeerConfig, a *AcceptConfig) { withPPK(c, a, true, true); c.PPK.Secret[0]++ }, "AUTHENTICATION_FAILED", "it has not got the key of this EAP"},
		"PPK not used": {func(c *PeerConfig, a *AcceptConfig) { withPPK(c, a, true, false) }, "AUTHENTICATION_FAILED", "its PPK is not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := eapPair(t)
			tt.change(&c, &a)
			p := newPair(t, a)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			p.advance(3 * time.Second)
			if tt.initiator == "" {
				p.empty()
				return // refused before
			}
			for n, want := range map[*end]string{p.i: tt.initiator, p.r: tt.responder} {
				f, ok := last[SessionFailed](n)
				if !ok || !strings.Contains(f.Err.Error(), want) || count[SessionFailed](n) != 1 || count[SessionUp](n)+count[SessionDown](n) != 0 {
					t.Errorf("%s: want %q: %s", n.name, want, dump(n.events))
				}
			}
			p.empty()
		})
	}
}

// TestEAPChoosesConfig: of several configurations the one that knows the user is
// taken, for its pool and all.
func TestEAPChoosesConfig(t *testing.T) {
	c, staff := eapPair(t)
	_, guests := eapPair(t)
	guests.Name, guests.IDs, guests.Pool = "guests", []string{"*"}, mustPool(t, "10.99.2.0/24")
	_, other := eapPair(t)
	other.Name, other.LocalID, other.IDs = "other", mustID(t, "sg2.example"), []string{"*"}
	p := newPair(t, staff, func(_, r *Options) { r.Accept = []AcceptConfig{staff, other, guests} })
	for user, want := range map[string]string{"bob": "road", "carol@other.example": "guests"} {
		c.EAP = eap.PasswordAccount(user, []byte(map[string]string{"bob": "of Bob", "carol@other.example": "of Carol"}[user]))
		id, err := p.i.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		up, _ := last[SessionUp](p.r)
		if up.Name != want || up.Remote != mustID(t, user) || !p.i.up[id] {
			t.Errorf("%s came in as %+v: %s", user, up, dump(p.r.events))
		}
	}
}

// TestEAPGuesses: wrong passwords are answered late, and no more than so many of one
// source are looked at.
func TestEAPGuesses(t *testing.T) {
	c, a := eapPair(t)
	c.EAP = eap.PasswordAccount(eapUser, []byte("guess"))
	p := newPair(t, a)
	for range maxGuesses {
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
	}
	p.settle()
	if count[SessionFailed](p.i) != 0 || p.r.e.halfOpen != maxGuesses {
		t.Fatalf("%d failed at once, %d half-open", count[SessionFailed](p.i), p.r.e.halfOpen)
	}
	c.EAP = eap.PasswordAccount(eapUser, []byte(eapPassword))
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(1900 * time.Millisecond)
	if count[SessionFailed](p.i) != 0 {
		t.Error("answered early")
	}
	p.advance(200 * time.Millisecond)
	if n := count[SessionFailed](p.i); n != maxGuesses+1 {
		t.Errorf("%d failed, want all", n)
	}
	if p.r.e.halfOpen != maxGuesses+1 {
		t.Errorf("%d are counted as half-open, want %d for a while", p.r.e.halfOpen, maxGuesses+1)
	}
	p.establish(c) // a second later it is looked at again
	p.advance(6 * time.Second)
	if p.r.e.halfOpen != 0 {
		t.Errorf("%d are half-open", p.r.e.halfOpen)
	}
	p.close()
}

// TestEAPTimes: a responder gives half-open sessions no more than twice their time,
// and an initiator gives up one that hangs.
func TestEAPTimes(t *testing.T) {
	for n := range 6 {
		c, a := eapPair(t)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		for range 3 + n {
			p.deliver(0)
		}
		p.wire, p.drop = nil, func(flight) bool { return true }
		p.advance(41 * time.Second)
		if f, ok := last[SessionFailed](p.i); !ok || !strings.Contains(f.Err.Error(), "no answer") || f.Stage != StageAuth {
			t.Errorf("after %d messages: %s", 3+n, dump(p.i.events))
		}
		p.i.quiet, p.r.quiet = true, true
		p.empty()
	}
}

// TestEAPAbandoned: whoever ends a session in the midst of EAP leaves nothing, and the
// other end hears of it.
func TestEAPAbandoned(t *testing.T) {
	for n := range 5 {
		for _, abort := range []bool{true, false} {
			c, a := eapPair(t)
			p := newPair(t, a)
			id, err := p.i.e.Initiate(c, p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.flush()
			for range 4 + n {
				p.deliver(0)
			}
			if abort {
				p.i.e.Abort(id)
				p.r.e.Abort(p.r.theSession().ID)
			} else if err := p.i.e.Delete(id, p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if !abort && (count[SessionDown](p.i) != 1 || len(p.r.e.Sessions()) != 0 || count[SessionFailed](p.r)+count[SessionDown](p.r) != 1) {
				t.Errorf("after %d messages: %s, %s", 4+n, dump(p.i.events), dump(p.r.events))
			}
			p.empty()
		}
	}
}

// TestEAPSecrets: no password and no key of EAP shows, and none is left.
func TestEAPSecrets(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, guess := range []string{eapPassword, "incorrect"} {
		c, a := eapPair(t)
		c.EAP = eap.PasswordAccount(eapUser, []byte(guess))
		p := newPair(t, a, func(i, r *Options) { i.Log, r.Log = logger, logger })
		id, err := p.i.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		var msk crypt.Secret
		var auth *credentials
		for p.flush(); len(p.wire) > 0; p.deliver(0) {
			if s := p.r.e.order; len(s) > 0 && s[0].eapServer != nil && len(s[0].eapServer.MSK()) > 0 {
				msk = s[0].eapServer.MSK()
			}
			if s := p.i.e.sessions[id]; s != nil {
				auth = s.auth
			}
		}
		p.advance(3 * time.Second)
		if good := guess == eapPassword; good != (msk != nil) || good != (auth.by != 0) {
			t.Fatalf("%q: %v", guess, auth.by)
		}
		if !bytes.Equal(msk, make([]byte, len(msk))) || !bytes.Equal(auth.psk, make([]byte, len(auth.psk))) {
			t.Error("a key is left")
		}
		for _, n := range []*end{p.i, p.r} {
			said := log.String() + fmt.Sprintf("%+v", n.e.Sessions())
			for _, ev := range n.events {
				said += fmt.Sprintf("%+v", ev)
			}
			if strings.Contains(said, guess) || strings.Contains(said, eapPassword) {
				t.Errorf("a password shows in %s", said)
			}
		}
	}
	if !strings.Contains(log.String(), eapUser) {
		t.Error("nothing was logged")
	}
}

// TestEAPConfigs are those that cannot work.
func TestEAPConfigs(t *testing.T) {
	c, a := eapPair(t)
	both, _ := certPair(t, "ecdsa-p256", "ecdsa-p256")
	both.EAP = c.EAP
	bare := c
	bare.Trust = nil
	e := newPair(t, a).i.e
	for want, c := range map[string]PeerConfig{"both a certificate and an account for EAP": both, "pre-shared key is missing": bare} {
		if _, err := e.Initiate(c, start); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	certs := a
	certs.Trust = both.Trust
	lone := a
	lone.Cert = nil
	spis := &spiTable{taken: nil, err: errors.New("none")}
	for want, a := range map[string]AcceptConfig{"both certificates and EAP": certs, "pre-shared keys are missing": lone} {
		_, err := New(Options{AllocSPI: spis.alloc, FreeSPI: spis.free, Accept: []AcceptConfig{a}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
