package crypt

import (
	"slices"
	"strings"

	"warren/ike/message"
)

// MaxAddKE is how many additional key exchanges an SA can have (RFC 9370,
// Section 2.2.1).
const MaxAddKE = 7

// A Choice is one algorithm of each type: what two peers agreed on.
type Choice struct {
	Number   uint8 // of the proposal that was chosen
	Protocol message.Protocol
	SPI      []byte // of the peer that sent the SA payload; empty in IKE_SA_INIT
	Encr     Encr
	Integ    message.IntegID // IntegNone with an AEAD
	PRF      message.PRFID
	DH       message.DHGroup           // DHNone for a child SA without a key exchange
	AddKE    [MaxAddKE]message.DHGroup // additional key exchanges, DHNone where there is none
	ESN      message.ESNID

	// The proposal listed NONE for the type, and then the answer names it too
	// (RFC 7296, Section 3.3.6: one transform of each type is returned).
	integNone, dhNone bool
	addNone           [MaxAddKE]bool
}

// ESN64 reports whether the SA counts its packets in 64 bits.
func (c Choice) ESN64() bool { return c.ESN == message.ESNYes }

// MinNonce is how long the nonces of an IKE SA that was agreed on must be.
func (c Choice) MinNonce() int {
	prf, err := NewPRF(c.PRF)
	if err != nil {
		return message.MaxNonce
	}
	return prf.minNonce()
}

// More lists the additional key exchanges in the order in which they take place.
func (c Choice) More() []message.DHGroup {
	var more []message.DHGroup
	for _, g := range c.AddKE {
		if g != message.DHNone {
			more = append(more, g)
		}
	}
	return more
}

// transforms lists what was chosen; answer adds the NONEs that an SA payload
// says aloud.
func (c Choice) transforms(answer bool) []message.Transform {
	ts := []message.Transform{{Type: message.TransformEncr, ID: uint16(c.Encr.ID), KeyLen: c.Encr.KeyLen}}
	add := func(t message.TransformType, id uint16, aloud bool) {
		if id != 0 || answer && aloud {
			ts = append(ts, message.Transform{Type: t, ID: id})
		}
	}
	add(message.TransformInteg, uint16(c.Integ), c.integNone)
	if c.Protocol == message.ProtoIKE {
		add(message.TransformPRF, uint16(c.PRF), true)
	}
	add(message.TransformKE, uint16(c.DH), c.dhNone)
	for i, g := range c.AddKE {
		add(addKE(i), uint16(g), c.addNone[i])
	}
	if c.Protocol == message.ProtoESP {
		ts = append(ts, message.Transform{Type: message.TransformESN, ID: uint16(c.ESN)})
	}
	return ts
}

// addKE is the type of the i-th additional key exchange, from 0.
func addKE(i int) message.TransformType { return message.TransformAddKE1 + message.TransformType(i) }

// Answer makes the responder's SA payload. Spi is the responder's own.
func (c Choice) Answer(spi []byte) *message.SA {
	return &message.SA{Proposals: []message.Proposal{{
		Number: c.Number, Protocol: c.Protocol, SPI: spi, Transforms: c.transforms(true),
	}}}
}

// String writes the choice in proposal notation, without what was not chosen.
func (c Choice) String() string {
	var words []string
	for _, t := range c.transforms(false) {
		words = append(words, tokenName(t.Type, t.ID, t.KeyLen))
	}
	return strings.Join(words, "-")
}

// Suite writes what protects packets, in proposal notation without words for what
// is not there, such as "aes128-sha256-esn".
func (c Choice) Suite() string {
	words := []string{nameOf(c.Encr)}
	if c.Integ != message.IntegNone {
		words = append(words, tokenName(message.TransformInteg, uint16(c.Integ), 0))
	}
	if c.ESN64() {
		words = append(words, tokenName(message.TransformESN, uint16(c.ESN), 0))
	}
	return strings.Join(words, "-")
}

// Permits reports whether p would have allowed c, which was chosen of another
// proposal.
func (p Proposal) Permits(c Choice) bool {
	if p.Protocol != c.Protocol || !slices.Contains(p.Encr, c.Encr) || !slices.Contains(p.PRF, c.PRF) ||
		!slices.Contains(p.DH, c.DH) || !c.Encr.AEAD() && !slices.Contains(p.Integ, c.Integ) {
		return false
	}
	for i, g := range c.AddKE {
		if none := g == message.DHNone && len(p.AddKE[i]) == 0; !none && !slices.Contains(p.AddKE[i], g) {
			return false
		}
	}
	return true
}
