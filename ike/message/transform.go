package message

// A TransformType says which kind of algorithm a transform names (RFC 7296,
// Section 3.3.2; RFC 9370, Section 2.2.1 for the additional key exchanges).
type TransformType uint8

// Transform types.
const (
	TransformEncr   TransformType = 1
	TransformPRF    TransformType = 2
	TransformInteg  TransformType = 3
	TransformKE     TransformType = 4 // Diffie-Hellman group
	TransformESN    TransformType = 5
	TransformAddKE1 TransformType = 6
	TransformAddKE7 TransformType = 12
)

func (t TransformType) String() string {
	var s string
	switch t {
	case TransformEncr:
		s = "ENCR"
	case TransformPRF:
		s = "PRF"
	case TransformInteg:
		s = "INTEG"
	case TransformKE:
		s = "KE"
	case TransformESN:
		s = "ESN"
	}
	if t >= TransformAddKE1 && t <= TransformAddKE7 {
		s = "ADDKE" + string('1'+byte(t-TransformAddKE1))
	}
	return name(s, "TRANSFORM", uint64(t))
}

// An EncrID names an encryption algorithm, transform type 1.
type EncrID uint16

// Encryption algorithms of RFC 7296, RFC 5282, RFC 7634.
const (
	Encr3DES             EncrID = 3
	EncrNull             EncrID = 11
	EncrAESCBC           EncrID = 12
	EncrAESCTR           EncrID = 13
	EncrAESCCM8          EncrID = 14
	EncrAESCCM12         EncrID = 15
	EncrAESCCM16         EncrID = 16
	EncrAESGCM8          EncrID = 18
	EncrAESGCM12         EncrID = 19
	EncrAESGCM16         EncrID = 20
	EncrChaCha20Poly1305 EncrID = 28
)

func (id EncrID) String() string {
	var s string
	switch id {
	case Encr3DES:
		s = "ENCR_3DES"
	case EncrNull:
		s = "ENCR_NULL"
	case EncrAESCBC:
		s = "ENCR_AES_CBC"
	case EncrAESCTR:
		s = "ENCR_AES_CTR"
	case EncrAESCCM8:
		s = "ENCR_AES_CCM_8"
	case EncrAESCCM12:
		s = "ENCR_AES_CCM_12"
	case EncrAESCCM16:
		s = "ENCR_AES_CCM_16"
	case EncrAESGCM8:
		s = "ENCR_AES_GCM_8"
	case EncrAESGCM12:
		s = "ENCR_AES_GCM_12"
	case EncrAESGCM16:
		s = "ENCR_AES_GCM_16"
	case EncrChaCha20Poly1305:
		s = "ENCR_CHACHA20_POLY1305"
	}
	return name(s, "ENCR", uint64(id))
}

// A PRFID names a pseudorandom function, transform type 2.
type PRFID uint16

// Pseudorandom functions of RFC 7296 and RFC 4868.
const (
	PRFHMACSHA1   PRFID = 2
	PRFHMACSHA256 PRFID = 5
	PRFHMACSHA384 PRFID = 6
	PRFHMACSHA512 PRFID = 7
)

func (id PRFID) String() string {
	var s string
	switch id {
	case PRFHMACSHA1:
		s = "PRF_HMAC_SHA1"
	case PRFHMACSHA256:
		s = "PRF_HMAC_SHA2_256"
	case PRFHMACSHA384:
		s = "PRF_HMAC_SHA2_384"
	case PRFHMACSHA512:
		s = "PRF_HMAC_SHA2_512"
	}
	return name(s, "PRF", uint64(id))
}

// An IntegID names an integrity algorithm, transform type 3.
type IntegID uint16

// Integrity algorithms of RFC 7296 and RFC 4868. IntegNone goes with an AEAD.
const (
	IntegNone          IntegID = 0
	IntegHMACSHA196    IntegID = 2
	IntegHMACSHA256128 IntegID = 12
	IntegHMACSHA384192 IntegID = 13
	IntegHMACSHA512256 IntegID = 14
)

func (id IntegID) String() string {
	var s string
	switch id {
	case IntegNone:
		s = "AUTH_NONE"
	case IntegHMACSHA196:
		s = "AUTH_HMAC_SHA1_96"
	case IntegHMACSHA256128:
		s = "AUTH_HMAC_SHA2_256_128"
	case IntegHMACSHA384192:
		s = "AUTH_HMAC_SHA2_384_192"
	case IntegHMACSHA512256:
		s = "AUTH_HMAC_SHA2_512_256"
	}
	return name(s, "INTEG", uint64(id))
}

// A DHGroup names a key exchange method, transform type 4 and the types of
// additional key exchanges, which share its numbers (RFC 9370, Section 2.2.1).
type DHGroup uint16

// Key exchange methods of RFC 7296, RFC 3526, RFC 5903, RFC 8031 and
// draft-ietf-ipsecme-ikev2-mlkem.
const (
	DHNone     DHGroup = 0
	DHMODP1024 DHGroup = 2
	DHMODP2048 DHGroup = 14
	DHMODP3072 DHGroup = 15
	DHMODP4096 DHGroup = 16
	DHECP256   DHGroup = 19
	DHECP384   DHGroup = 20
	DHECP521   DHGroup = 21
	DHX25519   DHGroup = 31
	DHX448     DHGroup = 32
	MLKEM512   DHGroup = 35
	MLKEM768   DHGroup = 36
	MLKEM1024  DHGroup = 37
)

func (g DHGroup) String() string {
	var s string
	switch g {
	case DHNone:
		s = "NONE"
	case DHMODP1024:
		s = "MODP_1024"
	case DHMODP2048:
		s = "MODP_2048"
	case DHMODP3072:
		s = "MODP_3072"
	case DHMODP4096:
		s = "MODP_4096"
	case DHECP256:
		s = "ECP_256"
	case DHECP384:
		s = "ECP_384"
	case DHECP521:
		s = "ECP_521"
	case DHX25519:
		s = "CURVE_25519"
	case DHX448:
		s = "CURVE_448"
	case MLKEM512:
		s = "ML_KEM_512"
	case MLKEM768:
		s = "ML_KEM_768"
	case MLKEM1024:
		s = "ML_KEM_1024"
	}
	return name(s, "KE", uint64(g))
}

// An ESNID says whether an SA counts in 64 bits, transform type 5.
type ESNID uint16

// Extended sequence numbers.
const (
	ESNNo  ESNID = 0
	ESNYes ESNID = 1
)

func (id ESNID) String() string {
	var s string
	switch id {
	case ESNNo:
		s = "NO_EXT_SEQ"
	case ESNYes:
		s = "EXT_SEQ"
	}
	return name(s, "ESN", uint64(id))
}
