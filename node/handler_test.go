package node

import (
	"encoding/binary"
	"testing"

	"warren/dataplane"
	"warren/ike"
)

// header is an IKE header with so many bytes behind it.
func header(spiR uint64, exchange, flags byte, more int) []byte {
	b := make([]byte, 28+more)
	binary.BigEndian.PutUint64(b, 7)
	binary.BigEndian.PutUint64(b[8:], spiR)
	b[17], b[18], b[19] = 0x20, exchange, flags
	return b
}

// A flood of requests for new sessions keeps nothing of established ones waiting.
func TestStrangersWait(t *testing.T) {
	h := newHandler()
	stranger, session := header(0, 34, 8, 0), header(9, 37, 8, 0)
	for range messageQueue + 5 {
		h.IKE(dataplane.Message{Data: stranger})
	}
	h.IKE(dataplane.Message{Data: session})
	h.IKE(dataplane.Message{Data: header(0, 34, 8, ike.MaxInit)})
	if got := h.missed.Load(); got != 6 {
		t.Errorf("%d messages were missed, want 6", got)
	}
	m, ok := h.next()
	if !ok || len(m.Data) < 19 || m.Data[18] != 37 {
		t.Errorf("a stranger comes first: %x", m.Data)
	}
	n := 0
	for {
		if _, ok := h.next(); !ok {
			break
		}
		n++
	}
	if n != messageQueue {
		t.Errorf("%d strangers waited", n)
	}
}

func TestWhoIsAStranger(t *testing.T) {
	for name, tt := range map[string]struct {
		data []byte
		want bool
	}{
		"request":              {header(0, 34, 8, 0), true},
		"answer to ours":       {header(9, 34, 0x20, 0), false},
		"cookie for ours":      {header(0, 34, 0x20, 0), false},
		"with responder's SPI": {header(9, 34, 8, 0), false},
		"IKE_AUTH":             {header(9, 35, 8, 0), false},
		"short":                {header(0, 34, 8, 0)[:27], false},
		"empty":                {nil, false},
	} {
		if got := ike.IsInit(tt.data); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
