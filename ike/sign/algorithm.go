package sign

import (
	"slices"

	"warren/ike/message"
)

type keyKind uint8

const (
	kindRSA keyKind = iota
	kindPSS
	kindECDSA
	kindEd25519
)

// An algorithm is what an AlgorithmIdentifier stands for.
type algorithm struct {
	kind keyKind
	hash Hash
}

func (a algorithm) String() string {
	name := map[keyKind]string{kindRSA: "RSASSA-PKCS1-v1_5", kindPSS: "RSASSA-PSS", kindECDSA: "ECDSA", kindEd25519: "Ed25519"}[a.kind]
	switch a.hash {
	case SHA256:
		name += " with SHA-256"
	case SHA384:
		name += " with SHA-384"
	case SHA512:
		name += " with SHA-512"
	}
	return name
}

// Describe words how a signature was made.
func Describe(a *message.Auth) string {
	if a.Method == message.AuthSignature && len(a.Data) > 0 && len(a.Data) > int(a.Data[0]) {
		if known, ok := lookUp(a.Data[1 : 1+int(a.Data[0])]); ok {
			return known.String()
		}
	}
	return a.Method.String()
}

// The contents of object identifiers, with their tags.
const (
	oidSHA2    = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02"     // and 1, 2 or 3 for SHA-256, 384, 512
	oidPKCS1   = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"     // and one more octet
	oidECDSA   = "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03"         // and 2, 3 or 4 for SHA-256, 384, 512
	oidEd25519 = "\x06\x03\x2b\x65\x70"                         // RFC 8410, Section 3
	oidMGF1    = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // RFC 4055, Section 2.2
	oidPSS     = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" // RFC 4055, Section 3.1
	null       = "\x05\x00"
	trailer    = "\xa3\x03\x02\x01\x01" // trailerFieldBC, the default, spelled out
)

// tlv encodes contents of less than 128 octets.
func tlv(tag byte, contents string) string {
	return string([]byte{tag, byte(len(contents))}) + contents
}

func sequence(contents string) string { return tlv(0x30, contents) }

// identifiers returns the DER that stands for a: first as it is sent, then as
// others may write the same (RFC 4055, Section 2.1: parameters of hashes are
// NULL or absent; RFC 7427, Appendix A.4.3: the trailer field spelled out).
//
// What a peer sends is compared with these and never parsed: parameters that are
// missing, doubled, huge or of another hash find no match (CVE-2018-6459,
// CVE-2021-41990).
func (a algorithm) identifiers() []string {
	n := byte(a.hash - SHA256) // 0, 1, 2
	switch a.kind {
	case kindRSA: // RFC 4055, Section 5: parameters are NULL
		return []string{sequence(oidPKCS1 + string([]byte{11 + n}) + null)}
	case kindECDSA: // RFC 5758, Section 3.2: parameters are absent
		return []string{sequence(oidECDSA + string([]byte{2 + n}))}
	case kindEd25519:
		return []string{sequence(oidEd25519)}
	}
	var all []string
	for _, hashParams := range []string{null, ""} {
		for _, mgfParams := range []string{null, ""} {
			for _, end := range []string{"", trailer} {
				all = append(all, pssIdentifier(a.hash, hashParams, mgfParams, end))
			}
		}
	}
	return all
}

// pssIdentifier has the hash for the message and for the mask, and a salt as
// long as the hash (RFC 4055, Section 3.1).
func pssIdentifier(h Hash, hashParams, mgfParams, end string) string {
	oid := oidSHA2 + string([]byte{byte(h-SHA256) + 1})
	salt := string([]byte{byte(h.crypto().Size())})
	return sequence(oidPSS + sequence(
		tlv(0xa0, sequence(oid+hashParams))+
			tlv(0xa1, sequence(oidMGF1+sequence(oid+mgfParams)))+
			tlv(0xa2, tlv(0x02, salt))+end))
}

func algorithms() []algorithm {
	all := []algorithm{{kindEd25519, Identity}}
	for _, k := range []keyKind{kindPSS, kindRSA, kindECDSA} {
		for _, h := range []Hash{SHA256, SHA384, SHA512} {
			all = append(all, algorithm{k, h})
		}
	}
	return all
}

// lookUp finds the algorithm of an AlgorithmIdentifier.
func lookUp(identifier []byte) (algorithm, bool) {
	for _, a := range algorithms() {
		if slices.Contains(a.identifiers(), string(identifier)) {
			return a, true
		}
	}
	return algorithm{}, false
}
