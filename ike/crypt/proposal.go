package crypt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/ike/message"
)

// A Proposal is what is acceptable for an SA: any combination of one algorithm
// of each type, the first of a type being the most wanted. All encryption here
// is by AEADs, so there is no integrity algorithm to choose.
type Proposal struct {
	Protocol message.Protocol // ProtoIKE or ProtoESP
	Encr     []Encr
	PRF      []message.PRFID   // IKE only
	DH       []message.DHGroup // in ESP for perfect forward secrecy, empty for none
	ESN      []message.ESNID   // ESP only
}

// ParseIKE reads a proposal for an IKE SA in strongSwan's notation, as in
// "aes256gcm16-aes128gcm16-prfsha384-x25519-ecp256". It needs encryption, a prf
// and a key exchange.
func ParseIKE(s string) (Proposal, error) {
	p, err := parse(s, message.ProtoIKE)
	switch {
	case err != nil:
	case len(p.Encr) == 0:
		err = errors.New("names no encryption, like aes128gcm16")
	case len(p.PRF) == 0:
		err = errors.New("names no prf, like prfsha256")
	case len(p.DH) == 0:
		err = errors.New("names no key exchange, like x25519")
	}
	return finish(s, p, err)
}

// ParseESP reads a proposal for a child SA, as in "aes128gcm16-esn-noesn". A
// key exchange in it asks for perfect forward secrecy in CREATE_CHILD_SA;
// without esn or noesn it means noesn, as in strongSwan.
func ParseESP(s string) (Proposal, error) {
	p, err := parse(s, message.ProtoESP)
	if err == nil && len(p.Encr) == 0 {
		err = errors.New("names no encryption, like aes128gcm16")
	}
	if len(p.ESN) == 0 {
		p.ESN = []message.ESNID{message.ESNNo}
	}
	return finish(s, p, err)
}

func finish(s string, p Proposal, err error) (Proposal, error) {
	if err != nil {
		return Proposal{}, fmt.Errorf("ike/crypt: proposal %q: %w", s, err)
	}
	return p, nil
}

func parse(s string, proto message.Protocol) (Proposal, error) {
	p := Proposal{Protocol: proto}
	for name := range strings.SplitSeq(s, "-") {
		t, err := lookup(name, proto)
		if err != nil {
			return p, err
		}
		if !p.add(t) {
			return p, fmt.Errorf("%q is named twice", name)
		}
	}
	return p, nil
}

// add appends the algorithm of t, unless it is there already.
func (p *Proposal) add(t token) bool {
	switch t.typ {
	case message.TransformEncr:
		return addNew(&p.Encr, Encr{message.EncrID(t.id), t.keyLen})
	case message.TransformPRF:
		return addNew(&p.PRF, message.PRFID(t.id))
	case message.TransformKE:
		return addNew(&p.DH, message.DHGroup(t.id))
	default:
		return addNew(&p.ESN, message.ESNID(t.id))
	}
}

func addNew[T comparable](list *[]T, x T) bool {
	if slices.Contains(*list, x) {
		return false
	}
	*list = append(*list, x)
	return true
}

// String writes p in the notation that ParseIKE and ParseESP read.
func (p Proposal) String() string {
	var words []string
	for _, t := range p.transforms() {
		words = append(words, tokenName(t.Type, t.ID, t.KeyLen))
	}
	return strings.Join(words, "-")
}

// transforms lists the algorithms of p in strongSwan's order.
func (p Proposal) transforms() []message.Transform {
	var ts []message.Transform
	for _, e := range p.Encr {
		ts = append(ts, message.Transform{Type: message.TransformEncr, ID: uint16(e.ID), KeyLen: e.KeyLen})
	}
	for _, id := range p.PRF {
		ts = append(ts, message.Transform{Type: message.TransformPRF, ID: uint16(id)})
	}
	for _, id := range p.DH {
		ts = append(ts, message.Transform{Type: message.TransformKE, ID: uint16(id)})
	}
	for _, id := range p.ESN {
		ts = append(ts, message.Transform{Type: message.TransformESN, ID: uint16(id)})
	}
	return ts
}

// WithoutDH is p as IKE_AUTH offers it: that exchange has no key exchange for
// its child SA (RFC 7296, Section 1.2).
func (p Proposal) WithoutDH() Proposal {
	p.DH = nil
	return p
}

// DefaultIKE is what an IKE SA is made with where nothing is configured: the
// MUSTs and SHOULDs of RFC 8247 that are AEADs, the strongest first, and X25519,
// which RFC 8247 does not rank, before the groups that it does.
func DefaultIKE() []Proposal {
	return []Proposal{{
		Protocol: message.ProtoIKE,
		Encr:     defaultEncr(),
		PRF:      []message.PRFID{message.PRFHMACSHA512, message.PRFHMACSHA384, message.PRFHMACSHA256},
		DH:       []message.DHGroup{message.DHX25519, message.DHECP384, message.DHECP256, message.DHMODP2048},
	}}
}

// DefaultESP is what a child SA is made with where nothing is configured (RFC
// 8221), without perfect forward secrecy, as peers without it would refuse to
// rekey otherwise.
func DefaultESP() []Proposal {
	return []Proposal{{
		Protocol: message.ProtoESP,
		Encr:     defaultEncr(),
		ESN:      []message.ESNID{message.ESNYes, message.ESNNo},
	}}
}

func defaultEncr() []Encr {
	return []Encr{{message.EncrAESGCM16, 256}, {message.EncrChaCha20Poly1305, 0}, {message.EncrAESGCM16, 128}}
}

// Offer makes the SA payload of an initiator, with ps numbered from 1. Spi is
// the initiator's: none in IKE_SA_INIT, 8 octets to rekey an IKE SA, 4 for ESP.
func Offer(ps []Proposal, spi []byte) *message.SA {
	sa := new(message.SA)
	for i, p := range ps {
		sa.Proposals = append(sa.Proposals, message.Proposal{
			Number: uint8(i + 1), Protocol: p.Protocol, SPI: spi, Transforms: p.transforms(),
		})
	}
	return sa
}
