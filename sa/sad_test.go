package sa

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"warren/esp"
)

func TestSAD(t *testing.T) {
	s := NewSAD(nil)
	p := testParams(true)
	spi, err := s.Reserve()
	if err != nil || spi <= esp.MaxReservedSPI || s.Len() != 0 || s.Reserved() != 1 {
		t.Fatalf("reserved %v, %v, len %d", spi, err, s.Len())
	}
	p.SPI = spi
	in := newInbound(t, p)
	if s.Lookup(spi) != nil || s.Remove(spi) != nil {
		t.Error("a reservation is found")
	}
	if err := s.Install(in); err != nil || s.Lookup(spi) != in || s.Len() != 1 || s.Reserved() != 0 {
		t.Fatalf("installed: %v, %v, len %d", err, s.Lookup(spi), s.Len())
	}
	if s.Lookup(spi^1<<31) != nil || s.Lookup(0) != nil {
		t.Error("another SPI finds the SA")
	}
	if err := s.Install(in); err == nil {
		t.Error("installed twice")
	}
	s.Release(spi) // it is installed: nothing to release
	if s.Lookup(spi) != in || s.Len() != 1 {
		t.Error("Release removed an installed SA")
	}
	if s.Remove(spi) != in || s.Lookup(spi) != nil || s.Len() != 0 || s.Remove(spi) != nil {
		t.Error("not removed once")
	}
	if err := s.Install(in); err != nil { // not reserved, and free
		t.Error(err)
	}
	p.SPI = spi ^ 1<<31 // the same slot
	if err := s.Install(newInbound(t, p)); err == nil || s.Lookup(spi) != in {
		t.Error("an SA took the slot of another")
	}
}

// zeros is a source of randomness that is broken.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestSADBrokenRandomness(t *testing.T) {
	if spi, err := NewSAD(zeros{}).Reserve(); err == nil {
		t.Errorf("reserved %v", spi)
	}
	if spi, err := NewSAD(strings.NewReader("abc")).Reserve(); err == nil {
		t.Errorf("reserved %v", spi)
	}
}

// TestSADModel holds the SAD to a map, through growth.
func TestSADModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := NewSAD(nil)
		installed := make(map[esp.SPI]*Inbound)
		var reserved []esp.SPI
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 400).Draw(r, "steps")
		for _, step := range steps {
			switch {
			case step < 6:
				spi, err := s.Reserve()
				if err != nil {
					r.Fatal(err)
				}
				if installed[spi] != nil {
					r.Fatalf("%v is in use", spi)
				}
				reserved = append(reserved, spi)
			case step < 8 && len(reserved) > 0:
				in := &Inbound{id: inboundID{spi: reserved[0]}}
				if err := s.Install(in); err != nil {
					r.Fatal(err)
				}
				installed[reserved[0]] = in
				reserved = reserved[1:]
			case step == 8 && len(reserved) > 0:
				s.Release(reserved[0])
				reserved = reserved[1:]
			case step == 9:
				for spi, in := range installed {
					if s.Remove(spi) != in {
						r.Fatalf("%v is not removed", spi)
					}
					delete(installed, spi)
					break
				}
			}
		}
		if s.Len() != len(installed) || s.Reserved() != len(reserved) || len(s.All()) != len(installed) {
			r.Fatalf("%d installed, %d reserved, %d in all, want %d and %d", s.Len(), s.Reserved(), len(s.All()), len(installed), len(reserved))
		}
		if 2*s.count > len(s.taken) {
			r.Fatalf("%d of %d slots are taken", s.count, len(s.taken))
		}
		if slots := takenSlots(s); slots != s.count {
			r.Fatalf("%d slots are taken, the count is %d", slots, s.count)
		}
		for spi, in := range installed {
			if s.Lookup(spi) != in {
				r.Fatalf("%v is not found", spi)
			}
		}
		for _, spi := range reserved {
			if s.Lookup(spi) != nil {
				r.Fatalf("%v is found before it is installed", spi)
			}
		}
	})
}

func takenSlots(s *SAD) (n int) {
	for _, taken := range s.taken {
		if taken {
			n++
		}
	}
	return n
}

// TestSADGrowth: reservations keep their slots while the table doubles.
func TestSADGrowth(t *testing.T) {
	const n = 1000
	s := NewSAD(nil)
	var spis []esp.SPI
	for range n {
		spi, err := s.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		spis = append(spis, spi)
	}
	if got := takenSlots(s); got != n || s.Reserved() != n || len(s.taken) != 2048 {
		t.Errorf("%d of %d slots taken for %d reservations", got, len(s.taken), s.Reserved())
	}
	for _, spi := range spis {
		if err := s.Install(&Inbound{id: inboundID{spi: spi}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, spi := range spis {
		if in := s.Remove(spi); in == nil || in.SPI() != spi {
			t.Errorf("%v is not there", spi)
		}
	}
	if got := takenSlots(s); got != 0 || s.Len() != 0 {
		t.Errorf("%d slots taken, %d SAs", got, s.Len())
	}
}

// TestSADConcurrent: readers see an installed SA all the time the table grows.
func TestSADConcurrent(t *testing.T) {
	s := NewSAD(nil)
	spi, err := s.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	in := &Inbound{id: inboundID{spi: spi}}
	if err := s.Install(in); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if s.Lookup(spi) != in {
					t.Error("an installed SA is not found")
					return
				}
			}
		})
	}
	for range 2000 {
		spi, err := s.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Install(&Inbound{id: inboundID{spi: spi}}); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

func BenchmarkLookup(b *testing.B) {
	s := NewSAD(nil)
	var spi esp.SPI
	for range 10_000 {
		spi, _ = s.Reserve()
		_ = s.Install(&Inbound{id: inboundID{spi: spi}})
	}
	for b.Loop() {
		if s.Lookup(spi) == nil {
			b.Fatal(spi)
		}
	}
}
