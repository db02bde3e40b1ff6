package packet

import "net/netip"

const (
	// Headroom is what a fresh packet keeps free before its bytes: 8 layers of
	// IPv6 (40), UDP (8), SPI and sequence number (8) and IV (16), and what goes
	// before an IKE message inside them: IPv6, UDP and non-ESP marker (52).
	Headroom = 640

	// Tailroom is what it keeps free behind them: 8 layers and a transport
	// association need at most 49 bytes each, 15 of padding, 2 of trailer and 32
	// of ICV.
	Tailroom = 512

	// MaxPacket is the largest IPv4 packet and the largest packet carried.
	MaxPacket = 65535
)

// Encap says how an ESP packet travels in an IP packet.
type Encap uint8

const (
	EncapNone Encap = iota // IP protocol 50
	EncapUDP               // in UDP, on port 4500 (RFC 3948)
)

// String returns "esp" or "udp", the words of the config and of status.
func (e Encap) String() string {
	if e == EncapUDP {
		return "udp"
	}
	return "esp"
}

// Kind says what an underlay carries in a packet.
type Kind uint8

const (
	KindESP      Kind = iota // ESP, IP protocol 50
	KindESPinUDP             // ESP in UDP, port 4500 (RFC 3948)
	KindIKE                  // IKE, port 500 or 4500; the non-ESP marker is stripped
)

// String names the kind for messages.
func (k Kind) String() string {
	switch k {
	case KindESP:
		return "esp"
	case KindESPinUDP:
		return "esp-in-udp"
	case KindIKE:
		return "ike"
	}
	return "unknown"
}

// A Packet is a window of bytes in a larger buffer, with free room before and
// behind it to grow into. A packet has one owner at a time; whoever is handed
// one may change it, and nobody else reads it meanwhile.
//
// It is two cache lines, of which workers go through many between bytes that fill
// the cache.
type Packet struct {
	buf      []byte
	off, end int32

	Drop Drop // why it was refused; Live when it was not
	Kind Kind // what the underlay carries in it

	// TOS is the DSCP and ECN byte of the datagram at the underlay: the one it
	// came with, or goes with.
	TOS uint8

	// Segment is zero for a packet that is just itself. A super-packet stands
	// for several of one flow, each with its headers and with Segment bytes of
	// its payload, the last with what is left; its checksum is not filled in.
	Segment int32

	// Ends are those of the datagram at the underlay: where it came to and from,
	// or where it is to go from and to. Many packets have the same, which is only
	// read and belongs to whoever set it. Nil stands for none.
	Ends *Ends

	Flow Flow // its 5-tuple, when somebody parsed it
	Info Info // the rest of what ParseFlow found out
}

// Ends are the addresses of a datagram, as its host sees them.
type Ends struct{ Local, Remote netip.AddrPort }

// Local returns the packet's own end, the zero value for none.
func (p *Packet) Local() netip.AddrPort {
	if p.Ends == nil {
		return netip.AddrPort{}
	}
	return p.Ends.Local
}

// Remote returns the packet's other end, the zero value for none.
func (p *Packet) Remote() netip.AddrPort {
	if p.Ends == nil {
		return netip.AddrPort{}
	}
	return p.Ends.Remote
}

// New returns an empty packet with room for size bytes between the standard
// headroom and tailroom.
func New(size int) *Packet {
	return &Packet{buf: make([]byte, Headroom+size+Tailroom), off: Headroom, end: Headroom}
}

// Bytes returns the packet's bytes. They stay valid until the window moves or
// the packet has another owner. The slice cannot grow into the tailroom.
func (p *Packet) Bytes() []byte { return p.buf[p.off:p.end:p.end] }

// Len returns the number of bytes in the window.
func (p *Packet) Len() int { return int(p.end - p.off) }

// Headroom returns the free bytes before the window.
func (p *Packet) Headroom() int { return int(p.off) }

// Tailroom returns the free bytes behind the window.
func (p *Packet) Tailroom() int { return len(p.buf) - int(p.end) }

