package ike

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
)

const (
	ppkID     = "ppk-of-alice"
	ppkSecret = "thirty-two octets for post-quantum security"
)

// ppkPair are the configurations of two ends, where the initiator has a PPK if
// there is an own one, and the responder knows some.
func ppkPair(t *testing.T, own PPK, known map[string]string, required bool) (PeerConfig, AcceptConfig) {
	c, a := peerConfig(t), acceptConfig(t)
	c.PPK = own
	if known != nil {
		a.PPK = func(id string) ([]byte, bool) {
			s, ok := known[id]
			return []byte(s), ok
		}
	}
	a.PPKRequired = required
	return c, a
}

func ppkOf(id, secret string, required bool) PPK {
	return PPK{ID: id, Secret: []byte(secret), Required: required}
}

// TestPPK goes through RFC 8784, Section 3, Table 1, and what the initiator may
// want: with pre-shared keys and with certificates.
func TestPPK(t *testing.T) {
	right, wrong := map[string]string{ppkID: ppkSecret}, map[string]string{ppkID: "another secret of thirty-two octets"}
	others := map[string]string{"ppk-of-bob": ppkSecret}
	for name, tt := range map[string]struct {
		own      PPK
		known    map[string]string
		required bool   // by the responder
		want     string // the initiator's reason, "" for a session with it, "plain" for one without
	}{
		"neither":                             {PPK{}, nil, false, "plain"},
		"responder may":                       {PPK{}, right, false, "plain"},
		"responder must":                      {PPK{}, right, true, "AUTHENTICATION_FAILED"},
		"initiator may":                       {ppkOf(ppkID, ppkSecret, false), nil, false, "plain"},
		"initiator must":                      {ppkOf(ppkID, ppkSecret, true), nil, false, "does not use PPKs"},
		"both may":                            {ppkOf(ppkID, ppkSecret, false), right, false, ""},
		"both must":                           {ppkOf(ppkID, ppkSecret, true), right, true, ""},
		"initiator must, responder may":       {ppkOf(ppkID, ppkSecret, true), right, false, ""},
		"initiator may, responder must":       {ppkOf(ppkID, ppkSecret, false), right, true, ""},
		"unknown, both may":                   {ppkOf(ppkID, ppkSecret, false), others, false, "plain"},
		"unknown, initiator must":             {ppkOf(ppkID, ppkSecret, true), others, false, "AUTHENTICATION_FAILED"},
		"unknown, responder must":             {ppkOf(ppkID, ppkSecret, false), others, true, "AUTHENTICATION_FAILED"},
		"wrong secret, both may":              {ppkOf(ppkID, ppkSecret, false), wrong, false, "AUTHENTICATION_FAILED"},
		"wrong secret, both must":             {ppkOf(ppkID, ppkSecret, true), wrong, true, "AUTHENTICATION_FAILED"},
		"empty secret at the responder":       {ppkOf(ppkID, ppkSecret, false), map[string]string{ppkID: ""}, false, "plain"},
		"identifier of the longer kind":       {ppkOf(strings.Repeat("x", 300), ppkSecret, true), map[string]string{strings.Repeat("x", 300): ppkSecret}, true, ""},
		"identifier that another begins with": {ppkOf(ppkID, ppkSecret, true), map[string]string{ppkID + "2": ppkSecret}, true, "AUTHENTICATION_FAILED"},
	} {
		for _, certs := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", certificates ", certs), func(t *testing.T) {
				c, a := ppkPair(t, tt.own, tt.known, tt.required)
				if certs {
					cc, ac := certPair(t, "ecdsa-p256", "ed25519")
					c.Cert, c.Trust, c.PSK, a.Cert, a.Trust, a.PSK = cc.Cert, cc.Trust, nil, ac.Cert, ac.Trust, nil
				}
				p := newPair(t, a)
				if tt.want == "" || tt.want == "plain" {
					p.establish(c)
					for _, n := range []*end{p.i, p.r} {
						if got := n.theSession().PPK; got != (tt.want == "") {
							t.Errorf("%s: PPK in use: %v", n.name, got)
						}
					}
					p.close()
					return
				}
				if _, err := p.i.e.Initiate(c, p.now); err != nil {
					t.Fatal(err)
				}
				p.advance(5 * time.Second)
				f, ok := last[SessionFailed](p.i)
				if !ok || !strings.Contains(f.Err.Error(), tt.want) || len(p.i.up)+len(p.r.up) > 0 {
					t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
				}
				p.empty()
			})
		}
	}
}

