package message

import "encoding/binary"

// Nonces have 16 to 256 octets (RFC 7296, Section 3.9).
const (
	MinNonce = 16
	MaxNonce = 256
)

func (r *reader) ke() *KE {
	p := &KE{Group: DHGroup(r.u16())}
	r.take(2)
	p.Data = r.rest()
	return p
}

func (p *KE) appendBody(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, uint16(p.Group))
	return append(append(b, 0, 0), p.Data...), nil
}

func (r *reader) id(responder bool) *ID {
	p := &ID{Responder: responder, IDType: IDType(r.u8())}
	copy(p.Reserved[:], r.take(3))
	at := r.off
	p.Data = r.rest()
	if p.IDType == IDIPv4 && len(p.Data) != 4 || p.IDType == IDIPv6 && len(p.Data) != 16 {
		r.bad(ErrLength, at)
	}
	return p
}

// Body returns the octets after the generic header, which the AUTH payload
// proves (RestOfInitIDPayload in RFC 7296, Section 2.15).
func (p *ID) Body() []byte {
	b := append(make([]byte, 0, 4+len(p.Data)), byte(p.IDType))
	return append(append(b, p.Reserved[:]...), p.Data...)
}

func (p *ID) appendBody(b []byte) ([]byte, error) { return append(b, p.Body()...), nil }

func (p *Cert) appendBody(b []byte) ([]byte, error) {
	return append(append(b, p.Encoding), p.Data...), nil
}

func (p *CertReq) appendBody(b []byte) ([]byte, error) {
	return append(append(b, p.Encoding), p.Data...), nil
}

func (r *reader) auth() *Auth {
	p := &Auth{Method: AuthMethod(r.u8())}
	r.take(3)
	p.Data = r.rest()
	return p
}

func (p *Auth) appendBody(b []byte) ([]byte, error) {
	return append(append(b, byte(p.Method), 0, 0, 0), p.Data...), nil
}

func (r *reader) nonce() *Nonce {
	at := r.off
	p := &Nonce{Data: r.rest()}
	if n := len(p.Data); n < MinNonce || n > MaxNonce {
		r.bad(ErrLength, at)
	}
	return p
}

func (p *Nonce) appendBody(b []byte) ([]byte, error) { return append(b, p.Data...), nil }

func (p *VendorID) appendBody(b []byte) ([]byte, error) { return append(b, p.Data...), nil }

// eap checks the one length inside that could underflow later: the EAP message
// is as long as its payload (RFC 7296, Section 3.16).
func (r *reader) eap() *EAP {
	at, n := r.off, len(r.b)
	p := &EAP{Data: r.rest()}
	if n < 4 || int(binary.BigEndian.Uint16(p.Data[2:])) != n {
		r.bad(ErrLength, at)
	}
	return p
}

func (p *EAP) appendBody(b []byte) ([]byte, error) { return append(b, p.Data...), nil }

func (p *Unknown) appendBody(b []byte) ([]byte, error) { return append(b, p.Data...), nil }

func (p *Encrypted) appendBody(b []byte) ([]byte, error) { return append(b, p.Data...), nil }

func (p *EncryptedFragment) appendBody(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, p.Number)
	b = binary.BigEndian.AppendUint16(b, p.Total)
	return append(b, p.Data...), nil
}
