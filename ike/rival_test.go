package ike

import (
	"slices"
	"testing"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// What a peer with the keys can ask for at the worst moment: cases that random
// sequences have found.

// TestNewChildWhileDeleting: until its DELETE is answered, a pair is the one that its
// layer is sent on, and a new one must not share the layer.
func TestNewChildWhileDeleting(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.deleteChild(a, a.only().SPIIn)
		a.take()
		p.tell(b, b.say(message.CreateChildSA, a.e.order[0].cur.recvID, false, childRequest(t, 0)...))
		a.strict()
	})
}

// TestNewChildBesideOwn: while a session that came up without a pair asks for its
// first one, or waits to ask again, the peer gets none of the same layer.
func TestNewChildBesideOwn(t *testing.T) {
	for _, later := range []bool{false, true} {
		c := peerConfig(t)
		c.Childless = ChildlessForce
		p := newPair(t, acceptConfig(t))
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		for p.flush(); p.wire[0].kind() != message.CreateChildSA; {
			p.deliver(0)
		}
		if later {
			p.answerWith(p.i, p.r, &message.Notify{Kind: message.TemporaryFailure})
			p.wire = nil
		}
		got, _ := p.tell(p.r, p.r.say(message.CreateChildSA, p.i.e.order[0].cur.recvID, false, childRequest(t, 0)...))
		if n := childError(got); n == nil || n.Kind != message.NoAdditionalSAs {
			t.Errorf("later %v: %v", later, n)
		}
		p.i.strict()
	}
}

// succeeded has a session of the initiator and the next one, which has taken over the
// layer.
func succeeded(t *testing.T) (p *pair, old, next *session) {
	p = newPair(t, acceptConfig(t))
	id := p.establish(again(peerConfig(t)))
	p.reauthenticate(p.i.e.sessions[id].layer)
	p.flush()
	p.settle()
	if len(p.i.e.order) != 2 || p.i.e.order[0].reauth.retireAt.IsZero() {
		t.Fatalf("the layer is not taken over: %s", dump(p.i.events))
	}
	return p, p.i.e.order[0], p.i.e.order[1]
}

// without has n forget the pairs of s.
func (p *pair) without(n *end, s *session) {
	for _, c := range slices.Clone(s.children) {
		n.e.removeChild(s, c, removal{down: c.sending, reason: "of the test"}, p.now)
	}
	n.take()
}

// TestNewChildBesideSuccessor: a layer that the next session has taken over gets no
// pair of the one before.
func TestNewChildBesideSuccessor(t *testing.T) {
	p, s, _ := succeeded(t)
	p.without(p.i, s)
	plain := must1(crypt.PlainOf(childRequest(t, 0)))
	for _, b := range seal(s.cur, message.Header{MessageID: s.cur.recvID, Exchange: message.CreateChildSA}, plain, 0) {
		p.hand(flight{p.r, p.i, comes(s, b)})
	}
	p.i.take()
	p.i.soundOutbound()
}

// TestFurtherChildOfSuccessorFails: a session that has taken over stays when a further
// pair is refused to it, though it has none: the one before it is about to go.
func TestFurtherChildOfSuccessorFails(t *testing.T) {
	p, old, s := succeeded(t)
	p.without(p.i, old)
	p.without(p.i, s)
	if err := p.i.e.CreateChild(s.id, ChildConfig{Layer: 900, LocalTS: policy.Everything(), RemoteTS: policy.Everything()}, p.now); err != nil {
		t.Fatal(err)
	}
	p.i.take()
	plain := must1(crypt.PlainOf([]message.Payload{&message.Notify{Kind: message.NoAdditionalSAs}}))
	for _, b := range seal(s.cur, message.Header{MessageID: s.cur.out.id, Exchange: message.CreateChildSA, Flags: message.FlagResponse}, plain, 0) {
		p.hand(flight{p.r, p.i, comes(s, b)})
	}
	p.flush()
	if count[ChildFailed](p.i) != 1 || s.state != sessionUp {
		t.Errorf("%s", dump(p.i.events))
	}
}

// TestRivalIKESAEnds: the IKE SA that the peer has made to replace the one in use,
// while this node does too, ends before this node knows that it has won.
func TestRivalIKESAEnds(t *testing.T) {
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		p.cross(p.rekeyIKE)
		p.deliverFrom(b)
		s := a.e.order[0]
		rival := s.sas[len(s.sas)-1]
		for _, b := range seal(rival, message.Header{Exchange: message.CreateChildSA}, crypt.Plain{}, 0) { // malformed
			a.e.Receive(comes(s, b), p.now)
		}
		if rival.state != saClosed {
			t.Fatalf("the rival is in state %d", rival.state)
		}
		for p.flush(); len(p.wire) > 0; {
			p.deliver(0)
			a.strict()
		}
	})
}

// TestBeatenRivalIKESA: the IKE SA that the peer has made loses to the one whose
// additional key exchanges are not over. It does not take the place of the old one,
// which the peer deletes.
func TestBeatenRivalIKESA(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.lowest(2)
	p.several(p.i, 1)
	p.several(p.r, 0)
	p.cross(p.rekeyIKE)
	p.deliverFrom(p.r) // the rival is made
	p.deliverFrom(p.i)
	p.deliverFrom(p.r) // and beaten
	if p.asked(p.i, isFollowup) != 1 {
		t.Fatal("the initiator does not go on")
	}
	p.hand(flight{p.r, p.i, p.r.say(message.Informational, p.i.e.order[0].cur.recvID, false, &message.Delete{Protocol: message.ProtoIKE})})
	p.flush()
	if len(p.i.e.order) != 0 || count[SessionRekeyed](p.i) != 0 {
		t.Errorf("%s", dump(p.i.events))
	}
}
