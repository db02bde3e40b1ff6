package crypt

import (
	"errors"
	"io"
	"net/netip"

	"warren/ike/message"
)

// ---- proposals ----

// An Encr is an encryption algorithm with its key length in bits (0 where fixed).
type Encr struct {
	ID     message.EncrID
	KeyLen uint16
}

// KeyMat is how many octets of key material it takes, salt included.
func (e Encr) KeyMat() int { panic("soon") }

// A Proposal: alternatives per transform type, the first the most wanted.
type Proposal struct {
	Protocol message.Protocol // ProtoIKE or ProtoESP
	Encr     []Encr
	PRF      []message.PRFID
	Integ    []message.IntegID
	DH       []message.DHGroup
	ESN      []message.ESNID
}

func ParseIKE(s string) (Proposal, error) { panic("soon") }
func ParseESP(s string) (Proposal, error) { panic("soon") }
func (p Proposal) String() string         { panic("soon") }
func DefaultIKE() []Proposal              { panic("soon") }
func DefaultESP() []Proposal              { panic("soon") }

// WithoutDH: IKE_AUTH's child proposals carry no DH.
func (p Proposal) WithoutDH() Proposal { panic("soon") }

// Offer builds the SA payload. spi is nil (IKE_SA_INIT), 8 octets (IKE rekey), 4 (ESP).
func Offer(ps []Proposal, spi []byte) *message.SA { panic("soon") }

// A Choice is one algorithm of each type.
type Choice struct {
	Number   uint8
	Protocol message.Protocol
	SPI      []byte // of the peer, as in its payload
	Encr     Encr
	PRF      message.PRFID
	Integ    message.IntegID
	DH       message.DHGroup // DHNone: no (new) key exchange
	ESN      message.ESNID
}

// Answer builds the responder's SA payload with its own spi.
func (c Choice) Answer(spi []byte) *message.SA { panic("soon") }
func (c Choice) String() string                { panic("soon") }

// ErrNoProposal is answered with NO_PROPOSAL_CHOSEN; ErrNotOffered ends the exchange.
var (
	ErrNoProposal = errors.New("no proposal is acceptable")
	ErrNotOffered = errors.New("answer was not offered")
)

// Select picks as responder. spiLen is the SPI size expected: 0, 8 or 4.
// If the chosen DH differs from the KE payload's group: INVALID_KE_PAYLOAD with Choice.DH.
func Select(offer *message.SA, own []Proposal, spiLen int) (Choice, error) { panic("soon") }

// Verify checks, as initiator, that the answer is one of what was offered.
func Verify(answer *message.SA, offered []Proposal, spiLen int) (Choice, error) { panic("soon") }

// ---- key exchange ----

// A KeyExchange is the initiator's half.
type KeyExchange interface {
	Group() message.DHGroup
	Public() []byte                     // for the KE payload
	Finish(peer []byte) (Secret, error) // shared secret
	Wipe()
}

func NewKeyExchange(g message.DHGroup, rand io.Reader) (KeyExchange, error) { panic("soon") }

// Respond is the responder's half: public value and shared secret at once.
func Respond(g message.DHGroup, rand io.Reader, peer []byte) (public []byte, shared Secret, err error) {
	panic("soon")
}

// ---- keys ----

// Secret never shows its bytes when printed.
type Secret []byte

func (s Secret) Wipe() { clear(s) }

// Keys are the SK_* of one IKE SA.
type Keys struct{}

// KeyInput is what SKEYSEED and the SK_* are computed from.
type KeyInput struct {
	Ni, Nr     []byte
	SPIi, SPIr message.SPI
	Shared     Secret
}

func DeriveKeys(c Choice, in KeyInput) (Keys, error)     { panic("soon") }
func (k Keys) Rekey(c Choice, in KeyInput) (Keys, error) { panic("soon") } // RFC 7296, 2.18
func (k Keys) Wipe()                                     { panic("soon") }
func (k Keys) Choice() Choice                            { panic("soon") }

// ChildKeys are per direction, from the initiator of the exchange that made the child.
type ChildKeys struct{ Initiator, Responder Secret }

// Child derives (2.17); shared is nil without PFS.
func (k Keys) Child(c Choice, ni, nr []byte, shared Secret) (ChildKeys, error) { panic("soon") }

// AuthInput is what one side signs.
type AuthInput struct {
	Message []byte // the first message of the signer, as sent
	Nonce   []byte // of the other side
	ID      []byte // body of the signer's ID payload: ID.Body()
}

func (k Keys) SignedOctets(initiator bool, in AuthInput) []byte                 { panic("soon") }
func (k Keys) PSKAuth(initiator bool, psk []byte, in AuthInput) ([]byte, error) { panic("soon") }
func (k Keys) VerifyPSK(initiator bool, psk, auth []byte, in AuthInput) error   { panic("soon") }

// ---- protected messages ----

// ErrAuth: the ICV is wrong. The message is dropped and nothing changes.
var ErrAuth = errors.New("integrity check failed")

// An SK protects one IKE SA's messages.
type SK struct{}

// NewSK is for the original initiator of the IKE SA, or its responder.
func NewSK(k Keys, initiator bool) (*SK, error) { panic("soon") }

// Seal makes the datagram: header plus one SK payload with ps inside.
func (s *SK) Seal(h message.Header, ps []message.Payload) ([]byte, error) { panic("soon") }

// Open verifies and decrypts the SK payload of a parsed datagram (m.Raw stays as it is).
// errors.Is(err, ErrAuth): drop. *message.ParseError: authentic, but malformed.
func (s *SK) Open(m *message.Message) ([]message.Payload, error) { panic("soon") }

// ---- the rest ----

func NATHash(spii, spir message.SPI, addr netip.AddrPort) []byte { panic("soon") }

// Cookies makes and checks stateless cookies.
type Cookies struct{}

func NewCookies(rand io.Reader) (*Cookies, error)                                 { panic("soon") }
func (c *Cookies) Make(ni []byte, src netip.Addr, spii message.SPI) []byte        { panic("soon") }
func (c *Cookies) Check(cookie, ni []byte, src netip.Addr, spii message.SPI) bool { panic("soon") }
func (c *Cookies) Rotate() error                                                  { panic("soon") }

// SelfTest runs a known-answer test of everything advertised.
func SelfTest() error { panic("soon") }
