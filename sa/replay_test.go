package sa

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"warren/esp"
	"warren/packet"
)

// A scenario receives packets of a peer whose numbers the test chooses.
type scenario struct {
	t    *testing.T
	peer *Outbound
	in   *Inbound
}

func newScenario(t *testing.T, window int, esn bool) *scenario {
	p := testParams(esn)
	p.Window = window
	return &scenario{t: t, peer: newOutbound(t, p), in: newInbound(t, p)}
}

func (s *scenario) rx(want packet.Drop, seqs ...uint64) {
	s.t.Helper()
	for _, seq := range seqs {
		if got := receive(s.in, sealed(s.peer, seq)); got != want {
			s.t.Errorf("number %#x: %v, want %v", seq, got, want)
		}
	}
}

// span returns the numbers from lo to hi.
func span(lo, hi uint64) (all []uint64) {
	for seq := lo; seq <= hi; seq++ {
		all = append(all, seq)
	}
	return all
}

// TestReplayVPP is the script of FD.io VPP's anti-replay test, as restated in
// shared/vectors/replay/esp_vpp_scenario.json, for several windows.
func TestReplayVPP(t *testing.T) {
	for _, esn := range []bool{false, true} {
		for _, size := range []uint64{64, 100, 128, 256, 4096, 65536} {
			t.Run(fmt.Sprintf("esn %v/window %d", esn, size), func(t *testing.T) {
				replayVPP(newScenario(t, int(size), esn), size, esn)
			})
		}
	}
}

func replayVPP(s *scenario, w uint64, esn bool) {
	s.rx(packet.Live, span(1, 33)...)
	s.rx(packet.Replay, span(1, 33)...)
	s.rx(packet.Live, 35)
	s.rx(packet.Replay, 35, 35, 35, 35, 35, 35, 35)
	s.rx(packet.Live, w+100)
	s.rx(packet.Replay, w+100, w+100, w+100)
	s.rx(s.live(w+100 != 200), 200)

	other := testParams(esn)
	other.Key = bytes.Repeat([]byte{0xa5}, len(other.Key))
	forger := newOutbound(s.t, other)
	for range 17 {
		if got := receive(s.in, sealed(forger, w+200)); got != packet.AuthFailed {
			s.t.Errorf("wrong key: %v", got)
		}
		if got := receive(s.in, sealed(s.peer, w+200)[:20]); got != packet.Runt {
			s.t.Errorf("runt: %v", got)
		}
	}
	s.rx(packet.Live, 234) // neither moved the window
	old := packet.Replay
	if esn {
		old = packet.AuthFailed // taken for the next turn of the low half
	}
	for range 17 {
		s.rx(old, 17)
	}
	s.rx(packet.Live, w+258)
}

// live is Live, or Replay where a number was received before.
func (s *scenario) live(fresh bool) packet.Drop {
	if fresh {
		return packet.Live
	}
	return packet.Replay
}

// TestReplaySequenceWrap: the low half turns over (CASES B.1, 0xfffffffd; VPP's
// verify_hi_seq_num).
func TestReplaySequenceWrap(t *testing.T) {
	const turn = 1 << 32
	for _, w := range []uint64{64, 4096, 65536} {
		t.Run(fmt.Sprint("window ", w), func(t *testing.T) {
			s := newScenario(t, int(w), true)
			s.rx(packet.Live, 0xffffffff)
			s.rx(packet.Live, turn+5)
			s.rx(packet.Live, 0xfffffffd)
			s.rx(packet.Replay, 0xfffffffd, 0xffffffff, turn+5)
			s.rx(packet.AuthFailed, 2*turn+0x9999999) // not to be told from this turn
			s.rx(packet.Live, turn, turn+w+0x555)
			s.rx(packet.AuthFailed, 0xfffffffc) // taken for the next turn
			s.rx(packet.Live, 2*turn+0x444)     // the low half is below the window
			s.rx(packet.AuthFailed, turn+w+0x556)
		})
	}
	s := newScenario(t, 64, false)
	s.rx(packet.Live, 0xfffffffd, 0xffffffff, 0xfffffffe)
	s.rx(packet.Replay, 1, 0xfffffffd)
}

