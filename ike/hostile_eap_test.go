package ike

import (
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
	"warren/pki"
)

// meddle changes the n-th IKE_AUTH message of one end, which has its keys.
func (p *pair) meddle(from *end, n int, change func(ps []message.Payload) []message.Payload) {
	p.drop = func(f flight) bool {
		if f.from != from || f.kind() != message.IKEAuth {
			return false
		}
		if n--; n != -1 {
			return false
		}
		ps, err := f.to.e.open(f.to.e.order[0].cur, f.d)
		if err != nil {
			p.t.Fatal(err)
		}
		h := must1(message.ParseHeader(f.d.Data))
		f.d.Data = must1(from.e.order[0].cur.seal(h.Exchange, h.MessageID, h.IsResponse(), change(ps)))
		p.wire = append(p.wire, f)
		return true
	}
}

// runMeddled lets an EAP session be changed on its way, and ends what is left of it.
func runMeddled(t *testing.T, from func(p *pair) *end, n int, change func(p *pair, ps []message.Payload) []message.Payload) *pair {
	t.Helper()
	c, a := eapPair(t)
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.meddle(from(p), n, func(ps []message.Payload) []message.Payload { return change(p, ps) })
	p.settle()
	p.advance(3 * time.Second)
	p.advance(2 * time.Minute) // the responder may wait for who has given up
	return p
}

func eapSuccess() *message.EAP { return &message.EAP{Data: []byte{3, 1, 0, 4}} }

func only(ps []message.Payload, kinds ...message.PayloadType) []message.Payload {
	return slices.DeleteFunc(slices.Clone(ps), func(p message.Payload) bool { return !slices.Contains(kinds, p.Type()) })
}

func instead(ps []message.Payload, with message.Payload) []message.Payload {
	return append(slices.DeleteFunc(slices.Clone(ps), func(p message.Payload) bool { return p.Type() == with.Type() }), with)
}

