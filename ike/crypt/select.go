package crypt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/ike/message"
)

// ErrNoProposal means that no offered proposal is acceptable, and is answered
// with NO_PROPOSAL_CHOSEN. ErrNotOffered means that a responder chose what it
// was not offered, which ends the exchange (RFC 7296, Section 3.3.6); ErrDropped
// that it left out a key exchange that is required, as a downgrade would.
var (
	ErrNoProposal = errors.New("no proposal is acceptable")
	ErrNotOffered = errors.New("answer was not offered")
	ErrDropped    = errors.New("the peer dropped an additional key exchange")
)

// Select chooses as a responder: the first offered proposal that one of own
// allows, and of each type the first algorithm in it that own allows, so the
// initiator's order decides. SpiLen is the length that SPIs must have: 0 in
// IKE_SA_INIT, 8 to rekey an IKE SA, 4 for ESP.
//
// If the request's KE payload is for another group than the Choice's DH, the
// answer is INVALID_KE_PAYLOAD with that DH, unless it is DHNone, which makes
// KE superfluous.
func Select(offer *message.SA, own []Proposal, spiLen int) (Choice, error) {
	for i, offered := range offer.Proposals {
		if int(offered.Number) != i+1 { // RFC 7296, Section 3.3.1
			break
		}
		for _, p := range own {
			if c, ok := match(offered, p, spiLen); ok {
				return c, nil
			}
		}
	}
	return Choice{}, fmt.Errorf("ike/crypt: %w: offered %s, accepted here %s", ErrNoProposal, Describe(offer), join(own))
}

// Verify checks, as an initiator, that the answer is exactly one choice from
// what was offered, with SPIs of spiLen octets. Offered is what Offer was given.
func Verify(answer *message.SA, offered []Proposal, spiLen int) (Choice, error) {
	fail := func() (Choice, error) {
		return Choice{}, fmt.Errorf("ike/crypt: %w: answer %s, offered %s", ErrNotOffered, Describe(answer), join(offered))
	}
	if len(answer.Proposals) != 1 {
		return fail()
	}
	p := answer.Proposals[0]
	if p.Number == 0 || int(p.Number) > len(offered) {
		return fail()
	}
	seen := make(map[message.TransformType]bool)
	for _, t := range p.Transforms {
		if seen[t.Type] {
			return fail()
		}
		seen[t.Type] = true
	}
	own := offered[p.Number-1]
	if g := dropped(p, own); g != "" {
		return Choice{}, fmt.Errorf("%w: %s is missing in %s: take a peer that knows RFC 9370, or make it optional with %snone",
			ErrDropped, g, Describe(answer), g[:len("ke1_")])
	}
	c, ok := match(p, own, spiLen)
	if !ok {
		return fail()
	}
	return c, nil
}

// dropped names the first additional key exchange that own needs and the answer
// p left out.
func dropped(p message.Proposal, own Proposal) string {
	for i, allowed := range own.AddKE {
		answered := list(p, addKE(i))
		none := len(answered) == 0 || has(answered, uint16(message.DHNone))
		if len(allowed) > 0 && none && !slices.Contains(allowed, message.DHNone) {
			return tokenName(addKE(i), uint16(allowed[0]), 0)
		}
	}
	return ""
}

// match chooses from a received proposal what own allows.
func match(p message.Proposal, own Proposal, spiLen int) (c Choice, ok bool) {
	if p.Protocol != own.Protocol || len(p.SPI) != spiLen || !understood(p) {
		return Choice{}, false
	}
	c = Choice{Number: p.Number, Protocol: p.Protocol, SPI: p.SPI}
	if !c.encr(p, own) || !c.kex(p, own) {
		return Choice{}, false
	}
	if p.Protocol == message.ProtoIKE {
		c.PRF, ok = pick(p, message.TransformPRF, own.PRF)
	} else {
		c.ESN, ok = pick(p, message.TransformESN, own.ESN)
	}
	return c, ok
}

// understood reports whether all transform types in p belong to its protocol. A
// proposal with another type is unacceptable as a whole (RFC 7296, Sections
// 3.3.3 and 3.3.6).
func understood(p message.Proposal) bool {
	for _, t := range p.Transforms {
		switch t.Type {
		case message.TransformEncr, message.TransformInteg, message.TransformKE:
		case message.TransformPRF:
			if p.Protocol != message.ProtoIKE {
				return false
			}
		case message.TransformESN:
			if p.Protocol != message.ProtoESP {
				return false
			}
		default:
			if t.Type < message.TransformAddKE1 || t.Type > message.TransformAddKE7 {
				return false
			}
		}
	}
	return true
}

// encr takes the first cipher of p that own allows. An AEAD goes with no
// integrity algorithm or with NONE (RFC 5282, Section 8), any other with one
// that own allows.
func (c *Choice) encr(p message.Proposal, own Proposal) bool {
	offered := list(p, message.TransformInteg)
	none := has(offered, uint16(message.IntegNone))
	integ, found := pick(p, message.TransformInteg, own.Integ)
	for _, t := range list(p, message.TransformEncr) {
		e := Encr{message.EncrID(t.ID), t.KeyLen}
		if len(t.Other) > 0 || !e.Known() || !slices.Contains(own.Encr, e) {
			continue
		}
		switch {
		case e.AEAD() && (none || len(offered) == 0):
			c.Encr, c.integNone = e, none
			return true
		case !e.AEAD() && found && integ != message.IntegNone:
			c.Encr, c.Integ = e, integ
			return true
		}
	}
	return false
}

// pick returns the first transform of type t in p that is in own. One with an
// attribute is not: only encryption algorithms have any.
func pick[ID ~uint16](p message.Proposal, t message.TransformType, own []ID) (id ID, ok bool) {
	for _, x := range list(p, t) {
		if id = ID(x.ID); x.KeyLen == 0 && len(x.Other) == 0 && slices.Contains(own, id) {
			return id, true
		}
	}
	return 0, false
}

func list(p message.Proposal, t message.TransformType) (ts []message.Transform) {
	for _, x := range p.Transforms {
		if x.Type == t {
			ts = append(ts, x)
		}
	}
	return ts
}

func has(ts []message.Transform, id uint16) bool {
	return slices.ContainsFunc(ts, func(t message.Transform) bool {
		return t.ID == id && t.KeyLen == 0 && len(t.Other) == 0
	})
}

// Describe writes the proposals of a received SA payload in proposal notation,
// with IANA's names for what has none here.
func Describe(sa *message.SA) string {
	var all []string
	for _, p := range sa.Proposals {
		var words []string
		for _, t := range p.Transforms {
			words = append(words, tokenName(t.Type, t.ID, t.KeyLen))
		}
		all = append(all, p.Protocol.String()+":"+strings.Join(words, "-"))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func join(ps []Proposal) string {
	var all []string
	for _, p := range ps {
		all = append(all, p.Protocol.String()+":"+p.String())
	}
	return "[" + strings.Join(all, ", ") + "]"
}
