package crypt

import (
	"fmt"
	"strings"

	"warren/ike/message"
)

// A token is one word of the proposal notation and the transform it stands for.
// The table is all that there is: what it does not list cannot be configured,
// offered or accepted.
type token struct {
	name   string
	typ    message.TransformType
	id     uint16
	keyLen uint16
	ike    bool // may be in a proposal for an IKE SA
	esp    bool // may be in a proposal for a child SA
}

func tokens() []token {
	const (
		encr = message.TransformEncr
		prf  = message.TransformPRF
		kex  = message.TransformKE
		esn  = message.TransformESN
		gcm  = uint16(message.EncrAESGCM16)
	)
	return []token{
		{"aes128gcm16", encr, gcm, 128, true, true},
		{"aes192gcm16", encr, gcm, 192, true, true},
		{"aes256gcm16", encr, gcm, 256, true, true},
		{"chacha20poly1305", encr, uint16(message.EncrChaCha20Poly1305), 0, true, true},
		{"prfsha256", prf, uint16(message.PRFHMACSHA256), 0, true, false},
		{"prfsha384", prf, uint16(message.PRFHMACSHA384), 0, true, false},
		{"prfsha512", prf, uint16(message.PRFHMACSHA512), 0, true, false},
		{"x25519", kex, uint16(message.DHX25519), 0, true, true},
		{"curve25519", kex, uint16(message.DHX25519), 0, true, true}, // strongSwan's name
		{"ecp256", kex, uint16(message.DHECP256), 0, true, true},
		{"ecp384", kex, uint16(message.DHECP384), 0, true, true},
		{"modp2048", kex, uint16(message.DHMODP2048), 0, true, true},
		{"modpnone", kex, uint16(message.DHNone), 0, false, true}, // makes PFS optional
		{"esn", esn, uint16(message.ESNYes), 0, false, true},
		{"noesn", esn, uint16(message.ESNNo), 0, false, true},
	}
}

func (t token) fits(p message.Protocol) bool {
	return p == message.ProtoIKE && t.ike || p == message.ProtoESP && t.esp
}

// lookup finds the token called name, or says which ones there are.
func lookup(name string, p message.Protocol) (token, error) {
	var names []string
	for _, t := range tokens() {
		if t.name == name && t.fits(p) {
			return t, nil
		}
		if t.name == name {
			return token{}, fmt.Errorf("%q has no place in a proposal for %v", name, p)
		}
		if t.fits(p) {
			names = append(names, t.name)
		}
	}
	return token{}, fmt.Errorf("unknown algorithm %q; for %v there are %s", name, p, strings.Join(names, " "))
}

// tokenName is the reverse of lookup. What has no name gets IANA's.
func tokenName(typ message.TransformType, id, keyLen uint16) string {
	for _, t := range tokens() {
		if t.typ == typ && t.id == id && t.keyLen == keyLen {
			return t.name
		}
	}
	switch typ {
	case message.TransformEncr:
		return Encr{message.EncrID(id), keyLen}.String()
	case message.TransformPRF:
		return message.PRFID(id).String()
	case message.TransformInteg:
		return message.IntegID(id).String()
	case message.TransformKE:
		return message.DHGroup(id).String()
	case message.TransformESN:
		return message.ESNID(id).String()
	}
	return fmt.Sprintf("%v(%d)", typ, id)
}
