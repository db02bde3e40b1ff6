package eap

import (
	"io"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/ike/trust"
)

// A Method is the peer's side of one EAP method under way.
type Method interface {
	Type() Type

	// Answer takes the data of a request and returns that of the response. With an
	// error, the method has failed for good; data that comes with it is to be
	// sent all the same, to tell the other end.
	Answer(data []byte) ([]byte, error)

	// Result is nil until the other end has proven itself to the method. It
	// stays the method's.
	Result() *Result

	// Close ends the method, wherever it is, and wipes what is secret.
	Close()
}

// A Result is what a method has brought.
type Result struct {
	MSK crypt.Secret // the master session key

	// Server is the certificate that the authenticator has proven itself with,
	// nil where there was none. Whether it was revoked is not known yet.
	Server *trust.Peer
}

// An Account is what a node proves itself with as a peer. It shows nothing secret
// of itself.
type Account struct {
	// Identity is told to who asks for it.
	Identity string

	begin func(rand io.Reader, now time.Time) Method
}

// PasswordAccount proves itself by EAP-MSCHAPv2. The password is not kept longer
// than a and not changed.
func PasswordAccount(user string, password []byte) *Account {
	return &Account{Identity: user, begin: func(rand io.Reader, _ time.Time) Method {
		return &mschapPeer{rand: rand, exchange: exchange{user: user}, nt: ntHash(password)}
	}}
}

// CertificateAccount proves itself by EAP-TLS with cert. The authenticator's
// certificate must prove the id server to the store.
func CertificateAccount(identity string, cert *trust.Credential, store *trust.Store, server *message.ID) *Account {
	return &Account{Identity: identity, begin: func(_ io.Reader, now time.Time) Method {
		return newTLSPeer(cert, store, server, now)
	}}
}
