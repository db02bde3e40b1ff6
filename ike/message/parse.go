package message

// Limits on what one message may hold. More is ErrTooMany.
const (
	MaxPayloads   = 64  // in the clear, and again inside SK
	MaxProposals  = 32  // in an SA
	MaxTransforms = 128 // in a proposal
	MaxAttributes = 8   // in a transform
	MaxSPIs       = 256 // in a Delete
	MaxCPAttrs    = 64  // in a CP
)

const (
	genericLen  = 4    // generic payload header
	criticalBit = 0x80 // in its second octet
)

// Parse decodes one datagram, which it keeps as Raw and which the payloads
// alias. SK and SKF are left closed, as *Encrypted and *EncryptedFragment.
//
// It does not know of exchanges: which payloads must be there, once, is for the
// caller to check.
func Parse(b []byte) (*Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	ps, err := parseChain(h.Next, b[HeaderLen:], HeaderLen, false)
	if err != nil {
		return nil, err
	}
	return &Message{Header: h, Payloads: ps, Raw: b}, nil
}

// ParsePayloads decodes the payloads that were inside an SK payload. Offsets in
// errors count from the start of b.
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) {
	return parseChain(first, b, 0, true)
}

// parseChain follows the next-payload fields through b, whose first byte is at
// base, and wants to end where b ends.
func parseChain(next PayloadType, b []byte, base int, inner bool) ([]Payload, error) {
	var (
		fail failure
		ps   []Payload
		r    = reader{b: b, off: base, fail: &fail}
	)
	for next != PayloadNone {
		if len(ps) == MaxPayloads {
			return nil, &ParseError{next, r.off, ErrTooMany}
		}
		this := next
		var p Payload
		p, next = r.payload(this, inner)
		if !r.ok() {
			return nil, &ParseError{this, fail.off, fail.err}
		}
		ps = append(ps, p)
	}
	if r.end(); !r.ok() {
		return nil, &ParseError{PayloadNone, fail.off, fail.err}
	}
	return ps, nil
}

// payload decodes one payload with its generic header (RFC 7296, Section 3.2)
// and returns the type of the one after it.
func (r *reader) payload(t PayloadType, inner bool) (Payload, PayloadType) {
	start := r.off
	next := PayloadType(r.u8())
	critical := r.u8()&criticalBit != 0
	body := r.sub(int(r.u16()), genericLen)
	if t == PayloadSK || t == PayloadSKF {
		if inner {
			r.bad(ErrNested, start)
		}
		return body.encrypted(t, next), PayloadNone
	}
	p := body.body(t, critical, start)
	body.end()
	return p, next
}

// encrypted decodes SK or SKF. What follows it in the message is not a payload,
// and parseChain refuses it.
func (r *reader) encrypted(t, next PayloadType) Payload {
	if t == PayloadSK {
		off := r.off
		return &Encrypted{Next: next, Offset: off, Data: r.rest()}
	}
	f := &EncryptedFragment{Next: next}
	at := r.off
	f.Number, f.Total = r.u16(), r.u16()
	if f.Number == 0 || f.Number > f.Total { // RFC 7383, Section 2.5
		r.bad(ErrValue, at)
	}
	f.Offset = r.off
	f.Data = r.rest()
	return f
}

// body decodes what follows the generic header of any other payload. Critical
// counts only where the type is unknown (RFC 7296, Section 2.5).
func (r *reader) body(t PayloadType, critical bool, start int) Payload {
	switch t {
	case PayloadSA:
		return r.sa()
	case PayloadKE:
		return r.ke()
	case PayloadIDi, PayloadIDr:
		return r.id(t == PayloadIDr)
	case PayloadCert:
		return &Cert{Encoding: r.u8(), Data: r.rest()}
	case PayloadCertReq:
		return &CertReq{Encoding: r.u8(), Data: r.rest()}
	case PayloadAuth:
		return r.auth()
	case PayloadNonce:
		return r.nonce()
	case PayloadNotify:
		return r.notify()
	case PayloadDelete:
		return r.delete()
	case PayloadVendorID:
		return &VendorID{Data: r.rest()}
	case PayloadTSi, PayloadTSr:
		return r.ts(t == PayloadTSr)
	case PayloadCP:
		return r.cp()
	case PayloadEAP:
		return r.eap()
	}
	if critical {
		r.bad(ErrCritical, start)
	}
	return &Unknown{Kind: t, Data: r.rest()}
}
