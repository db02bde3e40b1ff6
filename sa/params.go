package sa

import (
	"fmt"
	"slices"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

// Layer names one level of nesting of this node: a tunnel or a transport
// association, inbound and outbound together, across its rekeys.
type Layer uint32

// Network is the layer that packets from the network itself arrive through.
const Network Layer = 0

// Params describes an SA to NewInbound and NewOutbound.
type Params struct {
	SPI      esp.SPI
	Suite    esp.Suite
	Mode     esp.Mode
	Encap    packet.Encap
	Layer    Layer // the layer the SA belongs to
	Via      Layer // inbound: the layer its packets must arrive through
	Lifetime Lifetime
	Born     time.Time // when Lifetime's times begin
	Key      []byte    `json:"-"` // as long as Suite.KeyLen says, salt last; copied
	Local    []policy.Selector
	Remote   []policy.Selector

	// Window is the size of an inbound SA's replay window in packets, 64 to
	// 65536. Zero means esp.DefaultWindow.
	Window int

	// FirstSeq is the first sequence number of an outbound SA. Zero means 1.
	FirstSeq uint64
}

// String describes p without its key.
func (p Params) String() string {
	return fmt.Sprintf("%v %v %v layer %d via %d", p.SPI, p.Suite, p.Mode, p.Layer, p.Via)
}

// GoString is String, so that %#v shows no key either.
func (p Params) GoString() string { return p.String() }

// Format is String for every verb, so that none shows the key.
func (p Params) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// check refuses what neither direction can work with.
func (p *Params) check() error {
	if p.SPI <= esp.MaxReservedSPI {
		return fmt.Errorf("sa: spi %v is reserved", p.SPI)
	}
	if p.Mode > esp.Transport {
		return fmt.Errorf("sa: unknown mode %d", p.Mode)
	}
	return nil
}

// withoutKey returns a copy of p that an SA may keep.
func (p Params) withoutKey() Params {
	p.Key = nil
	p.Local, p.Remote = slices.Clone(p.Local), slices.Clone(p.Remote)
	return p
}
