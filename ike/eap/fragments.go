package eap

import (
	"encoding/binary"
	"fmt"
)

// Flags of EAP-TLS (RFC 5216, Section 3.1). The others are ignored (RFC 9190,
// Section 2.1.9).
const (
	flagLength = 0x80
	flagMore   = 0x40
	flagStart  = 0x20
)

const (
	// fragmentLen is the longest TLS data of one response, so that it goes into
	// one IKE message of any path.
	fragmentLen = 1000

	// maxTLS bounds what the other end may send in one go: its certificates, and
	// the names of the authorities that it trusts.
	maxTLS = 64 << 10
)

// A fragments takes EAP-TLS apart and joins it (RFC 5216, Section 2.1.5). The
// zero value waits for the Start.
type fragments struct {
	started bool
	in      []byte // of the message that comes in
	total   int    // its announced length; 0 for none
	out     []byte // left to be sent
	sent    bool   // a part of it was
}

// take reads the Type-Data of a request. It reports whether a message is whole;
// in is that message.
func (f *fragments) take(data []byte) (in []byte, whole bool, err error) {
	bad := func(why string) ([]byte, bool, error) {
		return nil, false, fmt.Errorf("%w: %s in EAP-TLS", ErrMalformed, why)
	}
	if len(data) == 0 {
		return bad("no flags")
	}
	flags, data := data[0], data[1:]
	if start := flags&flagStart != 0; start == f.started {
		return bad("a Start that is out of place, or none")
	}
	if !f.started {
		f.started = true
		if len(data) != 0 || flags&(flagLength|flagMore) != 0 {
			return bad("data in a Start")
		}
		return nil, true, nil
	}
	if flags&flagLength != 0 {
		if len(data) < 4 {
			return bad("a length that is cut off")
		}
		total := binary.BigEndian.Uint32(data)
		if total == 0 || total > maxTLS || f.total != 0 && int(total) != f.total || f.total == 0 && len(f.in) != 0 {
			return bad("a wrong length")
		}
		f.total, data = int(total), data[4:]
	}
	if len(f.out) != 0 { // the answer to a fragment of ours
		if len(data) != 0 || flags != 0 {
			return bad("data instead of an acknowledgement")
		}
		return nil, false, nil
	}
	if len(data) == 0 && (len(f.in) != 0 || flags != 0) {
		return bad("an empty fragment")
	}
	f.in = append(f.in, data...)
	more := flags&flagMore != 0
	if len(f.in) > maxTLS || f.total != 0 && (len(f.in) > f.total || !more && len(f.in) != f.total) {
		return bad("more or less data than was announced")
	}
	if more {
		return nil, false, nil
	}
	in, f.in, f.total = f.in, nil, 0
	return in, true, nil
}

// give has out sent with the next responses.
func (f *fragments) give(out []byte) { f.out, f.sent = out, false }

// next is the Type-Data of the next response: an acknowledgement where there is
// nothing to send.
func (f *fragments) next() []byte {
	flags, n := byte(0), min(len(f.out), fragmentLen)
	b := []byte{0}
	if n < len(f.out) {
		flags |= flagMore
		if !f.sent {
			flags |= flagLength
			b = binary.BigEndian.AppendUint32(b, uint32(len(f.out)))
		}
	}
	b[0], f.sent = flags, true
	b = append(b, f.out[:n]...)
	f.out = f.out[n:]
	return b
}
