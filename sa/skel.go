package sa

import (
	"io"
	"sync/atomic"
	"time"

	"warren/esp"
	"warren/packet"
)

// Counters counts what an SA carried.
type Counters struct{ Packets, Bytes atomic.Uint64 }

type Inbound struct{ Counters }

func NewInbound(p Params) (*Inbound, error) { panic("not yet") }

// Open: whole inbound processing of one packet: header, replay check, open, replay commit, count. Sets p.Drop.
func (in *Inbound) Open(p *packet.Packet) (nextHeader uint8, ok bool) { panic("not yet") }
func (in *Inbound) Params() Params                                    { panic("not yet") } // without key
func (in *Inbound) SPI() esp.SPI                                      { panic("not yet") }
func (in *Inbound) Layer() Layer                                      { panic("not yet") }
func (in *Inbound) Via() Layer                                        { panic("not yet") }
func (in *Inbound) Mode() esp.Mode                                    { panic("not yet") }
func (in *Inbound) Allows(f packet.Flow) bool                         { panic("not yet") }
func (in *Inbound) SoftExpired(now time.Time) bool                    { panic("not yet") }
func (in *Inbound) HardExpired(now time.Time) bool                    { panic("not yet") }
func (in *Inbound) Retire()                                           { panic("not yet") }

type Outbound struct{ Counters }

func NewOutbound(p Params) (*Outbound, error) { panic("not yet") }

// Reserve takes n sequence numbers; got < n: rest is to be dropped with Refusal().
func (o *Outbound) Reserve(n int) (first uint64, got int)               { panic("not yet") }
func (o *Outbound) Refusal() packet.Drop                                { panic("not yet") }
func (o *Outbound) Seal(p *packet.Packet, seq uint64, nextHeader uint8) { panic("not yet") }
func (o *Outbound) Count(bytes, packets int)                            { panic("not yet") }
func (o *Outbound) Params() Params                                      { panic("not yet") }
func (o *Outbound) SPI() esp.SPI                                        { panic("not yet") }
func (o *Outbound) Mode() esp.Mode                                      { panic("not yet") }
func (o *Outbound) SoftExpired(now time.Time) bool                      { panic("not yet") }
func (o *Outbound) HardExpired(now time.Time) bool                      { panic("not yet") }
func (o *Outbound) Retire()                                             { panic("not yet") }

type SAD struct{}

// NewSAD: random nil = crypto/rand.
func NewSAD(random io.Reader) *SAD         { panic("not yet") }
func (s *SAD) Reserve() (esp.SPI, error)   { panic("not yet") }
func (s *SAD) Release(spi esp.SPI)         { panic("not yet") }
func (s *SAD) Install(in *Inbound) error   { panic("not yet") }
func (s *SAD) Remove(spi esp.SPI) *Inbound { panic("not yet") }
func (s *SAD) Lookup(spi esp.SPI) *Inbound { panic("not yet") }
func (s *SAD) Len() int                    { panic("not yet") }
func (s *SAD) All() []*Inbound             { panic("not yet") }
