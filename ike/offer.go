package ike

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
	"warren/sa"
)

// firstSPI is the lowest SPI that can name an SA (RFC 4303, Section 2.1).
const firstSPI esp.SPI = 256

func spiBytes(spi esp.SPI) []byte { return binary.BigEndian.AppendUint32(nil, uint32(spi)) }

// childSPI is the peer's SPI in a choice.
func childSPI(c crypt.Choice) (esp.SPI, error) {
	if len(c.SPI) != 4 {
		return 0, errors.New("its SPI is not four octets long")
	}
	spi := esp.SPI(binary.BigEndian.Uint32(c.SPI))
	if spi < firstSPI {
		return 0, fmt.Errorf("its SPI %v is reserved", spi)
	}
	return spi, nil
}

// An offer is a child SA that this node asks for.
type offer struct {
	layer             sa.Layer
	mode              esp.Mode
	localTS, remoteTS []policy.Selector
	spi               esp.SPI // zero when not reserved
	proposals         []Proposal
	ni, nr            []byte // ni is sent only in CREATE_CHILD_SA
	create            bool
	whole             bool // a rekey: the selectors must not be narrowed
	ke                crypt.KeyExchange

	choice crypt.Choice // of the answer
	shared crypt.Secret // of its key exchange, if it had one
}

// prepare reserves the SPI and, for CREATE_CHILD_SA, draws the nonce and, where
// the proposals want it, a key exchange of group g.
func (o *offer) prepare(e *Engine, s *session, g message.DHGroup) (err error) {
	o.proposals = s.esp
	if !o.create {
		o.proposals = withoutDH(s.esp)
		o.ni, o.nr = s.half.ni, s.half.nr
	} else if o.ni, err = e.random(nonceLen); err != nil {
		return err
	}
	if o.create && g != message.DHNone {
		if o.ke, err = crypt.NewKeyExchange(g, e.opt.Rand); err != nil {
			return err
		}
	}
	o.spi, err = e.allocSPI()
	return err
}

func withoutDH(ps []Proposal) []Proposal {
	out := make([]Proposal, len(ps))
	for i, p := range ps {
		out[i] = p.WithoutDH()
	}
	return out
}

// release gives back what prepare took, if no child came of it.
func (o *offer) release(e *Engine) {
	if o.spi != 0 {
		e.opt.FreeSPI(o.spi)
		o.spi = 0
	}
	o.wipe()
}

func (o *offer) wipe() {
	if o.ke != nil {
		o.ke.Wipe()
		o.ke = nil
	}
	o.shared.Wipe()
}

// payloads ask for the child.
func (o *offer) payloads() []message.Payload {
	var ps []message.Payload
	if o.mode == esp.Transport {
		ps = append(ps, &message.Notify{Kind: message.UseTransportMode})
	}
	ps = append(ps, crypt.Offer(o.proposals, spiBytes(o.spi)))
	if o.create {
		ps = append(ps, &message.Nonce{Data: o.ni})
	}
	if o.ke != nil {
		ps = append(ps, &message.KE{Group: o.ke.Group(), Data: o.ke.Public()})
	}
	return append(ps, tsPayload(false, o.localTS), tsPayload(true, o.remoteTS))
}

// agree checks the answer (RFC 7296, Section 1.3.1) and returns the pair that was
// agreed on.
func (o *offer) agree(s *session, ps []message.Payload, now time.Time) (*child, error) {
	answer, ok := message.Get[*message.SA](ps)
	tsi, tsr := message.GetTS(ps, false), message.GetTS(ps, true)
	if !ok || tsi == nil || tsr == nil {
		return nil, errors.New("the answer lacks SA, TSi or TSr")
	}
	var err error
	if o.choice, err = crypt.Verify(answer, o.proposals, 4); err != nil {
		return nil, err
	}
	c, err := o.child(o.choice, message.GetNotify(ps, message.UseTransportMode) != nil, now)
	if err != nil {
		return nil, err
	}
	if err := o.narrow(c, s, selectors(tsi), selectors(tsr)); err != nil {
		return nil, err
	}
	o.shared, err = o.exchange(s.cur.choice.MinNonce(), o.choice, ps)
	return c, err
}

// keys derives the keys of what agree returned (RFC 7296, Section 2.17), after
// additional key exchanges with the secrets more. From then on the SPI belongs to
// the child.
func (o *offer) keys(sa *ikeSA, more ...crypt.Secret) (childKeys, error) {
	keys, err := sa.keys.Child(o.choice, o.ni, o.nr, o.shared, more...)
	if err != nil {
		return childKeys{}, err
	}
	o.spi = 0
	o.wipe()
	return keysFor(keys, true), nil
}

// child makes the pair that choice agrees on.
func (o *offer) child(choice crypt.Choice, transport bool, now time.Time) (*child, error) {
	spiOut, err := childSPI(choice)
	if err != nil {
		return nil, err
	}
	suite, ok := SuiteOf(choice)
	if !ok {
		return nil, fmt.Errorf("ESP cannot do %v", choice)
	}
	if transport != (o.mode == esp.Transport) {
		return nil, fmt.Errorf("the peer does not agree to %v mode", o.mode)
	}
	return &child{layer: o.layer, spiIn: o.spi, spiOut: spiOut, suite: suite, mode: o.mode, born: now}, nil
}

// narrow sets the selectors that the responder left of the offered ones (RFC
// 7296, Section 2.9).
func (o *offer) narrow(c *child, s *session, tsi, tsr []policy.Selector) error {
	if !policy.CoversAll(o.localTS, tsi) || !policy.CoversAll(o.remoteTS, tsr) {
		return fmt.Errorf("the peer widened the selectors: offered local %s, remote %s; answered local %s, remote %s",
			tsText(o.localTS), tsText(o.remoteTS), tsText(tsi), tsText(tsr))
	}
	if lease := s.leaseSelectors(); s.initiator && len(lease) > 0 && c.mode == esp.Tunnel {
		tsi = policy.Intersect(tsi, lease)
	}
	if len(tsi) == 0 || len(tsr) == 0 {
		return fmt.Errorf("the peer left no selectors: local %s, remote %s", tsText(tsi), tsText(tsr))
	}
	if o.whole && !(policy.CoversAll(tsi, o.localTS) && policy.CoversAll(tsr, o.remoteTS)) {
		return fmt.Errorf("the peer narrowed the selectors of a rekey: in use local %s, remote %s; answered local %s, remote %s",
			tsText(o.localTS), tsText(o.remoteTS), tsText(tsi), tsText(tsr))
	}
	c.localTS, c.remoteTS = tsi, tsr
	return nil
}

// exchange reads the nonce of a CREATE_CHILD_SA answer and finishes the key
// exchange if one was agreed on.
func (o *offer) exchange(minNonce int, choice crypt.Choice, ps []message.Payload) (crypt.Secret, error) {
	if !o.create {
		return nil, nil
	}
	nr, ok := message.Get[*message.Nonce](ps)
	if !ok || len(nr.Data) < minNonce {
		return nil, errors.New("the answer has no nonce, or one that is too short")
	}
	o.nr = slices.Clone(nr.Data)
	if choice.DH == message.DHNone {
		return nil, nil
	}
	ke, ok := message.Get[*message.KE](ps)
	if !ok || o.ke == nil || ke.Group != choice.DH || o.ke.Group() != choice.DH {
		return nil, fmt.Errorf("the answer has no key exchange for %v", choice.DH)
	}
	return o.ke.Finish(ke.Data)
}
