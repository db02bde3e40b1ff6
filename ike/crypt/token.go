package crypt

import (
	"fmt"
	"slices"
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
	add    bool // a key exchange that can only be an additional one
}

// tokens lists every word but the keN_ ones. The first name of a transform is
// the one that is printed, the others are strongSwan's synonyms.
func tokens() []token {
	return slices.Concat(encrTokens(), macTokens(), kexTokens())
}

func encrTokens() []token {
	var ts []token
	add := func(id message.EncrID, bits uint16, names ...string) {
		for _, n := range names {
			ts = append(ts, token{name: n, typ: message.TransformEncr, id: uint16(id), keyLen: bits, ike: true, esp: true})
		}
	}
	for _, bits := range []uint16{128, 192, 256} {
		aes := fmt.Sprint("aes", bits)
		add(message.EncrAESGCM16, bits, aes+"gcm16", aes+"gcm128", aes+"gcm")
		add(message.EncrAESGCM12, bits, aes+"gcm12", aes+"gcm96")
		add(message.EncrAESGCM8, bits, aes+"gcm8", aes+"gcm64")
		add(message.EncrAESCBC, bits, aes)
	}
	add(message.EncrAESCBC, 128, "aes")
	add(message.EncrChaCha20Poly1305, 0, "chacha20poly1305")
	return ts
}

func macTokens() []token {
	var ts []token
	for _, h := range []struct {
		bits  string
		prf   message.PRFID
		integ message.IntegID
	}{
		{"256", message.PRFHMACSHA256, message.IntegHMACSHA256128},
		{"384", message.PRFHMACSHA384, message.IntegHMACSHA384192},
		{"512", message.PRFHMACSHA512, message.IntegHMACSHA512256},
	} {
		ts = append(ts,
			token{name: "sha" + h.bits, typ: message.TransformInteg, id: uint16(h.integ), ike: true, esp: true},
			token{name: "sha2_" + h.bits, typ: message.TransformInteg, id: uint16(h.integ), ike: true, esp: true},
			token{name: "prfsha" + h.bits, typ: message.TransformPRF, id: uint16(h.prf), ike: true})
	}
	return ts
}

func kexTokens() []token {
	const kex = message.TransformKE
	both := func(name string, g message.DHGroup) token {
		return token{name: name, typ: kex, id: uint16(g), ike: true, esp: true}
	}
	none := token{name: "modpnone", typ: kex, id: uint16(message.DHNone), esp: true} // makes PFS optional
	alias := none
	alias.name = "none"
	kem := func(name string, g message.DHGroup) token {
		t := both(name, g)
		t.add = true
		return t
	}
	return []token{
		both("x25519", message.DHX25519), both("curve25519", message.DHX25519),
		both("ecp256", message.DHECP256), both("ecp384", message.DHECP384), both("ecp521", message.DHECP521),
		both("modp2048", message.DHMODP2048), both("modp3072", message.DHMODP3072), both("modp4096", message.DHMODP4096),
		kem("mlkem768", message.MLKEM768), kem("mlkem1024", message.MLKEM1024),
		none, alias,
		{name: "esn", typ: message.TransformESN, id: uint16(message.ESNYes), esp: true},
		{name: "noesn", typ: message.TransformESN, id: uint16(message.ESNNo), esp: true},
	}
}

func (t token) fits(p message.Protocol) bool {
	return p == message.ProtoIKE && t.ike || p == message.ProtoESP && t.esp
}

// lookup finds the token called name, or says which ones there are.
func lookup(name string, p message.Protocol) (token, error) {
	if i, method, ok := cutAddKE(name); ok {
		return lookupAddKE(name, i, method)
	}
	var names []string
	for _, t := range tokens() {
		switch {
		case t.name == name && t.add:
			return token{}, fmt.Errorf("%q can only be an additional key exchange, after one like x25519: write ke1_%s", name, name)
		case t.name == name && t.fits(p):
			return t, nil
		case t.name == name:
			return token{}, fmt.Errorf("%q has no place in a proposal for %v", name, p)
		case t.fits(p) && tokenName(t.typ, t.id, t.keyLen) == t.name:
			names = append(names, t.name)
		}
	}
	if why := missing(name); why != "" {
		return token{}, fmt.Errorf("%q is not implemented: %s", name, why)
	}
	return token{}, fmt.Errorf("unknown algorithm %q; for %v there are %s", name, p, strings.Join(names, " "))
}

// missing says what to take instead of an algorithm that peers have and this
// program does not.
func missing(name string) string {
	const weak = "it is weak, or on its way out (RFC 8221, RFC 8247); "
	switch {
	case strings.HasPrefix(name, "aes") && strings.Contains(name, "ccm"):
		return "take AES-GCM, like aes128gcm16"
	case name == "mlkem512":
		return "Go's library has only mlkem768 and mlkem1024"
	case name == "x448", name == "curve448":
		return "take ecp521 or x25519"
	case name == "3des", name == "des", strings.HasPrefix(name, "blowfish"), strings.HasPrefix(name, "cast"):
		return weak + "take AES-GCM, like aes128gcm16, or else aes128 with sha256"
	case name == "sha", name == "sha1", name == "md5":
		return weak + "take sha256 or sha512"
	case name == "null":
		return "nothing goes without encryption here; take AES-GCM, like aes128gcm16"
	}
	return ""
}

// cutAddKE takes the keN_ off a word for an additional key exchange.
func cutAddKE(name string) (i int, method string, ok bool) {
	method, ok = strings.CutPrefix(name, "ke")
	if !ok || len(method) < 2 || method[0] < '1' || method[0] > '0'+MaxAddKE || method[1] != '_' {
		return 0, "", false
	}
	return int(method[0] - '1'), method[2:], true
}

// lookupAddKE finds the i-th additional key exchange, written as name.
func lookupAddKE(name string, i int, method string) (token, error) {
	var names []string
	for _, t := range kexTokens() {
		if t.typ != message.TransformKE {
			continue
		}
		if t.name == method {
			return token{name: name, typ: addKE(i), id: t.id, ike: true, esp: true}, nil
		}
		if tokenName(addKE(i), t.id, 0) == name[:len("ke1_")]+t.name {
			names = append(names, name[:len("ke1_")]+t.name)
		}
	}
	if why := missing(method); why != "" {
		return token{}, fmt.Errorf("%q is not implemented: %s", name, why)
	}
	return token{}, fmt.Errorf("unknown algorithm %q; there are %s", name, strings.Join(names, " "))
}

// tokenName is the reverse of lookup. What has no name gets IANA's.
func tokenName(typ message.TransformType, id, keyLen uint16) string {
	if typ >= message.TransformAddKE1 && typ <= message.TransformAddKE7 {
		name := "none"
		if id != uint16(message.DHNone) {
			name = tokenName(message.TransformKE, id, keyLen)
		}
		return fmt.Sprintf("ke%d_%s", typ-message.TransformAddKE1+1, name)
	}
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
