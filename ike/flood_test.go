package ike

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
)

// A spoofer writes IKE_SA_INIT requests in the name of others.
type spoofer struct {
	t    testing.TB
	d    Datagram
	last uint64
}

func newSpoofer(t testing.TB, c PeerConfig) *spoofer {
	n := newEnd(t, "spoofer", 77, Options{})
	if _, err := n.e.Initiate(c, start); err != nil {
		t.Fatal(err)
	}
	s := &spoofer{t: t, d: n.take()[0]}
	s.d.Path.Local, s.d.Path.Remote = s.d.Path.Remote, s.d.Path.Local
	return s
}

// from is a request that nobody has seen yet.
func (s *spoofer) from(a netip.Addr) Datagram {
	d := s.d
	d.Path.Remote = netip.AddrPortFrom(a, 500)
	d.Data = bytes.Clone(d.Data)
	s.last++
	binary.BigEndian.PutUint64(d.Data, s.last)
	return d
}

func floodSource(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(100 + i>>16), byte(i >> 8), byte(i), 9})
}

// answers sorts what the responder says.
func answers(t testing.TB, out []Datagram) (cookies, others int) {
	for _, d := range out {
		m, err := message.Parse(d.Data)
		if err != nil {
			t.Fatal(err)
		}
		if message.GetNotify(m.Payloads, message.Cookie) != nil {
			cookies++
		} else {
			others++
		}
	}
	return cookies, others
}

// What goes to one address in answer to requests in its name is limited (RFC
// 8019, Section 4.2), and so much as one answer each.
func TestInitRatePerSource(t *testing.T) {
	for name, source := range map[string]func(i int) netip.Addr{
		"IPv4 address": func(int) netip.Addr { return netip.MustParseAddr("192.0.2.200") },
		"IPv6 /64": func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 14: byte(i >> 8), 15: byte(i)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			s := newSpoofer(t, peerConfig(t))
			cookies, others := 0, 0
			for i := range 1000 {
				p.r.e.Receive(s.from(source(i)), p.now)
				c, o := answers(t, p.r.take())
				cookies, others = cookies+c, others+o
			}
			if others != maxUnasked || cookies != 64-maxUnasked {
				t.Errorf("%d cookies and %d other answers in a second, want 64 in all, %d of them without", cookies, others, maxUnasked)
			}
			if n := p.r.e.Refusals()["source-rate"]; n != 1000-64 {
				t.Errorf("%d are counted", n)
			}
			p.establish(peerConfig(t)) // another source has its own share
			p.now = p.now.Add(time.Second)
			p.r.e.Receive(s.from(source(0)), p.now)
			if len(p.r.take()) != 1 {
				t.Error("the next second has no share")
			}
		})
	}
}

// Repeating somebody's request brings no more than that either.
func TestRepeatedInitRate(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	d := newSpoofer(t, peerConfig(t)).from(floodSource(1))
	n := 0
	for range 1000 {
		p.r.e.Receive(Datagram{Path: d.Path, Data: bytes.Clone(d.Data)}, p.now)
		n += len(p.r.take())
	}
	if n != 64 {
		t.Errorf("%d answers", n)
	}
}

// A source that returns cookies may have more of its sessions begin at once.
func TestProvenSourceIsNotSlow(t *testing.T) {
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.InitRate = 20 })
	for range 15 {
		c := peerConfig(t)
		c.NoInitialContact = true
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
	}
	p.i.quiet, p.r.quiet = true, true
	p.settle() // 15 requests without a cookie, and 10 with
	if n := count[SessionUp](p.r); n != 15 {
		t.Errorf("%d sessions came up", n)
	}
}

// An answer that would be more than three times its request waits for a cookie.
func TestNoAmplification(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	d := newSpoofer(t, peerConfig(t)).from(floodSource(1))
	m, err := message.Parse(d.Data)
	if err != nil {
		t.Fatal(err)
	}
	in, err := readInit(m)
	if err != nil {
		t.Fatal(err)
	}
	d.Data = d.Data[:60] // as if all that had been said in so little
	if err := p.r.e.acceptInit(d, m, in, initKey{}, p.now); err != nil {
		t.Fatal(err)
	}
	out := p.r.take()
	if c, _ := answers(t, out); c != 1 || len(out[0].Data) > maxAmplify*60 || len(p.r.e.sas) != 0 {
		t.Errorf("answered with %d messages, the first has %d bytes, %d IKE SAs", len(out), len(out[0].Data), len(p.r.e.sas))
	}
	in.proven = true
	if err := p.r.e.acceptInit(d, m, in, initKey{}, p.now); err != nil || len(p.r.take()) != 1 || len(p.r.e.sas) != 1 {
		t.Errorf("a proven source is refused: %v", err)
	}
}

