package sa

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"warren/esp"
)

const (
	minSlots = 64
	maxSlots = 1 << 24

	// maxTries bounds the search for a free SPI. At most every second slot is
	// taken, so that many misses in a row mean a broken source of randomness.
	maxTries = 256
)

// A SAD is the table of the inbound SAs of a node, by SPI (RFC 4301,
// Section 4.4.2). Lookup takes no lock and does not allocate; the rest is for
// the control plane and takes one.
//
// A table of 2^k slots is indexed by the low k bits of the SPI, and Reserve
// chooses SPIs whose slot is free. So there are no collisions to resolve, ever:
// two SPIs that differ in their low k bits differ in k+1, and a table of twice
// the size has room for them as well.
type SAD struct {
	table atomic.Pointer[table]

	mu       sync.Mutex
	random   io.Reader
	reserved map[esp.SPI]bool // given out by Reserve, nothing installed yet
	taken    []bool           // slots of SAs and reservations
	count    int              // true values in taken
}

// A table has a power of two of slots.
type table []atomic.Pointer[Inbound]

func (t table) slot(spi esp.SPI) *atomic.Pointer[Inbound] {
	return &t[int(spi)&(len(t)-1)]
}

// NewSAD returns an empty SAD that draws SPIs from random; nil stands for
// crypto/rand.
func NewSAD(random io.Reader) *SAD {
	if random == nil {
		random = rand.Reader
	}
	s := &SAD{
		random:   random,
		reserved: make(map[esp.SPI]bool),
		taken:    make([]bool, minSlots),
	}
	t := make(table, minSlots)
	s.table.Store(&t)
	return s
}

// Lookup returns the SA that spi names, or nil.
func (s *SAD) Lookup(spi esp.SPI) *Inbound {
	in := s.table.Load().slot(spi).Load()
	if in == nil || in.id.spi != spi {
		return nil
	}
	return in
}

// Reserve chooses a random SPI for an SA to be, which nobody else gets until it
// is released or its SA is removed.
func (s *SAD) Reserve() (esp.SPI, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeRoom(); err != nil {
		return 0, err
	}
	var b [4]byte
	for range maxTries {
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return 0, fmt.Errorf("sa: choose an spi: %w", err)
		}
		spi := esp.SPI(binary.BigEndian.Uint32(b[:]))
		if spi > esp.MaxReservedSPI && !s.taken[s.index(spi)] {
			s.reserved[spi] = true
			s.take(spi, true)
			return spi, nil
		}
	}
	return 0, errors.New("sa: no free spi found")
}

// Release gives back an SPI that was reserved and not installed. For any other
// it does nothing.
func (s *SAD) Release(spi esp.SPI) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserved[spi] {
		delete(s.reserved, spi)
		s.take(spi, false)
	}
}

// Install makes in the SA that Lookup finds. Its SPI was reserved, or its slot
// is free.
func (s *SAD) Install(in *Inbound) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	spi := in.id.spi
	if !s.reserved[spi] {
		if err := s.makeRoom(); err != nil {
			return err
		}
		if s.taken[s.index(spi)] {
			return fmt.Errorf("sa: spi %v is not reserved and its slot is taken", spi)
		}
		s.take(spi, true)
	}
	delete(s.reserved, spi)
	s.table.Load().slot(spi).Store(in)
	return nil
}

// Remove takes out the SA that spi names and returns it, or nil where there is
// none. A packet that looked it up before may still be opened with it, unless it
// is retired.
func (s *SAD) Remove(spi esp.SPI) *Inbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.Lookup(spi)
	if in == nil {
		return nil
	}
	s.table.Load().slot(spi).Store(nil)
	s.take(spi, false)
	return in
}

// Len returns the number of SAs installed.
func (s *SAD) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count - len(s.reserved)
}

// Reserved returns the number of SPIs reserved for SAs not installed yet.
func (s *SAD) Reserved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reserved)
}

// All returns the SAs installed, in no order.
func (s *SAD) All() []*Inbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Inbound
	t := *s.table.Load()
	for i := range t {
		if in := t[i].Load(); in != nil {
			all = append(all, in)
		}
	}
	return all
}

func (s *SAD) index(spi esp.SPI) int { return int(spi) & (len(s.taken) - 1) }

// take marks the slot of spi, which is not so marked, as taken or free.
func (s *SAD) take(spi esp.SPI, taken bool) {
	s.taken[s.index(spi)] = taken
	if taken {
		s.count++
	} else {
		s.count--
	}
}

// makeRoom doubles the table where one more SA would fill over half of it.
// Readers of the old table miss nothing that was installed when they loaded it.
func (s *SAD) makeRoom() error {
	if (s.count+1)*2 <= len(s.taken) {
		return nil
	}
	if len(s.taken) >= maxSlots {
		return fmt.Errorf("sa: the SAD holds %d SAs and takes no more", s.count)
	}
	old := *s.table.Load()
	t := make(table, 2*len(old))
	s.taken = make([]bool, len(t))
	for spi := range s.reserved {
		s.taken[s.index(spi)] = true
	}
	for i := range old {
		if in := old[i].Load(); in != nil {
			t.slot(in.id.spi).Store(in)
			s.taken[s.index(in.id.spi)] = true
		}
	}
	s.table.Store(&t)
	return nil
}
