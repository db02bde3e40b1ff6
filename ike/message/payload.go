package message

// A Payload is one payload of a message, a pointer to one of the structs below.
// Payloads of types this package does not know are *Unknown.
type Payload interface {
	// Type is the payload type that announces this payload on the wire.
	Type() PayloadType
	// appendBody adds what follows the generic payload header.
	appendBody(b []byte) ([]byte, error)
}

// KE carries one side's public value (RFC 7296, Section 3.4).
type KE struct {
	Group DHGroup
	Data  []byte
}

// ID is the identity of one side (RFC 7296, Section 3.5).
type ID struct {
	Responder bool // IDr instead of IDi
	IDType    IDType
	Reserved  [3]byte // zero when sent; kept when received, because it is signed
	Data      []byte
}

// Auth proves an identity (RFC 7296, Section 3.8).
type Auth struct {
	Method AuthMethod
	Data   []byte
}

// Nonce is Ni or Nr, 16 to 256 octets (RFC 7296, Section 3.9).
type Nonce struct {
	Data []byte
}

// Notify informs about an error or a state (RFC 7296, Section 3.10).
type Notify struct {
	Protocol Protocol
	SPI      []byte
	Kind     NotifyType
	Data     []byte
}

// Delete announces SAs that the sender has deleted (RFC 7296, Section 3.11).
// SPIs are the sender's inbound ones, and none for ProtoIKE, which means the SA
// that carries the message.
type Delete struct {
	Protocol Protocol
	SPIs     []uint32
}

// VendorID is an implementation's mark (RFC 7296, Section 3.12).
type VendorID struct {
	Data []byte
}

// Cert is a certificate or a part of one (RFC 7296, Section 3.6), opaque here.
type Cert struct {
	Encoding uint8
	Data     []byte
}

// CertReq names acceptable trust anchors (RFC 7296, Section 3.7), opaque here.
type CertReq struct {
	Encoding uint8
	Data     []byte
}

// EAP is one EAP message (RFC 7296, Section 3.16), opaque here but for its
// length field.
type EAP struct {
	Data []byte
}

// Encrypted is an SK payload (RFC 7296, Section 3.14): IV, ciphertext and ICV.
// It is always the last payload of its message.
type Encrypted struct {
	Next   PayloadType // type of the first payload inside
	Offset int         // of Data in the message it was parsed from: the AAD ends there
	Data   []byte
}

// EncryptedFragment is an SKF payload (RFC 7383, Section 2.5). It is always the
// last payload of its message.
type EncryptedFragment struct {
	Next   PayloadType // type of the first payload inside, in fragment 1 only
	Number uint16      // from 1
	Total  uint16
	Offset int // of Data in the message it was parsed from: the AAD ends there
	Data   []byte
}

// Unknown is a payload of a type this package does not know. Parsing refuses it
// when it is critical (RFC 7296, Section 2.5), so Critical is set only by who
// builds one.
type Unknown struct {
	Kind     PayloadType
	Critical bool
	Data     []byte
}

// Type returns PayloadKE.
func (*KE) Type() PayloadType { return PayloadKE }

// Type returns PayloadIDi or PayloadIDr.
func (p *ID) Type() PayloadType {
	if p.Responder {
		return PayloadIDr
	}
	return PayloadIDi
}

// Type returns PayloadAuth.
func (*Auth) Type() PayloadType { return PayloadAuth }

// Type returns PayloadNonce.
func (*Nonce) Type() PayloadType { return PayloadNonce }

// Type returns PayloadNotify.
func (*Notify) Type() PayloadType { return PayloadNotify }

// Type returns PayloadDelete.
func (*Delete) Type() PayloadType { return PayloadDelete }

// Type returns PayloadVendorID.
func (*VendorID) Type() PayloadType { return PayloadVendorID }

// Type returns PayloadCert.
func (*Cert) Type() PayloadType { return PayloadCert }

// Type returns PayloadCertReq.
func (*CertReq) Type() PayloadType { return PayloadCertReq }

// Type returns PayloadEAP.
func (*EAP) Type() PayloadType { return PayloadEAP }

// Type returns PayloadSK.
func (*Encrypted) Type() PayloadType { return PayloadSK }

// Type returns PayloadSKF.
func (*EncryptedFragment) Type() PayloadType { return PayloadSKF }

// Type returns p.Kind.
func (p *Unknown) Type() PayloadType { return p.Kind }