// liveHeap is what the program holds, after all garbage is gone.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// CVE_2018_0158 and CVE_2020_3230: 100,000 IKE_SA_INIT requests from as many
// sources cost no memory and no session.
func TestCVE_2018_0158(t *testing.T) {
	c := peerConfig(t)
	c.Liveness = 2 * time.Second
	p := newPair(t, acceptConfig(t))
	p.establish(c)
	s := newSpoofer(t, peerConfig(t))
	before := liveHeap()
	var peak int64
	sent, got, biggest := 0, 0, 0
	for i := range 100_000 {
		if i%1000 == 0 {
			p.advance(100 * time.Millisecond) // 10,000 a second
		}
		d := s.from(floodSource(i))
		n := len(d.Data)
		p.r.e.Receive(d, p.now)
		sent++
		for _, r := range p.r.take() {
			got++
			biggest = max(biggest, len(r.Data)*100/n)
		}
		if i%20_000 == 0 {
			peak = max(peak, liveHeap())
		}
		if len(p.r.e.sas) > 65 || len(p.r.e.inits) > 65 || len(p.r.e.timers) > 70 {
			t.Fatalf("%d IKE SAs, %d answered requests, %d timers", len(p.r.e.sas), len(p.r.e.inits), len(p.r.e.timers))
		}
	}
	if got > sent || biggest > 100*maxAmplify {
		t.Errorf("%d answers to %d requests, the biggest %d%% of its request", got, sent, biggest)
	}
	if count[SessionDown](p.i)+count[SessionDown](p.r) != 0 {
		t.Error("the flood took the session down")
	}
	p.advance(time.Minute)
	after := liveHeap()
	t.Logf("heap: %d KiB before, %d KiB more at the peak, %d KiB more after; %d answers to %d requests; refused: %v",
		before>>10, (peak-before)>>10, (after-before)>>10, got, sent, p.r.e.Refusals())
	if peak-before > 1<<20 || after-before > 256<<10 {
		t.Errorf("the heap grew by %d bytes, %d are left", peak-before, after-before)
	}
	p.close()
}

// A lineCounter keeps what is logged.
type lineCounter struct{ bytes.Buffer }

func (l *lineCounter) lines() []string { return strings.Split(strings.TrimSpace(l.String()), "\n") }

// libreswan CVE-2020-1763 and 2022-23094: what strangers do is logged at the
// highest level without harm, and not line by line.
func TestCVE_2020_1763(t *testing.T) {
	var log lineCounter
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.Log = logger })
	c := peerConfig(t)
	c.IKE = ikeProposals(t, "chacha20poly1305-prfsha512-ecp384")
	s := newSpoofer(t, c)
	for i := range 5000 {
		if i%1000 == 0 {
			p.now = p.now.Add(time.Second)
		}
		p.r.e.Receive(s.from(floodSource(i)), p.now)
		p.r.take()
	}
	lines := log.lines()
	if len(lines) > 5*(strangerLines+1) || len(lines) < 5*strangerLines {
		t.Errorf("%d lines about 5000 strangers in 5 seconds", len(lines))
	}
	told := slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "count=990") })
	if !told {
		t.Errorf("nobody says how many lines are missing: %s", lines[strangerLines])
	}
}

// The end of what strangers have half opened is not told line by line either.
func TestHalfOpenEndsQuietly(t *testing.T) {
	var log lineCounter
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.Log, r.CookieThreshold = logger, 1000 })
	s := newSpoofer(t, peerConfig(t))
	for i := range 500 {
		p.r.e.Receive(s.from(floodSource(i)), p.now)
		p.r.take()
	}
	if p.r.e.halfOpen != 500 {
		t.Fatalf("%d half-open", p.r.e.halfOpen)
	}
	p.advance(p.r.e.opt.HalfOpenTime)
	if n := len(log.lines()); n != strangerLines || p.r.e.halfOpen != 0 {
		t.Errorf("%d lines, %d are still half-open", n, p.r.e.halfOpen)
	}
}

// Wrong credentials are told to this end with what it needs to know.
func TestRefusedPeerIsLogged(t *testing.T) {
	var log lineCounter
	logger := slog.New(slog.NewTextHandler(&log, nil))
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.Log = logger })
	c := peerConfig(t)
	c.PSK = []byte("incorrect horse")
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	for _, want := range []string{"level=WARN", "alice.example", addrI.Addr().String(), "pre-shared keys differ"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, &log)
		}
	}
	if p.r.e.Refusals()["not-proven"] != 1 {
		t.Errorf("%v", p.r.e.Refusals())
	}
}