// TestPPKChangesKeys: with the same random numbers, the keys of the first child SA,
// and after a rekey those of the IKE SA, are others with a PPK than without, and
// others again with another PPK.
func TestPPKChangesKeys(t *testing.T) {
	seen := map[string]string{}
	for _, secret := range []string{"", ppkSecret, ppkSecret + "!"} {
		c, a := ppkPair(t, ppkOf(ppkID, secret, true), map[string]string{ppkID: secret}, false)
		if secret == "" {
			c.PPK = PPK{}
		}
		p := newPair(t, a)
		id := p.establish(c)
		up, _ := last[ChildUp](p.i)
		if had, ok := seen[string(up.Child.KeyIn)]; ok {
			t.Errorf("with PPKs %q and %q the child SA has the same key", had, secret)
		}
		seen[string(up.Child.KeyIn)] = secret
		p.rekeyIKE(p.i)
		p.rekeyChild(p.i)
		if p.agree(); p.i.e.sessions[id].mixed != (secret != "") {
			t.Errorf("PPK %q: in use: %v", secret, secret == "")
		}
		p.close()
	}
}

// TestDowngradePPK (CASES B.2, RFC 8784/9370 downgrade): who takes USE_PPK out of
// IKE_SA_INIT, or PPK_IDENTITY away, gets no session that was to have a PPK.
func TestDowngradePPK(t *testing.T) {
	noPPK := func(m *message.Message) { withoutNotify(m, message.UsePPK) }
	for name, tt := range map[string]struct {
		required, response bool
		want               string
	}{
		"request, required":  {true, false, "does not use PPKs"},
		"request, optional":  {false, false, "AUTHENTICATION_FAILED"}, // the message that AUTH covers is another
		"response, required": {true, true, "does not use PPKs"},
		"response, optional": {false, true, "AUTHENTICATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, tt.required), map[string]string{ppkID: ppkSecret}, false)
			p := newPair(t, a)
			from := p.i
			if tt.response {
				from = p.r
			}
			p.rewrite(from, noPPK)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(time.Minute)
			f, ok := last[SessionFailed](p.i)
			if !ok || !strings.Contains(f.Err.Error(), tt.want) || len(p.i.up)+len(p.r.up) > 0 {
				t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
			}
			p.empty()
		})
	}
}

// TestPPKBetterAnswer: a forged answer without USE_PPK does not keep the true one
// from being used (RFC 8784, Section 6).
func TestPPKBetterAnswer(t *testing.T) {
	c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, true), map[string]string{ppkID: ppkSecret}, true)
	p := newPair(t, a)
	first := true
	p.drop = func(f flight) bool {
		if f.from == p.r && first {
			first = false
			forged := f
			m := must1(message.Parse(bytes.Clone(f.d.Data)))
			withoutNotify(m, message.UsePPK)
			forged.d.Data = must1(m.Marshal())
			p.wire = append(p.wire, forged)
		}
		return false
	}
	p.establish(c)
	if !p.i.theSession().PPK {
		t.Error("no PPK is in use")
	}
	p.close()
}

// TestPPKNotUsed: a responder that agreed to PPKs and then leaves PPK_IDENTITY out,
// names one without being asked, or proves itself with other keys than it says,
// is not believed.
func TestPPKNotUsed(t *testing.T) {
	drop := func(ps []message.Payload) []message.Payload {
		m := &message.Message{Payloads: ps}
		withoutNotify(m, message.PPKIdentity)
		return m.Payloads
	}
	for name, tt := range map[string]struct {
		own    PPK
		change func(ps []message.Payload) []message.Payload
		want   string // "" is a session
	}{
		"left out, required": {ppkOf(ppkID, ppkSecret, true), drop, "does not use the PPK"},
		"left out, optional": {ppkOf(ppkID, ppkSecret, false), drop, "pre-shared keys differ"},
		"with data, to be ignored": {ppkOf(ppkID, ppkSecret, true), func(ps []message.Payload) []message.Payload {
			message.GetNotify(ps, message.PPKIdentity).Data = []byte("\x02whatever")
			return ps
		}, ""},
		"not asked for": {PPK{}, func(ps []message.Payload) []message.Payload {
			return append([]message.Payload{&message.Notify{Kind: message.PPKIdentity}}, ps...)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := ppkPair(t, tt.own, map[string]string{ppkID: ppkSecret}, false)
			p := newPair(t, a)
			id := must1(p.i.e.Initiate(c, p.now))
			f := p.until(message.IKEAuth) // the request
			p.hand(f)
			p.wire = p.wire[:0]
			answer := p.r.take()[0]
			sa := p.r.e.order[0].cur
			ps := tt.change(must1(p.i.e.open(p.i.e.sessions[id].cur, answer)))
			data := must1(p.r.e.protect(sa, message.IKEAuth, 1, true, ps))
			answer.Data = data[0]
			p.hand(flight{p.r, p.i, answer})
			p.settle()
			fail, failed := last[SessionFailed](p.i)
			if failed != (tt.want != "") || failed && !strings.Contains(fail.Err.Error(), tt.want) {
				t.Errorf("%s", dump(p.i.events))
			}
			if failed && count[SessionDown](p.r) != 1 {
				t.Errorf("the responder was not told: %s", dump(p.r.events))
			}
		})
	}
}

