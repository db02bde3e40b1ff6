package crypt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/ike/message"
)

// A Proposal is what is acceptable for an SA: any combination of one algorithm
// of each type, the first of a type being the most wanted. Either all its
// ciphers are AEADs, or none is and there are integrity algorithms.
type Proposal struct {
	Protocol message.Protocol // ProtoIKE or ProtoESP
	Encr     []Encr
	Integ    []message.IntegID           // empty with AEADs
	PRF      []message.PRFID             // IKE only
	DH       []message.DHGroup           // in ESP for perfect forward secrecy, empty for none
	AddKE    [MaxAddKE][]message.DHGroup // additional key exchanges (RFC 9370); DHNone makes one optional
	ESN      []message.ESNID             // ESP only
}

// ParseIKE reads a proposal for an IKE SA in strongSwan's notation, as in
// "aes256gcm16-aes128gcm16-prfsha384-x25519-ecp256-ke1_mlkem768" or
// "aes128-sha256-modp3072". It needs encryption, a prf and a key exchange, and
// integrity beside AES-CBC. As in strongSwan, integrity algorithms stand for the
// prfs of the same hashes where no prf is named, and are no more than that
// beside AEADs.
func ParseIKE(s string) (Proposal, error) {
	p, err := parse(s, message.ProtoIKE)
	if len(p.PRF) == 0 {
		p.PRF = prfsOf(p.Integ)
	}
	if err == nil {
		err = p.protect()
	}
	switch {
	case err != nil:
	case len(p.PRF) == 0:
		err = errors.New("names no prf, like prfsha256")
	case len(p.DH) == 0:
		err = errors.New("names no key exchange, like x25519")
	default:
		err = p.checkAddKE()
	}
	return finish(s, p, err)
}

// ParseESP reads a proposal for a child SA, as in "aes128gcm16-esn-noesn" or
// "aes256-sha512". A key exchange in it asks for perfect forward secrecy in
// CREATE_CHILD_SA; without esn or noesn it means noesn, as in strongSwan.
func ParseESP(s string) (Proposal, error) {
	p, err := parse(s, message.ProtoESP)
	if err == nil {
		err = p.protect()
	}
	if err == nil {
		err = p.checkAddKE()
	}
	if len(p.ESN) == 0 {
		p.ESN = []message.ESNID{message.ESNNo}
	}
	return finish(s, p, err)
}

// protect checks that the ciphers and integrity algorithms go together, and
// drops those that AEADs have no use for.
func (p *Proposal) protect() error {
	if len(p.Encr) == 0 {
		return errors.New("names no encryption, like aes128gcm16")
	}
	first := p.Encr[0]
	for _, e := range p.Encr {
		if e.AEAD() != first.AEAD() {
			return fmt.Errorf("mixes %s, which needs an integrity algorithm, and %s, which has its own: write two proposals",
				nameOf(pickEncr(p.Encr, false)), nameOf(pickEncr(p.Encr, true)))
		}
	}
	if first.AEAD() {
		p.Integ = nil
	} else if len(p.Integ) == 0 {
		return fmt.Errorf("names no integrity algorithm for %s, like sha256", nameOf(first))
	}
	return nil
}

func nameOf(e Encr) string { return tokenName(message.TransformEncr, uint16(e.ID), e.KeyLen) }

func pickEncr(es []Encr, aead bool) Encr {
	return es[slices.IndexFunc(es, func(e Encr) bool { return e.AEAD() == aead })]
}

// prfsOf are the prfs of the same hashes.
func prfsOf(integ []message.IntegID) (prfs []message.PRFID) {
	for _, id := range integ {
		switch id {
		case message.IntegHMACSHA256128:
			prfs = append(prfs, message.PRFHMACSHA256)
		case message.IntegHMACSHA384192:
			prfs = append(prfs, message.PRFHMACSHA384)
		case message.IntegHMACSHA512256:
			prfs = append(prfs, message.PRFHMACSHA512)
		}
	}
	return prfs
}

// checkAddKE checks that the additional key exchanges, if any, have one to
// follow, and that no method must come twice (RFC 9370, Section 2.2.1).
func (p *Proposal) checkAddKE() error {
	required := false
	for _, list := range p.AddKE {
		required = required || len(list) > 0 && !slices.Contains(list, message.DHNone)
	}
	switch {
	case !p.HasAddKE():
		return nil
	case len(p.DH) == 0:
		return errors.New("names an additional key exchange and none to follow, like x25519")
	case required && slices.Contains(p.DH, message.DHNone):
		return errors.New("makes the first key exchange optional and an additional one not: write ke1_none beside it, or leave out modpnone")
	}
	var c Choice
	if !c.kex(p.message(0, nil), *p) {
		return errors.New("needs the same key exchange twice, which no peer may choose")
	}
	return nil
}

// HasAddKE reports whether p names additional key exchanges, if only optional
// ones.
func (p Proposal) HasAddKE() bool {
	return slices.ContainsFunc(p.AddKE[:], func(l []message.DHGroup) bool { return len(l) > 0 })
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
	case message.TransformInteg:
		return addNew(&p.Integ, message.IntegID(t.id))
	case message.TransformPRF:
		return addNew(&p.PRF, message.PRFID(t.id))
	case message.TransformKE:
		return addNew(&p.DH, message.DHGroup(t.id))
	case message.TransformESN:
		return addNew(&p.ESN, message.ESNID(t.id))
	default:
		return addNew(&p.AddKE[t.typ-message.TransformAddKE1], message.DHGroup(t.id))
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

// transforms lists the algorithms of p, in strongSwan's order but for ESN, which
// is last.
func (p Proposal) transforms() []message.Transform {
	var ts []message.Transform
	for _, e := range p.Encr {
		ts = append(ts, message.Transform{Type: message.TransformEncr, ID: uint16(e.ID), KeyLen: e.KeyLen})
	}
	ts = appendIDs(ts, message.TransformInteg, p.Integ)
	ts = appendIDs(ts, message.TransformPRF, p.PRF)
	ts = appendIDs(ts, message.TransformKE, p.DH)
	for i, list := range p.AddKE {
		ts = appendIDs(ts, addKE(i), list)
	}
	return appendIDs(ts, message.TransformESN, p.ESN)
}

func appendIDs[ID ~uint16](ts []message.Transform, t message.TransformType, ids []ID) []message.Transform {
	for _, id := range ids {
		ts = append(ts, message.Transform{Type: t, ID: uint16(id)})
	}
	return ts
}

// WithoutDH is p as IKE_AUTH offers it: that exchange has no key exchange for
// its child SA (RFC 7296, Section 1.2).
func (p Proposal) WithoutDH() Proposal {
	p.DH, p.AddKE = nil, [MaxAddKE][]message.DHGroup{}
	return p
}

// WithoutAddKE lists what is left of ps for a peer that has no IKE_INTERMEDIATE
// to do additional key exchanges in: those proposals that can go without.
func WithoutAddKE(ps []Proposal) []Proposal {
	var left []Proposal
	for _, p := range ps {
		required := slices.ContainsFunc(p.AddKE[:], func(l []message.DHGroup) bool {
			return len(l) > 0 && !slices.Contains(l, message.DHNone)
		})
		if !required {
			p.AddKE = [MaxAddKE][]message.DHGroup{}
			left = append(left, p)
		}
	}
	return left
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
		sa.Proposals = append(sa.Proposals, p.message(uint8(i+1), spi))
	}
	return sa
}

func (p Proposal) message(number uint8, spi []byte) message.Proposal {
	return message.Proposal{Number: number, Protocol: p.Protocol, SPI: spi, Transforms: p.transforms()}
}
