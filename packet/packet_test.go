package packet

import (
	"bytes"
	"slices"
	"testing"
)

func TestPacketWindow(t *testing.T) {
	p := New(100)
	p.Set([]byte("payload"))
	if p.Len() != 7 || p.Headroom() != Headroom || p.Tailroom() != Tailroom+93 {
		t.Fatalf("after Set: len %d, headroom %d, tailroom %d", p.Len(), p.Headroom(), p.Tailroom())
	}
	copy(p.Prepend(2), "<<")
	copy(p.Append(2), ">>")
	if got := string(p.Bytes()); got != "<<payload>>" {
		t.Fatalf("grown packet is %q", got)
	}
	if !p.TrimFront(1) || !p.TrimBack(1) || string(p.Bytes()) != "<payload>" {
		t.Fatalf("trimmed packet is %q", p.Bytes())
	}
	for name, got := range map[string][]byte{
		"Prepend beyond headroom": p.Prepend(p.Headroom() + 1),
		"Prepend of less than 0":  p.Prepend(-1),
		"Append beyond tailroom":  p.Append(p.Tailroom() + 1),
		"Append of less than 0":   p.Append(-1),
	} {
		if got != nil {
			t.Errorf("%s gives %d bytes, want nil", name, len(got))
		}
	}
	if p.TrimFront(10) || p.TrimBack(10) || p.TrimFront(-1) || p.TrimBack(-1) || string(p.Bytes()) != "<payload>" {
		t.Errorf("a refused trim left %q", p.Bytes())
	}
	if p.Grow(p.Headroom()+1, 0) || p.Grow(0, p.Tailroom()+1) || string(p.Bytes()) != "<payload>" {
		t.Errorf("a refused Grow left %q", p.Bytes())
	}
	if !p.Grow(1, 2) || p.Len() != 12 || string(p.Bytes()[1:10]) != "<payload>" || p.Headroom() != Headroom-2 {
		t.Errorf("after Grow: %q with %d bytes before", p.Bytes(), p.Headroom())
	}
	if p.Narrow(6, 7) || p.Narrow(13, 0) || p.Narrow(0, 13) || p.Len() != 12 {
		t.Errorf("a refused Narrow left %q", p.Bytes())
	}
	if !p.Narrow(1, 2) || string(p.Bytes()) != "<payload>" {
		t.Errorf("after Narrow: %q", p.Bytes())
	}
	if p.Prepend(p.Headroom()) == nil || p.Append(p.Tailroom()) == nil || p.Len() != len(p.Buffer()) {
		t.Errorf("the whole buffer could not be had")
	}
}

// TestPacketBytesStayInside says that appending to what Bytes returns never
// writes into the tailroom.
func TestPacketBytesStayInside(t *testing.T) {
	p := New(10)
	p.Set([]byte("abc"))
	_ = append(p.Bytes(), 'x')
	if p.Append(1)[0] != 0 {
		t.Error("append wrote into the tailroom")
	}
}

func TestPacketSet(t *testing.T) {
	p := New(10)
	p.Drop, p.Flow, p.Kind = Replay, Flow{Proto: 6}, KindIKE
	p.Set(make([]byte, 10+Tailroom))
	if p.Drop != Live || p.Flow != (Flow{}) || p.Kind != KindESP || p.Len() != 10+Tailroom {
		t.Errorf("Set left %+v", p)
	}
	p.Set(make([]byte, 11+Tailroom))
	if p.Drop != NoRoom || p.Len() != 0 {
		t.Errorf("Set of too much: drop %v, len %d", p.Drop, p.Len())
	}
}

func TestPacketSetWindow(t *testing.T) {
	p := New(10)
	n := len(p.Buffer())
	for _, w := range [][2]int{{-1, 5}, {5, 4}, {0, n + 1}, {n + 1, n + 1}} {
		if p.SetWindow(w[0], w[1]) {
			t.Errorf("SetWindow(%d, %d) of %d bytes is accepted", w[0], w[1], n)
		}
	}
	if !p.SetWindow(0, n) || !p.SetWindow(n, n) || p.Len() != 0 {
		t.Error("SetWindow refuses a window at the edge")
	}
}

func TestNewBatch(t *testing.T) {
	b := NewBatch(3, 20)
	b[0].Set([]byte("a"))
	b[1].Set([]byte("b"))
	if bytes.Equal(b[0].Bytes(), b[1].Bytes()) || b[2].Len() != 0 {
		t.Error("packets of a batch share bytes")
	}
	b.Reset(16)
	if b[0].Len() != 0 || b[0].Headroom() != 16 {
		t.Errorf("after Reset: len %d, headroom %d", b[0].Len(), b[0].Headroom())
	}
}

func TestDropNames(t *testing.T) {
	names := DropNames()
	if len(names) != int(NumDrops) {
		t.Fatalf("%d names for %d reasons", len(names), NumDrops)
	}
	for d, name := range names {
		if name == "" || name != Drop(d).String() {
			t.Errorf("reason %d is called %q and %q", d, name, Drop(d))
		}
		if slices.Index(names, name) != d {
			t.Errorf("two reasons are called %q", name)
		}
	}
	if NumDrops.String() != "unknown" {
		t.Errorf("NumDrops is called %q", NumDrops)
	}
}
