package ike

import (
	"fmt"
	"testing"

	"warren/ike/message"
)

// Malformed offers: rows 37 and 38.

// replace puts what f makes of them in place of the payloads of one type.
func replace(t message.PayloadType, f func(p message.Payload) []message.Payload) func([]message.Payload) []message.Payload {
	return func(ps []message.Payload) (out []message.Payload) {
		for _, p := range ps {
			if p.Type() == t {
				out = append(out, f(p)...)
			} else {
				out = append(out, p)
			}
		}
		return out
	}
}

// without leaves the transforms of one type out, or changes them.
func without(kind message.TransformType, change func(t *message.Transform) bool) func([]message.Payload) []message.Payload {
	return replace(message.PayloadSA, func(p message.Payload) []message.Payload {
		sa := &message.SA{}
		for _, prop := range p.(*message.SA).Proposals {
			kept := prop
			kept.Transforms = nil
			for _, tr := range prop.Transforms {
				if tr.Type != kind || change != nil && change(&tr) {
					kept.Transforms = append(kept.Transforms, tr)
				}
			}
			sa.Proposals = append(sa.Proposals, kept)
		}
		return []message.Payload{sa}
	})
}

// mangled are the offers that nobody may accept.
func mangled() map[string]func([]message.Payload) []message.Payload {
	ke := func(f func(k *message.KE) []message.Payload) func([]message.Payload) []message.Payload {
		return replace(message.PayloadKE, func(p message.Payload) []message.Payload { return f(p.(*message.KE)) })
	}
	length := func(n uint16, more ...message.Attribute) func([]message.Payload) []message.Payload {
		return without(message.TransformEncr, func(t *message.Transform) bool {
			t.KeyLen, t.Other = n, more
			return true
		})
	}
	return map[string]func([]message.Payload) []message.Payload{
		"KE omitted": ke(func(*message.KE) []message.Payload { return nil }),
		"KE empty":   ke(func(k *message.KE) []message.Payload { return []message.Payload{&message.KE{Group: k.Group}} }),
		"KE doubled": ke(func(k *message.KE) []message.Payload { return []message.Payload{k, k} }),
		"KE all zero": ke(func(k *message.KE) []message.Payload {
			return []message.Payload{&message.KE{Group: k.Group, Data: make([]byte, len(k.Data))}}
		}),
		"KE group 0":         ke(func(k *message.KE) []message.Payload { return []message.Payload{&message.KE{Data: k.Data}} }),
		"DH missing":         without(message.TransformKE, nil),
		"cipher missing":     without(message.TransformEncr, nil),
		"key length absent":  length(0),
		"key length wrong":   length(127),
		"key length doubled": length(128, message.Attribute{Type: 14, Short: true, Value: []byte{0, 128}}),
		"key length empty":   length(0, message.Attribute{Type: 14}),
	}
}

// TestCollision37: offers with payloads, transforms and attributes that are
// missing, doubled or wrong get an error, and leave nothing.
func TestCollision37(t *testing.T) {
	for name, change := range mangled() {
		t.Run("IKE_SA_INIT, "+name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
				t.Fatal(err)
			}
			d := p.i.take()[0]
			m, err := message.Parse(d.Data)
			if err != nil {
				t.Fatal(err)
			}
			m.Payloads = change(m.Payloads)
			if d.Data, err = m.Marshal(); err != nil {
				t.Fatal(err)
			}
			p.hand(flight{p.i, p.r, d})
			if out := p.r.take(); len(out) > 1 || len(out) == 1 && refusedWith(t, parsed(t, out[0])) == 0 || len(p.r.e.sas) != 0 {
				t.Errorf("%d answers, %s", len(out), p.r.state())
			}
		})
		for _, kind := range []string{"IKE", "child"} {
			t.Run(kind+" rekey, "+name, func(t *testing.T) {
				eachSide(t, func(t *testing.T, p *pair, a, b *end) { mangledRekey(t, p, a, b, kind, change) })
			})
		}
	}
}

// mangledRekey has a rekey by a changed on its way to b.
func mangledRekey(t *testing.T, p *pair, a, b *end, kind string, change func([]message.Payload) []message.Payload) {
	for _, n := range []*end{a, b} {
		n.e.order[0].esp = espProposals(t, "aes128gcm16-x25519-esn")
	}
	if kind == "child" {
		p.rekeyChild(a)
	} else {
		p.rekeyIKE(a)
	}
	d := a.take()[0]
	ps, err := b.e.open(b.e.order[0].cur, d)
	if err != nil {
		t.Fatal(err)
	}
	b.quiet = true
	got, _ := p.tell(a, a.say(message.CreateChildSA, b.e.order[0].cur.recvID, false, change(ps)...))
	if refusedWith(t, got) == 0 || count[ChildAdded](b)+count[SessionRekeyed](b) != 0 || len(b.spis.taken) > 1 || len(b.e.sas) > 1 {
		t.Errorf("%+v; %s", got, b.state())
	}
}

// parsed is a message in the clear.
func parsed(t *testing.T, d Datagram) []message.Payload {
	t.Helper()
	m, err := message.Parse(d.Data)
	if err != nil {
		t.Fatal(err)
	}
	return m.Payloads
}

// refusedWith is the error notify of an answer, 0 for none, and must be one of
// those for malformed offers.
func refusedWith(t *testing.T, ps []message.Payload) message.NotifyType {
	t.Helper()
	n := childError(ps)
	if n == nil {
		return 0
	}
	switch n.Kind {
	case message.NoProposalChosen, message.InvalidSyntax, message.InvalidKEPayload:
	default:
		t.Errorf("refused with %v", n.Kind)
	}
	return n.Kind
}

// TestCollision38: the number of selectors in a TS payload is not that of the
// selectors in it.
func TestCollision38(t *testing.T) {
	wrong := func(count byte) func([]message.Payload) []message.Payload {
		return replace(message.PayloadTSi, func(p message.Payload) []message.Payload {
			body := []byte{count, 0, 0, 0}
			for range 2 {
				body = append(body, 7, 0, 0, 16, 0, 0, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255)
			}
			return []message.Payload{&message.Unknown{Kind: message.PayloadTSi, Data: body}}
		})
	}
	for _, n := range []byte{0, 1, 3, 255} {
		t.Run(fmt.Sprintf("%d of 2 in IKE_AUTH", n), func(t *testing.T) {
			p, auth := halfway(t)
			ps, err := p.r.e.open(p.r.e.order[0].cur, auth)
			if err != nil {
				t.Fatal(err)
			}
			p.hand(flight{p.i, p.r, p.i.say(message.IKEAuth, 1, false, wrong(n)(ps)...)})
			p.flush()
			if count[ChildUp](p.r) != 0 || len(p.r.spis.taken) != 0 || len(p.wire) != 1 {
				t.Errorf("%d answers, %s", len(p.wire), dump(p.r.events))
			}
		})
		t.Run(fmt.Sprintf("%d of 2 in CREATE_CHILD_SA", n), func(t *testing.T) {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				b.quiet = true
				got, _ := p.tell(a, a.say(message.CreateChildSA, b.e.order[0].cur.recvID, false, wrong(n)(childRequest(t, a.only().SPIIn))...))
				if e := childError(got); e == nil || e.Kind != message.InvalidSyntax || count[ChildAdded](b) != 0 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}
