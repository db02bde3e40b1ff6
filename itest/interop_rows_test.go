package itest

import (
	"cmp"
	"slices"
	"strings"
)

// Who does something.
const (
	byWarren     = "warren"
	byStrongSwan = "strongSwan"
	byBoth       = "both"
)

// What a session may show beside the algorithms of its row.
const (
	asUsual     = ""
	asMoving    = "MOBIKE, the initiator's address changes"
	asCookies   = "cookies"
	asBig       = "IKE fragmentation, with certificates of 4 kB"
	asOld       = "authentication methods before RFC 7427"
	asIPv6      = "IPv6 outside"
	asPPK       = "PPK (RFC 8784)"
	asChildless = "childless IKE SA (RFC 6023)"
)

// By EAP only the initiator proves itself; the responder has a certificate.
const (
	byPassword = "EAP-MSCHAPv2"
	byTLS      = "EAP-TLS"
)

// A row is one way for warren and strongSwan to have a session.
type row struct {
	initiator string // byWarren or byStrongSwan
	auth      string // of both ends, or "ECDSA/PSK": of the initiator and of the responder
	ike, esp  string // ciphers, in the notation of proposals
	group     string
	pfs       bool   // child SAs get a key exchange of their own when they are rekeyed
	rekeys    string // who does, the IKE SA and the child SA
	beside    string
}

// What rows are made of, the usual first.
func authMethods() []string { return []string{"PSK", "RSA", "ECDSA", "Ed25519", byPassword} }
func ikeCiphers() []string {
	return []string{"aes128gcm16-prfsha256", "chacha20poly1305-prfsha512", "aes256-sha384-prfsha384"}
}
func espCiphers() []string { return []string{"aes128gcm16", "chacha20poly1305", "aes256-sha256"} }
func groups() []string     { return []string{"x25519", "ecp384", "modp3072"} }

// interopRows is the matrix, in which every two choices meet with either initiator,
// and then what is tried once.
func interopRows() []row {
	auth, ike, esp, group, rekeys := authMethods(), ikeCiphers(), espCiphers(), groups(), []string{byWarren, byStrongSwan}
	var rows []row
	for _, initiator := range []string{byWarren, byStrongSwan} {
		for _, c := range cover([]int{len(auth), len(ike), len(esp), len(group), len(rekeys), 2}) {
			rows = append(rows, row{initiator, auth[c[0]], ike[c[1]], esp[c[2]], group[c[3]], c[5] == 1, rekeys[c[4]], asUsual})
		}
		usual := row{initiator: initiator, auth: "PSK", ike: ike[0], esp: esp[0], group: group[0], rekeys: byBoth}
		for _, other := range []struct{ auth, beside string }{
			{"PSK", asUsual}, {"ECDSA/PSK", asUsual}, {"PSK/ECDSA", asUsual}, {byTLS, asUsual}, {"ECDSA", asOld},
			{"ECDSA", asBig}, {"PSK", asIPv6}, {"PSK", asPPK}, {"PSK", asChildless}, {"PSK", asCookies}, {"PSK", asMoving},
		} {
			if initiator == byStrongSwan && other.auth == byTLS {
				continue
			}
			r := usual
			r.auth, r.beside = other.auth, other.beside
			if r.alone() {
				r.rekeys = byStrongSwan // at once
			}
			r.pfs = r.beside == asChildless
			rows = append(rows, r)
		}
	}
	return rows
}

// untried is what is not among the rows, and why.
func untried() map[string]string {
	const libipsec = "strongSwan's ESP in userspace (kernel-libipsec) does not have it, and the kernel has no ESP"
	return map[string]string{
		"additional key exchanges (RFC 9370)": "strongSwan has it since version 6",
		"EAP-TLS with warren as responder":    "warren has EAP-MSCHAPv2 only",
		"transport mode":                      libipsec,
		"ESP without UDP":                     libipsec,
		"extended sequence numbers":           libipsec,
		"session resumption (RFC 5723)":       "strongSwan knows the names of its payloads, and no more",
		"RSA before RFC 7427":                 "strongSwan has it with SHA-1 only, which warren refuses",
	}
}

func (r row) proposal() string { return r.ike + "-" + r.group }

func (r row) espProposal() string {
	if r.pfs {
		return r.esp + "-" + r.group
	}
	return r.esp
}

// proofs is how the initiator proves itself, and how the responder does.
func (r row) proofs() (initiator, responder string) {
	initiator, responder, both := strings.Cut(r.auth, "/")
	switch {
	case both:
	case initiator == byPassword || initiator == byTLS:
		responder = "ECDSA"
	default:
		responder = initiator
	}
	return initiator, responder
}

// String is the row as a line of docs/interop.md has it, without its result.
func (r row) String() string {
	return strings.Join([]string{r.initiator, r.auth, r.proposal(), r.espProposal(), r.rekeys, cmp.Or(r.beside, "–")}, " | ")
}

// alone reports whether the session must be the only one: it changes what others
// stand on.
func (r row) alone() bool { return slices.Contains([]string{asCookies, asMoving}, r.beside) }

// charonWords are what strongSwan calls algorithms.
func charonWords(proposal string) string {
	words := map[string]string{
		"aes128gcm16": "AES_GCM_16-128", "chacha20poly1305": "CHACHA20_POLY1305", "aes256": "AES_CBC-256",
		"prfsha256": "PRF_HMAC_SHA2_256", "prfsha384": "PRF_HMAC_SHA2_384", "prfsha512": "PRF_HMAC_SHA2_512",
		"sha256": "HMAC_SHA2_256_128", "sha384": "HMAC_SHA2_384_192",
		"x25519": "CURVE_25519", "ecp384": "ECP_384", "modp3072": "MODP_3072",
	}
	var out []string
	for _, w := range strings.Split(proposal, "-") {
		out = append(out, cmp.Or(words[w], w))
	}
	return strings.Join(out, "-")
}