// TestPPKMissing: a request whose PPK_IDENTITY is missing or of another type is
// refused, though both ends said that they use PPKs.
func TestPPKMissing(t *testing.T) {
	for name, data := range map[string][]byte{
		"missing": nil, "empty": {}, "only the type": {ppkFixed}, "opaque": append([]byte{1}, ppkID...), "unknown type": append([]byte{9}, ppkID...),
	} {
		t.Run(name, func(t *testing.T) {
			c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, true), map[string]string{ppkID: ppkSecret, "": ppkSecret}, false)
			p := newPair(t, a)
			id := must1(p.i.e.Initiate(c, p.now))
			f := p.until(message.IKEAuth)
			sa := p.i.e.sessions[id].cur
			m := &message.Message{Payloads: must1(p.r.e.open(p.r.e.order[0].cur, f.d))}
			withoutNotify(m, message.PPKIdentity)
			if data != nil {
				m.Payloads = append(m.Payloads, &message.Notify{Kind: message.PPKIdentity, Data: data})
			}
			f.d.Data = must1(p.i.e.protect(sa, message.IKEAuth, 1, false, m.Payloads))[0]
			p.wire = p.wire[:0]
			p.hand(f)
			p.settle()
			if fail, ok := last[SessionFailed](p.i); !ok || fail.PeerReason != "AUTHENTICATION_FAILED" || len(p.r.up) > 0 {
				t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
			}
		})
	}
}

// TestPPKWithKeyExchanges: the PPK goes into the keys that the last IKE_INTERMEDIATE
// left, whatever came before IKE_AUTH.
func TestPPKWithKeyExchanges(t *testing.T) {
	for _, required := range []bool{true, false} {
		for _, known := range []bool{true, false} {
			if required && !known {
				continue
			}
			c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, required), map[string]string{}, false)
			if known {
				c, a = ppkPair(t, c.PPK, map[string]string{ppkID: ppkSecret}, required)
			}
			c.IKE = ikeProposals(t, "aes256gcm16-prfsha384-ecp384-x25519-ke1_mlkem768-ke2_mlkem1024")
			a.IKE = ikeProposals(t, "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_mlkem1024")
			p := newPair(t, a, small(500), func(_, r *Options) { r.CookieThreshold = -1 })
			p.establish(c) // after a cookie and another group
			if got := p.r.theSession(); got.PPK != known || strings.Count(got.Suite, "mlkem") != 2 {
				t.Errorf("PPK %v, %s", got.PPK, got.Suite)
			}
			p.advance(time.Second) // to a fresh IKE SA
			p.close()
		}
	}
}

// TestPPKRekeysAtOnce (CASES C, 8784-3): the first IKE SA, which the PPK does not
// protect, is replaced at once by its initiator, or else soon by its responder.
func TestPPKRekeysAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		known  string
		lazy   bool // the initiator does not rekey
		within time.Duration
		rekeys int
	}{
		"initiator":          {ppkID, false, time.Millisecond, 1},
		"responder":          {ppkID, true, 8 * time.Second, 1},
		"responder not yet":  {ppkID, true, 4 * time.Second, 0},
		"without, never":     {"other", false, time.Hour, 0},
		"and then not again": {ppkID, false, time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, false), map[string]string{tt.known: ppkSecret}, false)
			p := newPair(t, a)
			s := p.i.e.sessions[p.establish(c)]
			if tt.lazy {
				s.cur.rekeyAt = time.Time{}
				p.i.e.arm(s)
			}
			p.advance(tt.within)
			if i, r := p.i.theSession(), p.r.theSession(); i.Rekeys != tt.rekeys || r.Rekeys != tt.rekeys {
				t.Errorf("after %v the ends have rekeyed %d and %d times, want %d", tt.within, i.Rekeys, r.Rekeys, tt.rekeys)
			}
			if tt.rekeys > 0 && (count[ChildAdded](p.i) > 0 || count[ChildRemoved](p.i) > 0) {
				t.Errorf("the child SA was touched: %s", dump(p.i.events))
			}
			p.close()
		})
	}
}

// TestPPKSelection: entries of accept with PPKs of their own do not lend them to
// each other, and one that requires one is not entered without.
func TestPPKSelection(t *testing.T) {
	c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, true), map[string]string{"ppk-of-bob": "not that one"}, true)
	a.Name, a.IDs = "strict", []string{"bob.example"}
	_, b := ppkPair(t, PPK{}, map[string]string{ppkID: ppkSecret}, false)
	both := func(_, r *Options) { r.Accept = []AcceptConfig{a, b} }
	p := newPair(t, b, both)
	p.establish(c)
	if got := p.r.theSession(); got.Name != "road" || !got.PPK {
		t.Errorf("%+v", got)
	}
	p.close()

	a.IDs = b.IDs // the strict one is tried first, and fails
	p = newPair(t, b, both)
	p.establish(c)
	if got := p.r.theSession(); got.Name != "road" || !got.PPK {
		t.Errorf("%+v", got)
	}
	p.close()
}
