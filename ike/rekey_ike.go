package ike

import (
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
// of the four nonces is redundant (RFC 7296, Section 2.8.1). Where additional key
// exchanges follow there is no IKE SA yet: who has the lowest nonce stops (RFC
// 9370, Section 2.2.4).
type rekeyIKE struct {
	spi   message.SPI
	ni    []byte
	ke    crypt.KeyExchange
	group message.DHGroup
	tries int

	// Of the answer.
	choice crypt.Choice
	spiR   message.SPI
	nr     []byte
	shared crypt.Secret
	follow followup

	passive *ikeSA
	theirs  []byte // lowest nonce of the peer's exchange, which may have made nothing yet
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
	if t.follow.active() {
		return t.next(e, sa, now)
	}
	if sa != s.cur || sa.state != saUp || s.state != sessionUp {
		return nil
	}
	if len(sa.promises) > 0 { // the peer is making SAs, of which this must not be one
		sa.rekeyAt = e.retryTime(now)
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
	t.shared.Wipe()
	t.follow.wipe()
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
	if t.follow.active() {
		t.followed(e, sa, ps, err, now)
		return
	}
	if n := childError(ps); err == nil && n != nil {
		t.release(e)
		t.refused(e, sa, n, now)
		return
	}
	if err == nil {
		err = t.agree(sa, ps)
	}
	if err == nil && len(t.choice.More()) > 0 {
		t.goOn(e, sa, ps, now)
		return
	}
	t.complete(e, sa, err, now)
}

// complete takes in the IKE SA that all key exchanges were for, unless err says
// what went wrong with them.
func (t *rekeyIKE) complete(e *Engine, sa *ikeSA, err error, now time.Time) {
	defer t.release(e)
	s := sa.sess
	var fresh *ikeSA
	if err == nil {
		fresh, err = t.make(e, sa, now)
	}
	if err != nil {
		e.opt.Log.Error("ike: IKE SA not rekeyed", "session", s.label(), "err", err)
		t.settle(e, sa, now)
		if told := new(Error); !errors.As(err, &told) { // the peer has another IKE SA now
			e.closeSession(s, ending{reason: "the answer to the rekey of the IKE SA cannot be used: " + err.Error()}, now)
		}
		return
	}
	if t.loses() {
		fresh.state = saReplaced // redundant: its initiator, we, deletes it
		t.settle(e, sa, now)
		e.enqueue(fresh, &deleteIKE{}, now)
		return
	}
	t.won(e, sa, now)
	e.adopt(s, sa, fresh, now)
	e.enqueue(sa, &deleteIKE{}, now)
}

// agree checks the answer and finishes its key exchange.
func (t *rekeyIKE) agree(sa *ikeSA, ps []message.Payload) error {
	in, err := readInit(&message.Message{Payloads: ps})
	if err != nil {
		return err
	}
	if t.choice, err = crypt.Verify(in.sa, sa.sess.ike, message.SPILen); err != nil {
		return err
	}
	if t.spiR, err = ikeSPIOf(t.choice); err != nil {
		return err
	}
	if t.choice.DH != t.group || in.ke.Group != t.group {
		return fmt.Errorf("its answer mixes the groups %v, %v and %v", t.group, t.choice.DH, in.ke.Group)
	}
	t.nr = slices.Clone(in.nonce)
	t.shared, err = t.ke.Finish(in.ke.Data)
	return err
}

// make derives the keys of the new IKE SA.
func (t *rekeyIKE) make(e *Engine, sa *ikeSA, now time.Time) (*ikeSA, error) {
	keys, err := sa.keys.Rekey(t.choice, crypt.KeyInput{
		Ni: t.ni, Nr: t.nr, SPIi: t.spi, SPIr: t.spiR, Shared: t.shared, More: t.follow.secrets,
	})
	if err != nil {
		return nil, err
	}
	fresh := e.newSA(sa.sess, true, t.spi, now)
	fresh.spiR, fresh.state = t.spiR, saUp
	if err := fresh.setKeys(t.choice, keys); err != nil {
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
	e.breakPromises(old, func(*promise) bool { return true })
	e.dropTicket(s)
	if s.resumption.offers {
		s.postponed = append(s.postponed, postponed{askTicket{}, now}) // after the answer that tells of fresh
	}
	e.emit(SessionRekeyed{ID: s.id, SPIi: uint64(fresh.spiI), SPIr: uint64(fresh.spiR)})
	e.run(fresh, now)
}

func (t *rekeyIKE) refused(e *Engine, sa *ikeSA, n *message.Notify, now time.Time) {
	if n.Kind == message.InvalidKEPayload && t.theirs == nil && t.tries < maxGroupTries {
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
	if s.childBusy() || mine != nil && (mine.passive != nil || mine.follow.active()) || sa != s.cur {
		return nil, refuse(message.TemporaryFailure, "SAs are being made or deleted")
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
	e.breakPromises(sa, func(p *promise) bool { return p.rekey != nil }) // the peer starts anew
	a := &ikeAnswer{choice: choice, spiI: spiI, ni: slices.Clone(ni)}
	resp, no := a.build(e, sa, in.ke, now)
	return append(resp, s.laterTicket(ps)...), no
}

// An ikeAnswer is an IKE SA that the peer asks for, to replace the one in use.
type ikeAnswer struct {
	choice    crypt.Choice
	spiI, spi message.SPI
	ni, nr    []byte
}

// build makes the IKE SA, or promises it, and writes the answer.
func (a *ikeAnswer) build(e *Engine, sa *ikeSA, ke *message.KE, now time.Time) ([]message.Payload, *refusal) {
	public, shared, err := crypt.Respond(a.choice.DH, e.opt.Rand, ke.Data)
	if err != nil {
		return nil, refuse(message.InvalidSyntax, "%v", err)
	}
	defer shared.Wipe()
	if a.spi, err = e.newSPI(); err != nil {
		return nil, refuse(message.TemporaryFailure, "%v", err)
	}
	if a.nr, err = e.random(nonceLen); err != nil {
		return nil, refuse(message.TemporaryFailure, "%v", err)
	}
	resp := []message.Payload{
		a.choice.Answer(ikeSPIBytes(a.spi)),
		&message.Nonce{Data: a.nr},
		&message.KE{Group: a.choice.DH, Data: public},
	}
	low := lower(a.ni, a.nr)
	if more := a.choice.More(); len(more) > 0 {
		link, no := e.promise(sa, &promise{more: more, secrets: []crypt.Secret{slices.Clone(shared)}, rekey: a}, now)
		if mine, ok := currentTask(sa).(*rekeyIKE); ok && no == nil {
			mine.theirs = low
		}
		return append(resp, link), no
	}
	fresh, no := a.derive(e, sa, now, shared)
	if no != nil {
		return nil, no
	}
	e.answeredIKE(sa, fresh, low, now)
	return resp, nil
}

// derive computes the keys from the secrets of all key exchanges.
func (a *ikeAnswer) derive(e *Engine, sa *ikeSA, now time.Time, secrets ...crypt.Secret) (*ikeSA, *refusal) {
	keys, err := sa.keys.Rekey(a.choice, crypt.KeyInput{
		Ni: a.ni, Nr: a.nr, SPIi: a.spiI, SPIr: a.spi, Shared: secrets[0], More: secrets[1:],
	})
	if err != nil {
		return nil, refuse(message.NoProposalChosen, "%v", err)
	}
	fresh := e.newSA(sa.sess, false, a.spi, now)
	fresh.spiI, fresh.state = a.spiI, saUp
	if err := fresh.setKeys(a.choice, keys); err != nil {
		e.closeSA(fresh, now)
		return nil, refuse(message.NoProposalChosen, "%v", err)
	}
	return fresh, nil
}

// answeredIKE takes in the IKE SA that the peer asked for in place of sa. Low is
// the lowest nonce of the exchange.
func (e *Engine) answeredIKE(sa, fresh *ikeSA, low []byte, now time.Time) {
	if mine, ok := currentTask(sa).(*rekeyIKE); ok {
		mine.passive, mine.theirs = fresh, low
		return
	}
	e.adopt(sa.sess, sa, fresh, now)
	sa.dropAt = now.Add(redundantTime)
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
