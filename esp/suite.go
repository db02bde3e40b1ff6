package esp

import (
	"fmt"

	"warren/packet"
)

// An SPI names an inbound SA.
type SPI uint32

// String returns the SPI as 0x and eight digits.
func (s SPI) String() string { return fmt.Sprintf("0x%08x", uint32(s)) }

// Mode is the mode of an SA (RFC 4301, Section 4.1).
type Mode uint8

const (
	Tunnel Mode = iota
	Transport
)

// String returns "tunnel" or "transport".
func (m Mode) String() string {
	if m == Transport {
		return "transport"
	}
	return "tunnel"
}

// Cipher is an AEAD transform.
type Cipher uint8

const (
	AES128GCM16 Cipher = iota + 1
	AES192GCM16
	AES256GCM16
	ChaCha20Poly1305
)

// A Suite is what the two ends of an SA agreed on.
type Suite struct {
	Cipher Cipher
	ESN    bool
}

func (c Cipher) String() string             { panic("not yet") }
func (s Suite) String() string              { panic("not yet") }
func (s Suite) KeyLen() int                 { panic("not yet") }
func (s Suite) ICVLen() int                 { panic("not yet") }
func (s Suite) IVLen() int                  { panic("not yet") }
func (s Suite) BlockAlign() int             { panic("not yet") }
func (s Suite) SealedLen(inner int) int     { panic("not yet") }
func (s Suite) InnerMTU(avail int) int      { panic("not yet") }
func ParseSuite(text string) (Suite, error) { panic("not yet") }

type Sealer struct{}

func NewSealer(s Suite, key []byte) (*Sealer, error)                              { panic("not yet") }
func (s *Sealer) Seal(p *packet.Packet, spi SPI, seq uint64, nextHeader uint8)    { panic("not yet") }
func (s *Sealer) SealBatch(b packet.Batch, spi SPI, seq uint64, nextHeader uint8) { panic("not yet") }

type Opener struct{}

func NewOpener(s Suite, key []byte) (*Opener, error)                            { panic("not yet") }
func (o *Opener) Open(p *packet.Packet, seq uint64) (nextHeader uint8, ok bool) { panic("not yet") }

type Header []byte

func ParseHeader(b []byte) (h Header, ok bool) { panic("not yet") }
func (h Header) SPI() SPI                      { panic("not yet") }
func (h Header) SeqLo() uint32                 { panic("not yet") }

const DefaultWindow, MinWindow, MaxWindow = 4096, 64, 65536

type Window struct{}

func NewWindow(size int) (*Window, error)           { panic("not yet") }
func (w *Window) Expand(lo uint32, esn bool) uint64 { panic("not yet") }
func (w *Window) Check(seq uint64) bool             { panic("not yet") }
func (w *Window) Commit(seq uint64) bool            { panic("not yet") }
