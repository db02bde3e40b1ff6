package ike

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// rekeyIKE is this node's rekey of the IKE SA (RFC 7296, Section 1.3.2). Child
// SAs belong to the session, so nothing needs to be inherited.
//
// If the peer rekeys too, passive is the IKE SA it made; the one with the lowest
// of the four nonces is redundant (RFC 7296, Section 2.8.1).
type rekeyIKE struct {
	spi   message.SPI
	ni    []byte
	ke    crypt.KeyExchange
	group message.DHGroup
	tries int

	passive *ikeSA
	theirs  []byte
}

// rekeyingIKE reports whether this node's rekey of the IKE SA is under way.
func (s *session) rekeyingIKE() bool {
	if s.cur.out == nil {
		return false
	}
	_, ok := s.cur.out.task.(*rekeyIKE)
	return ok
}

func (t *rekeyIKE) start(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	if sa != s.cur || sa.state != saUp || s.state != sessionUp {
		return nil
	}
	if t.group == message.DHNone {
		t.group = sa.choice.DH
	}
	t.tries++
	if err := t.prepare(e); err != nil {
		t.release(e)
		e.opt.Log.Error("ike: IKE SA not rekeyed", "session", s.label(), "err", err)
		sa.rekeyAt = e.retryTime(now)
		return nil
	}
	spi := message.SPI(t.spi)
	return &request{kind: message.CreateChildSA, payloads: []message.Payload{
		crypt.Offer(s.ike, ikeSPIBytes(spi)),
		&message.Nonce{Data: t.ni},
		&message.KE{Group: t.group, Data: t.ke.Public()},
	}}
}

// prepare draws SPI, nonce and key exchange.
func (t *rekeyIKE) prepare(e *Engine) (err error) {
	if t.spi, err = e.newSPI(); err != nil {
		return err
	}
	if t.ni, err = e.random(nonceLen); err != nil {
		return err
	}
	t.ke, err = crypt.NewKeyExchange(t.group, e.opt.Rand)
	return err
}

func (t *rekeyIKE) release(*Engine) {
	if t.ke != nil {
		t.ke.Wipe()
		t.ke = nil
	}
}

func ikeSPIBytes(spi message.SPI) []byte {
	b := make([]byte, message.SPILen)
	for i := range b {
		b[i] = byte(spi >> (56 - 8*i))
	}
	return b
}

func ikeSPIOf(c crypt.Choice) (message.SPI, error) {
	var spi message.SPI
	if len(c.SPI) != message.SPILen {
		return 0, errors.New("its SPI is not eight octets long")
	}
	for _, b := range c.SPI {
		spi = spi<<8 | message.SPI(b)
	}
	if spi == 0 {
		return 0, errors.New("its SPI is zero")
	}
	return spi, nil
}

func (t *rekeyIKE) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	defer t.release(e)
	if n := childError(ps); err == nil && n != nil {
		t.refused(e, sa, n, now)
		return
	}
	var fresh *ikeSA
	if err == nil {
		fresh, err = t.finish(e, sa, ps, now)
	}
	if err != nil {
		e.opt.Log.Error("ike: IKE SA not rekeyed", "session", s.label(), "err", err)
		t.settle(e, sa, now)
		return
	}
	if t.passive != nil && bytes.Compare(lower(t.ni, fresh.peerNonce), t.theirs) < 0 {
		fresh.state = saReplaced // redundant: its initiator, we, deletes it
		e.adopt(s, sa, t.passive, now)
		sa.dropAt = now.Add(redundantTime)
		e.enqueue(fresh, &deleteIKE{}, now)
		return
	}
	e.adopt(s, sa, fresh, now)
	if p := t.passive; p != nil {
		p.state, p.dropAt = saReplaced, now.Add(redundantTime)
	}
	e.enqueue(sa, &deleteIKE{}, now)
}

// finish makes the new IKE SA of the answer.
func (t *rekeyIKE) finish(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) (*ikeSA, error) {
	in, err := readInit(&message.Message{Payloads: ps})
	if err != nil {
		return nil, err
	}
	s := sa.sess
	choice, err := crypt.Verify(in.sa, s.ike, message.SPILen)
	if err != nil {
		return nil, err
	}
	spiR, err := ikeSPIOf(choice)
	if err != nil {
		return nil, err
	}
	if choice.DH != t.group || in.ke.Group != t.group {
		return nil, fmt.Errorf("its answer mixes the groups %v, %v and %v", t.group, choice.DH, in.ke.Group)
	}
	shared, err := t.ke.Finish(in.ke.Data)
	if err != nil {
		return nil, err
	}
	defer shared.Wipe()
	keys, err := sa.keys.Rekey(choice, crypt.KeyInput{Ni: t.ni, Nr: in.nonce, SPIi: t.spi, SPIr: spiR, Shared: shared})
	if err != nil {
		return nil, err
	}
	fresh := e.newSA(s, true, t.spi, now)
	fresh.spiR, fresh.state, fresh.peerNonce = spiR, saUp, slices.Clone(in.nonce)
	if err := fresh.setKeys(choice, keys); err != nil {
		e.closeSA(fresh, now)
		return nil, err
	}
	return fresh, nil
}

// adopt makes fresh the IKE SA that the session uses. What waits on old goes
// over to it.
func (e *Engine) adopt(s *session, old, fresh *ikeSA, now time.Time) {
	s.cur = fresh
	s.rekeys++
	if s.state == sessionUp {
		e.age(fresh, now)
	}
	old.state = saReplaced
	old.rekeyAt, old.hardAt = time.Time{}, time.Time{}
	queue := slices.DeleteFunc(old.queue, func(t task) bool { _, again := t.(*rekeyIKE); return again })
	fresh.queue, old.queue = append(fresh.queue, queue...), nil
	e.emit(SessionRekeyed{ID: s.id, SPIi: uint64(fresh.spiI), SPIr: uint64(fresh.spiR)})
	e.run(fresh, now)
}

