package blast

import "encoding/binary"

// MinSize is the smallest payload: the header that tells the receiver which
// run a packet belongs to.
const MinSize = 12

const mark = 0x77626c73 // "wbls"

// fill writes the payloads of packets of this size one after the other.
func fill(b []byte, run uint32, size int) {
	for ; len(b) >= size; b = b[size:] {
		binary.BigEndian.PutUint32(b, mark)
		binary.BigEndian.PutUint32(b[4:], run)
		binary.BigEndian.PutUint32(b[8:], uint32(size))
	}
}

// count says how many packets of run are in a datagram that the kernel may have
// put together from several of the same size.
func count(b []byte, run uint32) int {
	if len(b) < MinSize || binary.BigEndian.Uint32(b) != mark || binary.BigEndian.Uint32(b[4:]) != run {
		return 0
	}
	size := int(binary.BigEndian.Uint32(b[8:]))
	if size < MinSize {
		return 0
	}
	return len(b) / size
}