// TestCVE_2021_45079 (also CVE-2015-8023): a responder who ends EAP with a Success
// before both ends are proven is not believed at any step, whatever comes with it, and
// the initiator never gives an AUTH away for it.
func TestCVE_2021_45079(t *testing.T) {
	auth := func(p *pair, key []byte) *message.Auth {
		s := p.i.e.order[0]
		data := must1(s.cur.keys.PSKAuth(false, key, s.half.responderInput(s.remoteID.payload(true))))
		return &message.Auth{Method: message.AuthPSK, Data: data}
	}
	for name, tt := range map[string]struct {
		n      int
		change func(p *pair, ps []message.Payload) []message.Payload
		want   string
	}{
		"at once, alone": {0, func(*pair, []message.Payload) []message.Payload { return []message.Payload{eapSuccess()} }, "no IDr or AUTH"},
		"at once, with IDr": {0, func(_ *pair, ps []message.Payload) []message.Payload {
			return append(only(ps, message.PayloadIDr, message.PayloadCert), eapSuccess())
		}, "no IDr or AUTH"},
		"at once, proven": {0, func(_ *pair, ps []message.Payload) []message.Payload { return instead(ps, eapSuccess()) }, "Success before it has proven itself"},
		"at once, by MAC": {0, func(p *pair, ps []message.Payload) []message.Payload {
			return instead(instead(ps, eapSuccess()), auth(p, []byte("correct horse")))
		}, "a certificate is wanted"},
		"for the proof": {1, func(*pair, []message.Payload) []message.Payload { return []message.Payload{eapSuccess()} }, "Success before it has proven itself"},
		"with an AUTH": {1, func(p *pair, _ []message.Payload) []message.Payload {
			return []message.Payload{eapSuccess(), auth(p, make([]byte, 64))}
		}, "Success before it has proven itself"},
		"AUTH instead": {1, func(p *pair, _ []message.Payload) []message.Payload {
			return []message.Payload{auth(p, make([]byte, 64))}
		}, "sends no EAP payload"},
		"nothing":         {1, func(*pair, []message.Payload) []message.Payload { return nil }, "sends no EAP payload"},
		"nothing in time": {2, func(*pair, []message.Payload) []message.Payload { return nil }, "sends no EAP payload"},
		"AUTH in time": {2, func(p *pair, _ []message.Payload) []message.Payload {
			return []message.Payload{auth(p, make([]byte, 64))}
		}, "sends no EAP payload"},
		"for AUTH":       {3, func(*pair, []message.Payload) []message.Payload { return []message.Payload{eapSuccess()} }, "no IDr or AUTH"},
		"AUTH by no key": {3, func(p *pair, ps []message.Payload) []message.Payload { return instead(ps, auth(p, []byte{0})) }, "has not got the key of this EAP"},
		"AUTH by zeros":  {3, func(p *pair, ps []message.Payload) []message.Payload { return instead(ps, auth(p, make([]byte, 64))) }, "has not got the key of this EAP"},
		"AUTH empty": {3, func(p *pair, ps []message.Payload) []message.Payload {
			return instead(ps, &message.Auth{Method: message.AuthPSK})
		}, "has not got the key of this EAP"},
		"AUTH of method 0": {3, func(p *pair, ps []message.Payload) []message.Payload { return instead(ps, &message.Auth{}) }, "a pre-shared key is wanted"},
		"its certificate again": {3, func(p *pair, ps []message.Payload) []message.Payload {
			s := p.i.e.order[0]
			octets := s.cur.keys.SignedOctets(false, s.half.responderInput(s.remoteID.payload(true)))
			return instead(ps, must1(p.r.e.order[0].accept.Cert.Sign(p.r.rand, nil, octets)))
		}, "a pre-shared key is wanted"},
		"a Failure": {1, func(*pair, []message.Payload) []message.Payload {
			return []message.Payload{&message.EAP{Data: []byte{4, 1, 0, 4}}}
		}, "ends EAP with a Failure"},
		"an error": {1, func(*pair, []message.Payload) []message.Payload {
			return []message.Payload{&message.Notify{Kind: message.AuthenticationFailed}}
		}, "sends no EAP payload"},
		"a Failure in time": {2, func(*pair, []message.Payload) []message.Payload {
			return []message.Payload{&message.EAP{Data: []byte{4, 1, 0, 4}}}
		}, "ends EAP with a Failure"},
	} {
		t.Run(name, func(t *testing.T) {
			p := runMeddled(t, func(p *pair) *end { return p.r }, tt.n, tt.change)
			f, ok := last[SessionFailed](p.i)
			if !ok || !strings.Contains(f.Err.Error(), tt.want) || count[SessionUp](p.i) != 0 {
				t.Errorf("want %q: %s", tt.want, dump(p.i.events))
			}
			if requests, _ := p.auths(); requests != tt.n+1 {
				t.Errorf("the initiator has sent %d IKE_AUTH, want %d", requests, tt.n+1)
			}
			p.i.empty()
		})
	}
}