// TestReplayA2 is the decision table of RFC 4303, Appendix A2, with W 64.
func TestReplayA2(t *testing.T) {
	const turn, w = 1 << 32, 64
	type row struct {
		name string
		seq  uint64
		want packet.Drop
	}
	caseA := uint64(3*turn + 5000) // bottom at 3*turn+4937
	caseB := uint64(3*turn + 10)   // bottom at 2*turn+0xffffffcb
	for top, rows := range map[uint64][]row{
		caseA: {
			{"Th-1, below Bl", 2*turn + 4936, packet.AuthFailed},
			{"Th-1, in the window, marked", 2*turn + 5000, packet.Replay},
			{"Th-1, in the window, unmarked", 2*turn + 4999, packet.AuthFailed},
			{"Th-1, above Tl", 2*turn + 5001, packet.AuthFailed},
			{"Th, below Bl", 3*turn + 4936, packet.AuthFailed},
			{"Th, at Bl", 3*turn + 4937, packet.Live},
			{"Th, in the window, unmarked", 3*turn + 4999, packet.Live},
			{"Th, above Tl", 3*turn + 5001, packet.Live},
			{"Th+1, below Bl", 4*turn + 4936, packet.Live},
			{"Th+1, in the window, marked", 4*turn + 5000, packet.Replay},
			{"Th+1, in the window, unmarked", 4*turn + 4999, packet.AuthFailed},
			{"Th+1, above Tl", 4*turn + 5001, packet.AuthFailed},
		},
		caseB: {
			{"Th-1, at Bl, unmarked", 2*turn + 0xffffffcb, packet.Live},
			{"Th-1, below Bl", 2*turn + 0xffffffca, packet.AuthFailed},
			{"Th, at or below Tl, unmarked", 3*turn + 9, packet.Live},
			{"Th, between Tl and Bl", 3*turn + 0xffffffca, packet.Live},
			{"Th, at Bl", 3*turn + 0xffffffcb, packet.AuthFailed},
		},
	} {
		for _, r := range rows {
			t.Run(fmt.Sprintf("%#x/%s", top, r.name), func(t *testing.T) {
				s := newScenario(t, w, true)
				for seq := uint64(0xfffffff0); seq < top; seq += 0xfffff000 {
					s.rx(packet.Live, seq) // no jump a window cannot follow
				}
				s.rx(packet.Live, top)
				s.rx(r.want, r.seq)
			})
		}
	}
}

// TestReplayOnce: each captured packet is accepted once, whatever the order and
// however often it comes (CASES B.1).
func TestReplayOnce(t *testing.T) {
	s := newScenario(t, 256, true)
	var captured [][]byte
	for _, seq := range span(1, 256) {
		captured = append(captured, sealed(s.peer, seq))
	}
	slices.Reverse(captured)
	for round := range 3 {
		for i, b := range captured {
			want := s.live(round == 0)
			if got := receive(s.in, b); got != want {
				t.Fatalf("round %d, packet %d: %v, want %v", round, i, got, want)
			}
		}
	}
	if p, b := s.in.Packets.Load(), s.in.Bytes.Load(); p != 256 || b != 256*uint64(len(inner)) {
		t.Errorf("counted %d packets and %d bytes", p, b)
	}
}