// Buffer returns the whole buffer, for a reader that fills it; SetWindow then
// says where the bytes are.
func (p *Packet) Buffer() []byte { return p.buf }

// SetWindow makes buffer[off:end] the packet. It reports false, and changes
// nothing, where those are not offsets in the buffer.
func (p *Packet) SetWindow(off, end int) bool {
	if off < 0 || end < off || end > len(p.buf) {
		return false
	}
	p.off, p.end = int32(off), int32(end)
	return true
}

// Reset empties the packet, keeps headroom bytes free before it (as many as
// the buffer has, where that is less), and clears everything known about it.
func (p *Packet) Reset(headroom int) {
	off := min(max(headroom, 0), len(p.buf))
	p.Lend(p.buf, off, off)
}

// Set makes a copy of b the packet, with the standard headroom, and clears
// everything else known about it. A copy that does not fit leaves the packet
// empty and marked NoRoom.
func (p *Packet) Set(b []byte) {
	p.Reset(Headroom)
	if len(b) > p.Tailroom() {
		p.Drop = NoRoom
		return
	}
	p.end += int32(copy(p.buf[p.off:], b))
}

// Lend makes buf[off:end] the packet, and clears everything known about it. The
// memory stays the lender's, who says for how long the packet has it.
func (p *Packet) Lend(buf []byte, off, end int) {
	*p = Packet{}
	p.buf, p.off, p.end = buf, int32(off), int32(end)
}

// Shift moves the packet's bytes n towards the back of the buffer, for headroom
// at the cost of tailroom. It reports false where there is less of that.
func (p *Packet) Shift(n int) bool {
	if n < 0 || n > p.Tailroom() {
		return false
	}
	copy(p.buf[int(p.off)+n:], p.buf[p.off:p.end])
	p.off, p.end = p.off+int32(n), p.end+int32(n)
	return true
}

// Prepend grows the window by n bytes at the front and returns them, or nil
// where the headroom is smaller. Their content is undefined.
func (p *Packet) Prepend(n int) []byte {
	if n < 0 || n > int(p.off) {
		return nil
	}
	p.off -= int32(n)
	return p.buf[p.off:][:n:n]
}

// Append grows the window by n bytes at the back and returns them, or nil
// where the tailroom is smaller. Their content is undefined.
func (p *Packet) Append(n int) []byte {
	if n < 0 || n > p.Tailroom() {
		return nil
	}
	p.end += int32(n)
	return p.buf[int(p.end)-n : p.end : p.end]
}

// Grow is Prepend of front and Append of back bytes in one, both not negative.
// It reports false, and changes nothing, where there is no room for them.
func (p *Packet) Grow(front, back int) bool {
	if front > int(p.off) || back > p.Tailroom() {
		return false
	}
	p.off, p.end = p.off-int32(front), p.end+int32(back)
	return true
}

// TrimFront takes n bytes off the front. It reports false, and changes
// nothing, where there are fewer.
func (p *Packet) TrimFront(n int) bool {
	if n < 0 || n > p.Len() {
		return false
	}
	p.off += int32(n)
	return true
}

// TrimBack takes n bytes off the back. It reports false, and changes nothing,
// where there are fewer.
func (p *Packet) TrimBack(n int) bool {
	if n < 0 || n > p.Len() {
		return false
	}
	p.end -= int32(n)
	return true
}

// Narrow is TrimFront of front and TrimBack of back bytes in one, both not negative.
// It reports false, and changes nothing, where there are fewer.
func (p *Packet) Narrow(front, back int) bool {
	if front+back > p.Len() {
		return false
	}
	p.off, p.end = p.off+int32(front), p.end-int32(back)
	return true
}

// A Batch is packets that go through the stages together. Its packets are
// never nil and never the same one twice.
type Batch []*Packet

// NewBatch returns n empty packets with room for size bytes each.
func NewBatch(n, size int) Batch {
	b := make(Batch, n)
	for i := range b {
		b[i] = New(size)
	}
	return b
}

// Reset empties every packet of b as Packet.Reset does.
func (b Batch) Reset(headroom int) {
	for _, p := range b {
		p.Reset(headroom)
	}
}
