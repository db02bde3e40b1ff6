package eap

import (
	"crypto/des"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	//lint:ignore SA1019 MS-CHAPv2 is built on it
	"golang.org/x/crypto/md4"

	"warren/ike/crypt"
)

// MS-CHAPv2 (RFC 2759) and the keys of MPPE (RFC 3079). Their hash and cipher are
// long broken: who sees an exchange can find the password. Inside IKE nobody does
// but the other end, which has proven itself before.

const (
	challengeLen = 16
	ntLen        = 24 // of the NT-Response
	mskLen       = 64 // of every method (RFC 3748, Section 7.10)
)

// ntHash is NtPasswordHash (RFC 2759, Section 8.3) of a password in UTF-8.
func ntHash(password []byte) crypt.Secret {
	text := make(crypt.Secret, 0, 2*len(password)) // in UTF-16; no rune takes more room there
	defer func() { text.Wipe() }()
	for r, n := rune(0), 0; len(password) > 0; password = password[n:] {
		r, n = utf8.DecodeRune(password)
		for _, u := range utf16.AppendRune(nil, r) {
			text = binary.LittleEndian.AppendUint16(text, u)
		}
	}
	return md4Sum(text)
}

func md4Sum(b []byte) crypt.Secret {
	h := md4.New()
	h.Write(b)
	return h.Sum(nil)
}

// An exchange is what both sides of MS-CHAPv2 have seen.
type exchange struct {
	authenticator, peer []byte // challenges
	user                string
}

// hash is ChallengeHash (RFC 2759, Section 8.2). A Windows domain before the user
// name does not count.
func (x exchange) hash() []byte {
	user := x.user[strings.LastIndexByte(x.user, '\\')+1:]
	sum := sha1.Sum(slices.Concat(x.peer, x.authenticator, []byte(user)))
	return sum[:8]
}

// ntResponse is GenerateNTResponse (RFC 2759, Section 8.1), which proves that the
// peer knows the password.
func (x exchange) ntResponse(nt crypt.Secret) []byte {
	key := append(slices.Clone(nt), make([]byte, 21-len(nt))...)
	defer key.Wipe()
	challenge, out := x.hash(), make([]byte, ntLen)
	for i := range 3 {
		desEncrypt(key[7*i:7*i+7], out[8*i:8*i+8], challenge)
	}
	return out
}

// desEncrypt is DesEncrypt (RFC 2759, Section 8.6): the key has no parity bits.
func desEncrypt(key7, dst, src []byte) {
	var bits uint64
	for _, b := range key7 {
		bits = bits<<8 | uint64(b)
	}
	var key [8]byte
	for i := range key {
		key[i] = byte(bits>>(49-7*i)) << 1
	}
	defer clear(key[:])
	c, err := des.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	c.Encrypt(dst, src)
}

// authenticatorResponse is GenerateAuthenticatorResponse (RFC 2759, Section 8.7),
// which proves that the authenticator knows the password too.
func (x exchange) authenticatorResponse(nt crypt.Secret, response []byte) []byte {
	hashHash := md4Sum(nt)
	defer hashHash.Wipe()
	digest := sha1.Sum(slices.Concat(hashHash, response, []byte("Magic server to client signing constant")))
	sum := sha1.Sum(slices.Concat(digest[:], x.hash(), []byte("Pad to make it do more than one iteration")))
	return sum[:]
}

// masterKeys are GetMasterKey and GetAsymmetricStartKey for 128 bits (RFC 3079,
// Section 3.4): of what the peer sends, and of what it receives.
func masterKeys(nt crypt.Secret, response []byte) (send, receive crypt.Secret) {
	hashHash := md4Sum(nt)
	defer hashHash.Wipe()
	master := sha1.Sum(slices.Concat(hashHash, response, []byte("This is the MPPE Master Key")))
	defer clear(master[:])
	start := func(magic string) crypt.Secret {
		sum := sha1.Sum(slices.Concat(master[:16], make([]byte, 40), []byte(magic), slices.Repeat([]byte{0xf2}, 40)))
		return sum[:16]
	}
	return start("On the client side, this is the send key; on the server side, it is the receive key."),
		start("On the client side, this is the receive key; on the server side, it is the send key.")
}

// mschapMSK is the master session key of EAP-MSCHAPv2: the two keys as the server
// calls them, its receive key first, and zeros.
func mschapMSK(nt crypt.Secret, response []byte) crypt.Secret {
	send, receive := masterKeys(nt, response)
	defer send.Wipe()
	defer receive.Wipe()
	return append(append(append(make(crypt.Secret, 0, mskLen), send...), receive...), make([]byte, mskLen-32)...)
}

// equal compares proofs in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// hexUpper is how MS-CHAPv2 writes octets in its messages.
func hexUpper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
