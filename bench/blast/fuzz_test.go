package blast

import "testing"

// FuzzCount counts in bytes from the network, and in what fill has made of them.
func FuzzCount(f *testing.F) {
	f.Add([]byte("wbls\x00\x00\x00\x05\x00\x00\x00\x40"), uint32(5), uint16(64))
	f.Add([]byte{}, uint32(0), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, run uint32, size uint16) {
		if n := count(b, run); n < 0 || n*MinSize > len(b) {
			t.Errorf("count = %d in %d bytes", n, len(b))
		}
		if size < MinSize {
			return
		}
		fill(b, run, int(size))
		if n := count(b, run); len(b) >= int(size) && n != len(b)/int(size) {
			t.Errorf("count = %d of size %d in %d bytes", n, size, len(b))
		}
	})
}