// TestCVE_2015_4171: a responder who cannot prove to be the right peer, though its
// certificate may be a good one of another, does not hear a word that depends on the
// password, nor the user name.
func TestCVE_2015_4171(t *testing.T) {
	pk := thePKI()
	for name, change := range map[string]func(c *claim){
		"certificate of another peer": func(c *claim) { c.as(issue(pk.root, "ecdsa-p256", "mallory.example")) },
		"of another authority":        func(c *claim) { c.as(issue(pk.other, "ecdsa-p256", c.name)) },
		"expired": func(c *claim) {
			c.as(issue(pk.root, "ecdsa-p256", c.name, func(t *pki.Template) { t.To = start.AddDate(0, 0, -1) }))
		},
		"signature of another key": func(c *claim) {
			c.as(&pki.Pair{Cert: issue(pk.root, "ecdsa-p256", c.name).Cert, Key: must(pki.NewKey("ecdsa-p256"))})
		},
		"another id": func(c *claim) {
			c.drop(message.PayloadIDr)
			c.ps = append(c.ps, mustID(c.t, "mallory.example").payload(true))
		},
		"no proof":       func(c *claim) { c.drop(message.PayloadAuth) },
		"no id":          func(c *claim) { c.drop(message.PayloadIDr) },
		"no certificate": func(c *claim) { c.drop(message.PayloadCert) },
		"EAP alone":      func(c *claim) { c.ps = only(c.ps, message.PayloadEAP) },
		"asks who": func(c *claim) {
			c.as(issue(pk.root, "ecdsa-p256", "mallory.example"))
			c.ps = instead(c.ps, &message.EAP{Data: []byte{1, 1, 0, 5, 1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := eapPair(t)
			p := newPair(t, a)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.flush()
			p.deliver(0)
			p.deliver(0)
			s := p.r.e.order[0]
			p.deliver(0)
			ps := p.openWire(p.i)
			x := &claim{t, false, "sg1.example", ps, s.cur.keys.SignedOctets(false, s.half.responderInput(message.GetID(ps, true)))}
			change(x)
			p.hand(flight{p.r, p.i, p.r.say(message.IKEAuth, 1, true, x.ps...)})
			said := p.i.take()
			if len(said) != 1 {
				t.Fatalf("the initiator says %d things", len(said))
			}
			notice, err := p.r.e.open(s.cur, said[0])
			if n, ok := notice[0].(*message.Notify); err != nil || len(notice) != 1 || !ok || n.Kind != message.AuthenticationFailed || len(n.Data) != 0 {
				t.Errorf("it says %+v", notice)
			}
			if _, ok := last[SessionFailed](p.i); !ok || p.i.e.Refusals()["unauthentic"] != 0 {
				t.Errorf("%s", dump(p.i.events))
			}
			p.i.empty()
		})
	}
}

// TestEAPInitiatorRefused: an initiator who does not do all of EAP does not come in.
func TestEAPInitiatorRefused(t *testing.T) {
	auth := func(p *pair, key []byte) *message.Auth {
		s := p.i.e.order[0]
		data := must1(s.cur.keys.PSKAuth(true, key, s.half.initiatorInput(s.localID.payload(false))))
		return &message.Auth{Method: message.AuthPSK, Data: data}
	}
	for name, tt := range map[string]struct {
		n      int
		change func(p *pair, ps []message.Payload) []message.Payload
		want   string
	}{
		"no IDi":       {0, func(_ *pair, ps []message.Payload) []message.Payload { return only(ps, message.PayloadSA) }, "IDi is missing"},
		"AUTH at once": {0, func(p *pair, ps []message.Payload) []message.Payload { return append(ps, auth(p, make([]byte, 64))) }, "nothing is accepted"},
		"AUTH for EAP": {1, func(p *pair, ps []message.Payload) []message.Payload {
			return []message.Payload{auth(p, make([]byte, 64))}
		}, "goes on without EAP"},
		"nothing for EAP": {1, func(*pair, []message.Payload) []message.Payload { return nil }, "goes on without EAP"},
		"Success for EAP": {1, func(*pair, []message.Payload) []message.Payload { return []message.Payload{eapSuccess()} }, "answers nothing that was asked"},
		"AUTH too early": {2, func(p *pair, ps []message.Payload) []message.Payload {
			return []message.Payload{auth(p, make([]byte, 64))}
		}, "goes on without EAP"},
		"AUTH by zeros": {3, func(p *pair, ps []message.Payload) []message.Payload {
			return []message.Payload{auth(p, make([]byte, 64))}
		}, "has not got the key of this EAP"},
		"AUTH empty": {3, func(*pair, []message.Payload) []message.Payload {
			return []message.Payload{&message.Auth{Method: message.AuthPSK}}
		}, "has not got the key of this EAP"},
		"AUTH of method 0": {3, func(*pair, []message.Payload) []message.Payload { return []message.Payload{&message.Auth{}} }, "a pre-shared key is wanted"},
		"no AUTH":          {3, func(*pair, []message.Payload) []message.Payload { return []message.Payload{eapSuccess()} }, "AUTH is missing after EAP"},
		"a signature": {3, func(p *pair, ps []message.Payload) []message.Payload {
			own := credential(p.t, issue(thePKI().root, "ecdsa-p256", "alice.example"))
			s := p.i.e.order[0]
			return []message.Payload{must1(own.Sign(p.i.rand, nil, s.cur.keys.SignedOctets(true, s.half.initiatorInput(s.localID.payload(false)))))}
		}, "a pre-shared key is wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			p := runMeddled(t, func(p *pair) *end { return p.i }, tt.n, tt.change)
			f, ok := last[SessionFailed](p.r)
			if !ok || !strings.Contains(f.Err.Error(), tt.want) || count[SessionUp](p.r)+count[SessionUp](p.i) != 0 {
				t.Errorf("want %q: %s", tt.want, dump(p.r.events))
			}
			p.empty()
		})
	}
}

// TestEAPOtherExchanges: in the midst of EAP a responder answers nothing but IKE_AUTH,
// and that the initiator gives up; a sign of life changes nothing.
func TestEAPOtherExchanges(t *testing.T) {
	midst := func(n int) *pair {
		c, a := eapPair(t)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		for range 3 + n {
			p.deliver(0)
		}
		return p
	}
	for n := 0; n < 6; n += 2 { // the responder has spoken last
		for kind, ps := range map[message.ExchangeType][]message.Payload{
			message.CreateChildSA: ikeRekeyRequest(t), message.IKEIntermediate: nil, message.IKEFollowupKE: nil,
		} {
			p := midst(n)
			before := p.r.state()
			p.hand(flight{p.i, p.r, p.i.say(kind, p.r.e.order[0].cur.recvID, false, ps...)})
			if out := p.r.take(); len(out) != 0 || p.r.state() != before {
				t.Errorf("%v is answered", kind)
			}
			p.settle()
			if count[SessionUp](p.r) != 1 {
				t.Errorf("EAP does not go on after %v: %s", kind, dump(p.r.events))
			}
		}
		p := midst(n)
		for _, ps := range [][]message.Payload{nil, {&message.Delete{Protocol: message.ProtoESP, SPIs: []uint32{1}}, &message.Notify{Kind: message.UpdateSAAddresses}}} {
			answer, ok := p.tell(p.i, p.i.say(message.Informational, p.r.e.order[0].cur.recvID, false, ps...))
			if _, esp := message.Get[*message.Delete](ps); !ok || len(answer) != 0 || !esp && len(p.r.e.Sessions()) != 1 {
				t.Errorf("a sign of life gets %+v: %s", answer, dump(p.r.events))
			}
		}
	}
}

// FuzzEAP holds an EAP message of the fuzzer's against either end at some step.
// Nothing breaks, and no session comes up but one that both ends agree on.
func FuzzEAP(f *testing.F) {
	for n := range uint8(3) {
		f.Add(true, n, []byte{3, 1, 0, 4})
		f.Add(false, n, []byte{2, 1, 0, 6, 26, 3})
		f.Add(true, n, []byte{1, 1, 0, 10, 26, 4, 0, 0, 5, 'E'})
	}
	f.Fuzz(func(t *testing.T, ofResponder bool, n uint8, data []byte) {
		c, a := eapPair(t)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		from, at := p.i, int(n%2)+1
		if ofResponder {
			from, at = p.r, int(n%3)
		}
		p.meddle(from, at, func(ps []message.Payload) []message.Payload {
			return append(only(ps, message.PayloadIDr, message.PayloadCert, message.PayloadAuth), &message.EAP{Data: data})
		})
		p.settle()
		p.advance(3 * time.Second)
		up := count[SessionUp](p.i)
		if up != count[SessionUp](p.r) {
			t.Fatalf("one end is up: %s %s", dump(p.i.events), dump(p.r.events))
		}
		if p.agree(); up == 1 {
			p.close()
		}
		p.advance(time.Minute)
		p.empty()
	})
}
