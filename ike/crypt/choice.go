package crypt

import (
	"strings"

	"warren/ike/message"
)

// A Choice is one algorithm of each type: what two peers agreed on.
type Choice struct {
	Number   uint8 // of the proposal that was chosen
	Protocol message.Protocol
	SPI      []byte // of the peer that sent the SA payload; empty in IKE_SA_INIT
	Encr     Encr
	PRF      message.PRFID
	DH       message.DHGroup // DHNone for a child SA without a key exchange
	ESN      message.ESNID

	// The proposal listed NONE for the type, and then the answer names it too
	// (RFC 7296, Section 3.3.6: one transform of each type is returned).
	integNone, dhNone bool
}

// ESN64 reports whether the SA counts its packets in 64 bits.
func (c Choice) ESN64() bool { return c.ESN == message.ESNYes }

// Answer makes the responder's SA payload. Spi is the responder's own.
func (c Choice) Answer(spi []byte) *message.SA {
	p := message.Proposal{Number: c.Number, Protocol: c.Protocol, SPI: spi}
	add := func(t message.TransformType, id, keyLen uint16) {
		p.Transforms = append(p.Transforms, message.Transform{Type: t, ID: id, KeyLen: keyLen})
	}
	add(message.TransformEncr, uint16(c.Encr.ID), c.Encr.KeyLen)
	if c.integNone {
		add(message.TransformInteg, uint16(message.IntegNone), 0)
	}
	if c.Protocol == message.ProtoIKE {
		add(message.TransformPRF, uint16(c.PRF), 0)
	}
	if c.DH != message.DHNone || c.dhNone {
		add(message.TransformKE, uint16(c.DH), 0)
	}
	if c.Protocol == message.ProtoESP {
		add(message.TransformESN, uint16(c.ESN), 0)
	}
	return &message.SA{Proposals: []message.Proposal{p}}
}

// String writes the choice in proposal notation, without what was not chosen.
func (c Choice) String() string {
	words := []string{tokenName(message.TransformEncr, uint16(c.Encr.ID), c.Encr.KeyLen)}
	if c.Protocol == message.ProtoIKE {
		words = append(words, tokenName(message.TransformPRF, uint16(c.PRF), 0))
	}
	if c.DH != message.DHNone {
		words = append(words, tokenName(message.TransformKE, uint16(c.DH), 0))
	}
	if c.Protocol == message.ProtoESP {
		words = append(words, tokenName(message.TransformESN, uint16(c.ESN), 0))
	}
	return strings.Join(words, "-")
}