func (t *rekeyIKE) refused(e *Engine, sa *ikeSA, n *message.Notify, now time.Time) {
	if n.Kind == message.InvalidKEPayload && t.passive == nil && t.tries < maxGroupTries {
		if g, ok := groupOf(n); ok && offersGroup(sa.sess.ike, g) && g != t.group {
			sa.queue = append([]task{&rekeyIKE{group: g, tries: t.tries}}, sa.queue...)
			return
		}
	}
	e.opt.Log.Info("ike: IKE SA not rekeyed", "session", sa.sess.label(), "notify", n.Kind.String())
	t.settle(e, sa, now)
}

// settle goes on after a rekey that failed: with the IKE SA that the peer made
// meanwhile, or later again.
func (t *rekeyIKE) settle(e *Engine, sa *ikeSA, now time.Time) {
	if t.passive != nil {
		e.adopt(sa.sess, sa, t.passive, now)
		sa.dropAt = now.Add(redundantTime)
		return
	}
	if sa.sess.state == sessionUp {
		sa.rekeyAt = e.retryTime(now)
	}
}

func (t *rekeyIKE) dropped(e *Engine, _ *ikeSA, _ time.Time) { t.release(e) }

// maxIKESAs bounds the IKE SAs of a session, which a peer that rekeys and never
// deletes would pile up. A collision needs three.
const maxIKESAs = 8

// answerRekeyIKE answers the peer's rekey of the IKE SA.
func (e *Engine) answerRekeyIKE(sa *ikeSA, want *message.SA, ni []byte, ps []message.Payload, now time.Time) ([]message.Payload, *refusal) {
	s := sa.sess
	mine, _ := currentTask(sa).(*rekeyIKE)
	if s.childBusy() || mine != nil && mine.passive != nil || sa != s.cur {
		return nil, refuse(message.TemporaryFailure, "child SAs are being made or deleted")
	}
	if len(s.sas) >= maxIKESAs {
		return nil, refuse(message.TemporaryFailure, "earlier IKE SAs are not deleted yet")
	}
	in, err := readInit(&message.Message{Payloads: ps})
	if err != nil {
		return nil, refuse(message.InvalidSyntax, "%v", err)
	}
	choice, err := crypt.Select(want, s.ike, message.SPILen)
	if err != nil {
		return nil, refuse(message.NoProposalChosen, "offered %s, acceptable %s", crypt.Describe(want), proposalText(s.ike))
	}
	spiI, err := ikeSPIOf(choice)
	if err != nil {
		return nil, refuse(message.InvalidSyntax, "%v", err)
	}
	if in.ke.Group != choice.DH {
		n := invalidKE(choice.DH)
		return nil, &refusal{notify: n.Kind, data: n.Data, reason: "key exchange is for " + in.ke.Group.String()}
	}
	fresh, resp, no := e.passiveRekey(sa, choice, in, spiI, now)
	if no != nil {
		return nil, no
	}
	if mine != nil {
		mine.passive, mine.theirs = fresh, lower(ni, fresh.ownNonce)
		return resp, nil
	}
	e.adopt(s, sa, fresh, now)
	sa.dropAt = now.Add(redundantTime)
	return resp, nil
}

// passiveRekey makes the IKE SA that the peer asked for, and the answer.
func (e *Engine) passiveRekey(sa *ikeSA, choice crypt.Choice, in initPayloads, spiI message.SPI, now time.Time) (*ikeSA, []message.Payload, *refusal) {
	public, shared, err := crypt.Respond(choice.DH, e.opt.Rand, in.ke.Data)
	if err != nil {
		return nil, nil, refuse(message.InvalidSyntax, "%v", err)
	}
	defer shared.Wipe()
	spi, err := e.newSPI()
	if err != nil {
		return nil, nil, refuse(message.TemporaryFailure, "%v", err)
	}
	nr, err := e.random(nonceLen)
	if err != nil {
		return nil, nil, refuse(message.TemporaryFailure, "%v", err)
	}
	keys, err := sa.keys.Rekey(choice, crypt.KeyInput{Ni: in.nonce, Nr: nr, SPIi: spiI, SPIr: spi, Shared: shared})
	if err != nil {
		return nil, nil, refuse(message.NoProposalChosen, "%v", err)
	}
	fresh := e.newSA(sa.sess, false, spi, now)
	fresh.spiI, fresh.state, fresh.ownNonce = spiI, saUp, nr
	if err := fresh.setKeys(choice, keys); err != nil {
		e.closeSA(fresh, now)
		return nil, nil, refuse(message.NoProposalChosen, "%v", err)
	}
	return fresh, []message.Payload{
		choice.Answer(ikeSPIBytes(spi)),
		&message.Nonce{Data: nr},
		&message.KE{Group: choice.DH, Data: public},
	}, nil
}

// currentTask is the task whose request is under way on sa, or nil.
func currentTask(sa *ikeSA) task {
	if sa.out == nil {
		return nil
	}
	return sa.out.task
}

// childBusy reports whether this node is creating, rekeying or deleting a child
// SA (RFC 7296, Section 2.25.2).
func (s *session) childBusy() bool {
	switch currentTask(s.cur).(type) {
	case *rekeyChild, *deleteChild, *deleteSPI:
		return true
	}
	return false
}
