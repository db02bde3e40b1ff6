package blast

import (
	"net/netip"
	"os"
	"testing"
	"time"
)

func pair(t *testing.T, addr string) (*Sender, *Receiver) {
	t.Helper()
	r, err := Listen(netip.MustParseAddrPort(addr))
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("no such address here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s, err := Dial(r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, r
}

func TestTry(t *testing.T) {
	tests := map[string]struct {
		addr string
		load Load
	}{
		"one by one":   {"127.0.0.1:0", Load{Size: 64}},
		"IPv6":         {"[::1]:0", Load{Size: 512}},
		"smallest":     {"127.0.0.1:0", Load{Size: MinSize}},
		"as segments":  {"127.0.0.1:0", Load{Size: 1350, Segments: 16}},
		"few segments": {"127.0.0.1:0", Load{Size: 30_000, Segments: 16}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, r := pair(t, tt.addr)
			l := tt.load
			l.Rate, l.For, l.Run = 2000, 100*time.Millisecond, 7
			got, err := Try(s, r, l)
			if err != nil {
				t.Fatal(err)
			}
			if got.Packets < 30 || got.Packets > 260 || got.Received != got.Packets {
				t.Errorf("offered %d, want about 200; received %d", got.Packets, got.Received)
			}
			if got.Prompt < got.Packets/2 {
				t.Errorf("%d of %d were there at the end", got.Prompt, got.Packets)
			}
		})
	}
}

func TestTryCountsItsOwnRun(t *testing.T) {
	s, r := pair(t, "127.0.0.1:0")
	if _, err := s.Run(Load{Rate: 1000, Size: 64, For: 20 * time.Millisecond, Run: 1}); err != nil {
		t.Fatal(err)
	}
	got, err := Try(s, r, Load{Rate: 1000, Size: 64, For: 20 * time.Millisecond, Run: 2})
	if err != nil || got.Received != got.Packets {
		t.Errorf("received %d of %d, %v; want its own ones only", got.Received, got.Packets, err)
	}
}

func TestRunRefusesSizes(t *testing.T) {
	s, _ := pair(t, "127.0.0.1:0")
	for _, size := range []int{0, MinSize - 1, maxPayload + 1} {
		if _, err := s.Run(Load{Size: size, For: time.Millisecond}); err == nil {
			t.Errorf("Run takes size %d", size)
		}
	}
}

func TestCount(t *testing.T) {
	three := make([]byte, 3*64)
	fill(three, 5, 64)
	tests := map[string]struct {
		b    []byte
		run  uint32
		want int
	}{
		"three in one":  {three, 5, 3},
		"one":           {three[:64], 5, 1},
		"another run":   {three, 6, 0},
		"no header":     {three[:MinSize-1], 5, 0},
		"not ours":      {make([]byte, 64), 0, 0},
		"size of zero":  {append(append([]byte{}, three[:8]...), make([]byte, 8)...), 5, 0},
		"nothing there": {nil, 5, 0},
	}
	for name, tt := range tests {
		if got := count(tt.b, tt.run); got != tt.want {
			t.Errorf("%s: count = %d, want %d", name, got, tt.want)
		}
	}
}

func TestSendAllocs(t *testing.T) {
	s, r := pair(t, "127.0.0.1:0")
	m := newMessages(maxBatch)
	buf := make([]byte, 64)
	for i := range maxBatch {
		m.set(i, buf)
	}
	if n := testing.AllocsPerRun(100, func() { m.send(s.fd, 1); m.receive(r.fd) }); n != 0 {
		t.Errorf("a batch allocates %v times, want 0", n)
	}
}