// TestReplayConcurrent: several workers receive the same packets; each counts
// once.
func TestReplayConcurrent(t *testing.T) {
	const n, workers = 500, 8
	s := newScenario(t, 4096, true)
	var captured [][]byte
	for _, seq := range span(1, n) {
		captured = append(captured, sealed(s.peer, seq))
	}
	var accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for _, b := range captured {
				switch receive(s.in, b) {
				case packet.Live:
					accepted.Add(1)
				case packet.Replay:
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() != n || refused.Load() != n*(workers-1) {
		t.Errorf("accepted %d, refused %d, want %d and %d", accepted.Load(), refused.Load(), n, n*(workers-1))
	}
}

// TestReplayWithinRun: of copies in one run only the first is delivered, and
// nothing that is not authentic takes a number from what is.
func TestReplayWithinRun(t *testing.T) {
	s := newScenario(t, 64, true)
	forged := sealed(s.peer, 5)
	forged[len(forged)-1] ^= 1
	b := packet.NewBatch(6, 100)
	for i, data := range [][]byte{forged, sealed(s.peer, 5), sealed(s.peer, 5), sealed(s.peer, 4), forged[:9], sealed(s.peer, 70)} {
		b[i].Set(data)
	}
	var burst esp.OpenBurst
	seqs, next := make([]uint64, len(b)), make([]uint8, len(b))
	s.in.Begin(&burst, b, seqs)
	burst.Run()
	s.in.Finish(b, seqs, next)
	want := []packet.Drop{packet.AuthFailed, packet.Live, packet.Replay, packet.Live, packet.Runt, packet.Live}
	for i, p := range b {
		if p.Drop != want[i] {
			t.Errorf("packet %d: %v, want %v", i, p.Drop, want[i])
		}
		if p.Drop == packet.Live && (next[i] != packet.ProtoIPv4 || !bytes.Equal(p.Bytes(), inner)) {
			t.Errorf("packet %d: next header %d, %x", i, next[i], p.Bytes())
		}
	}
	if n, size := s.in.Packets.Load(), s.in.Bytes.Load(); n != 3 || size != uint64(3*len(inner)) {
		t.Errorf("counted %d packets, %d bytes", n, size)
	}
}

// TestReplayRecheckedAfterOpen: a number inside the window at its first check
// may be left of it once others of the batch are committed.
func TestReplayRecheckedAfterOpen(t *testing.T) {
	s := newScenario(t, 64, false)
	s.rx(packet.Live, 79)
	late := packet.NewBatch(1, 100)
	late[0].Set(sealed(s.peer, 81))
	var burst esp.OpenBurst
	var seqs [1]uint64
	s.in.Begin(&burst, late, seqs[:])
	s.rx(packet.Live, 200)
	burst.Run()
	s.in.Finish(late, seqs[:], make([]uint8, 1))
	if late[0].Drop != packet.Replay {
		t.Errorf("a number left of the window by now: %v", late[0].Drop)
	}
	s.rx(packet.Live, 201, 202)
	s.rx(packet.Live, 203)
	s.rx(packet.Replay, 203, 81)
	s.rx(packet.Live, 204) // an early drop does not harm the rest
}

func TestInboundRefuses(t *testing.T) {
	s := newScenario(t, 64, true)
	good := sealed(s.peer, 1)
	edit := func(off int, v byte) []byte {
		b := bytes.Clone(good)
		b[off] = v
		return b
	}
	for name, tt := range map[string]struct {
		b    []byte
		want packet.Drop
	}{
		"nothing":      {nil, packet.Runt},
		"seven bytes":  {good[:7], packet.Runt},
		"header alone": {good[:8], packet.Runt},
		"old runt":     {edit(7, 0)[:35], packet.Runt},
		"cut short":    {good[:len(good)-1], packet.AuthFailed},
		"other SPI":    {edit(3, 2), packet.NoSA},
		"SPI 0":        {edit(2, 0), packet.ReservedSPI},
		"bit of IV":    {edit(8, 1), packet.AuthFailed},
		"bit of ICV":   {edit(len(good)-1, good[len(good)-1]^1), packet.AuthFailed},
		"number 0":     {edit(7, 0), packet.Replay},
	} {
		if got := receive(s.in, tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if s.in.window.Top() != 0 || s.in.Packets.Load() != 0 {
		t.Errorf("refused packets moved the window to %d, count %d", s.in.window.Top(), s.in.Packets.Load())
	}
	p := packet.New(64)
	p.Set(inner)
	var b esp.SealBurst
	s.peer.Add(&b, p, 2, 59)
	b.Run()
	if next := open(s.in, p); next != 59 || p.Drop != packet.Dummy {
		t.Errorf("dummy: next header %d, %v", next, p.Drop)
	}
	s.rx(packet.Replay, 2) // a dummy moves the window as any other
	s.rx(packet.Live, 1)

	bad := sealedBadly(t, testParams(true), 3)
	if got := receive(s.in, bad); got != packet.BadPadding {
		t.Errorf("bad padding: %v", got)
	}
	if got := receive(s.in, bad); got != packet.Replay { // it was authenticated
		t.Errorf("bad padding again: %v", got)
	}
	if n := s.in.Packets.Load(); n != 1 {
		t.Errorf("counted %d packets, want 1", n)
	}
	s.in.Retire()
	s.rx(packet.SAExpired, 3)
}

// sealedBadly returns an authenticated ESP packet whose padding is wrong.
func sealedBadly(t *testing.T, p Params, seq byte) []byte {
	t.Helper()
	n := len(p.Key) - 4
	block, err := aes.NewCipher(p.Key[:n])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	spi := []byte{0, 0, byte(p.SPI >> 8), byte(p.SPI)}
	iv := []byte{0, 0, 0, 0, 0, 0, 0, seq}
	aad := slices.Concat(spi, iv) // the IV is the whole sequence number
	sealed := gcm.Seal(nil, slices.Concat(p.Key[n:], iv), []byte{0, 0, 255, 4}, aad)
	return slices.Concat(spi, iv[4:], iv, sealed)
}
