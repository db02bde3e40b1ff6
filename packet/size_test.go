package packet

import (
	"testing"
	"unsafe"
)

// TestSize: a packet is two cache lines.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Packet{}); n != 128 {
		t.Errorf("a Packet has %d bytes", n)
	}
}
