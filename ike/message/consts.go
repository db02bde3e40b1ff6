package message

import "strconv"

// name returns s, or kind(n) where the number has no name here.
func name(s, kind string, n uint64) string {
	if s != "" {
		return s
	}
	return kind + "(" + strconv.FormatUint(n, 10) + ")"
}

// An SPI names an IKE SA at one of its ends (RFC 7296, Section 3.1). SPIs of
// child SAs have four octets and are plain byte slices or uint32 here.
type SPI uint64

// SPILen is the size of an SPI of an IKE SA on the wire.
const SPILen = 8

func (s SPI) String() string {
	const digits = "0123456789abcdef"
	var b [2 * SPILen]byte
	for i := range b {
		b[i] = digits[s>>(60-4*i)&15]
	}
	return string(b[:])
}

// An ExchangeType says which exchange a message belongs to (RFC 7296, Section
// 3.1).
type ExchangeType uint8

// Exchange types of RFC 7296, RFC 5723, RFC 9242 and RFC 9370.
const (
	IKESAInit        ExchangeType = 34
	IKEAuth          ExchangeType = 35
	CreateChildSA    ExchangeType = 36
	Informational    ExchangeType = 37
	IKESessionResume ExchangeType = 38
	IKEIntermediate  ExchangeType = 43
	IKEFollowupKE    ExchangeType = 44
)

func (t ExchangeType) String() string {
	var s string
	switch t {
	case IKESAInit:
		s = "IKE_SA_INIT"
	case IKEAuth:
		s = "IKE_AUTH"
	case CreateChildSA:
		s = "CREATE_CHILD_SA"
	case Informational:
		s = "INFORMATIONAL"
	case IKESessionResume:
		s = "IKE_SESSION_RESUME"
	case IKEIntermediate:
		s = "IKE_INTERMEDIATE"
	case IKEFollowupKE:
		s = "IKE_FOLLOWUP_KE"
	}
	return name(s, "EXCHANGE", uint64(t))
}

// A PayloadType names a payload (RFC 7296, Section 3.2).
type PayloadType uint8

// Payload types of RFC 7296 and RFC 7383.
const (
	PayloadNone     PayloadType = 0
	PayloadSA       PayloadType = 33
	PayloadKE       PayloadType = 34
	PayloadIDi      PayloadType = 35
	PayloadIDr      PayloadType = 36
	PayloadCert     PayloadType = 37
	PayloadCertReq  PayloadType = 38
	PayloadAuth     PayloadType = 39
	PayloadNonce    PayloadType = 40
	PayloadNotify   PayloadType = 41
	PayloadDelete   PayloadType = 42
	PayloadVendorID PayloadType = 43
	PayloadTSi      PayloadType = 44
	PayloadTSr      PayloadType = 45
	PayloadSK       PayloadType = 46
	PayloadCP       PayloadType = 47
	PayloadEAP      PayloadType = 48
	PayloadSKF      PayloadType = 53
)

func (t PayloadType) String() string {
	var s string
	switch t {
	case PayloadNone:
		s = "header"
	case PayloadSA:
		s = "SA"
	case PayloadKE:
		s = "KE"
	case PayloadIDi:
		s = "IDi"
	case PayloadIDr:
		s = "IDr"
	case PayloadCert:
		s = "CERT"
	case PayloadCertReq:
		s = "CERTREQ"
	case PayloadAuth:
		s = "AUTH"
	case PayloadNonce:
		s = "NONCE"
	case PayloadNotify:
		s = "N"
	case PayloadDelete:
		s = "D"
	case PayloadVendorID:
		s = "V"
	case PayloadTSi:
		s = "TSi"
	case PayloadTSr:
		s = "TSr"
	case PayloadSK:
		s = "SK"
	case PayloadCP:
		s = "CP"
	case PayloadEAP:
		s = "EAP"
	case PayloadSKF:
		s = "SKF"
	}
	return name(s, "PAYLOAD", uint64(t))
}

// A Protocol is a security protocol identifier (RFC 7296, Section 3.3.1).
type Protocol uint8

// Security protocols. ProtoNone is what a Notify about no SA carries.
const (
	ProtoNone Protocol = 0
	ProtoIKE  Protocol = 1
	ProtoAH   Protocol = 2
	ProtoESP  Protocol = 3
)

func (p Protocol) String() string {
	var s string
	switch p {
	case ProtoNone:
		s = "none"
	case ProtoIKE:
		s = "IKE"
	case ProtoAH:
		s = "AH"
	case ProtoESP:
		s = "ESP"
	}
	return name(s, "PROTOCOL", uint64(p))
}

// An IDType says what an identity is written in (RFC 7296, Section 3.5).
type IDType uint8

// Identity types.
const (
	IDIPv4  IDType = 1
	IDFQDN  IDType = 2
	IDEmail IDType = 3
	IDIPv6  IDType = 5
	IDDN    IDType = 9
	IDGN    IDType = 10
	IDKeyID IDType = 11
	IDNull  IDType = 13
)

func (t IDType) String() string {
	var s string
	switch t {
	case IDIPv4:
		s = "ID_IPV4_ADDR"
	case IDFQDN:
		s = "ID_FQDN"
	case IDEmail:
		s = "ID_RFC822_ADDR"
	case IDIPv6:
		s = "ID_IPV6_ADDR"
	case IDDN:
		s = "ID_DER_ASN1_DN"
	case IDGN:
		s = "ID_DER_ASN1_GN"
	case IDKeyID:
		s = "ID_KEY_ID"
	case IDNull:
		s = "ID_NULL"
	}
	return name(s, "ID", uint64(t))
}

// An AuthMethod says how an AUTH payload was computed (RFC 7296, Section 3.8).
type AuthMethod uint8

// Authentication methods of RFC 7296, RFC 4754, RFC 7427 and RFC 7619.
const (
	AuthRSA       AuthMethod = 1
	AuthPSK       AuthMethod = 2
	AuthECDSA256  AuthMethod = 9
	AuthECDSA384  AuthMethod = 10
	AuthECDSA521  AuthMethod = 11
	AuthNull      AuthMethod = 13
	AuthSignature AuthMethod = 14
)

func (m AuthMethod) String() string {
	var s string
	switch m {
	case AuthRSA:
		s = "RSA"
	case AuthPSK:
		s = "PSK"
	case AuthECDSA256:
		s = "ECDSA-256"
	case AuthECDSA384:
		s = "ECDSA-384"
	case AuthECDSA521:
		s = "ECDSA-521"
	case AuthNull:
		s = "NULL"
	case AuthSignature:
		s = "SIGNATURE"
	}
	return name(s, "AUTH", uint64(m))
}
