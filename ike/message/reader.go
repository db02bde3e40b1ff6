package message

import "encoding/binary"

// A reader consumes bytes from the front and remembers the first failure, its
// own or that of a reader cut from it. After a failure it has no bytes left and
// yields zeros, so callers test ok once at the end of a structure.
type reader struct {
	b    []byte
	off  int // of b[0], from the start of the message
	fail *failure
}

type failure struct {
	err error
	off int
}

func (r *reader) ok() bool { return r.fail.err == nil }

// bad records that the byte at off breaks a rule.
func (r *reader) bad(err error, off int) {
	if r.ok() {
		r.fail.err, r.fail.off = err, off
	}
	r.b = nil
}

// take returns the next n bytes, which alias the input, or nil.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) || !r.ok() {
		r.bad(ErrShort, r.off+len(r.b))
		return nil
	}
	t := r.b[:n:n]
	r.b = r.b[n:]
	r.off += n
	return t
}

// rest returns all that is left.
func (r *reader) rest() []byte { return r.take(len(r.b)) }

func (r *reader) u8() uint8 {
	if t := r.take(1); t != nil {
		return t[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if t := r.take(2); t != nil {
		return binary.BigEndian.Uint16(t)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if t := r.take(4); t != nil {
		return binary.BigEndian.Uint32(t)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if t := r.take(8); t != nil {
		return binary.BigEndian.Uint64(t)
	}
	return 0
}

// sub cuts off a reader for a structure whose length field, which counts the
// header bytes already read, says length.
func (r *reader) sub(length, header int) reader {
	if length < header || length-header > len(r.b) {
		r.bad(ErrLength, r.off)
		return reader{off: r.off, fail: r.fail}
	}
	off := r.off
	return reader{b: r.take(length - header), off: off, fail: r.fail}
}

// end says that nothing may be left.
func (r *reader) end() {
	if r.ok() && len(r.b) > 0 {
		r.bad(ErrTrailing, r.off)
	}
}
