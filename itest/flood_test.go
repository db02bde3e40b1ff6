package itest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/bench/crowd"
	"warren/control"
	"warren/lab"
)

const (
	floodCount = 100_000
	floodRate  = 10_000 // a second
	floodLeast = 50     // of a hundred requests must have reached the daemon

	// floodGrowth is what the daemon may grow by: the queue to the engine, and as
	// much garbage again as it has of live memory, but nothing for each request.
	floodGrowth = 32 << 10 // KiB
)

// TestFlood sends 10^5 IKE_SA_INIT requests with spoofed sources to the first gateway
// of a chain under traffic and liveness checks, and has the chain authenticated anew
// meanwhile: nothing of the traffic is lost, the gateway's memory stays what it was,
// and it sends no more than it gets (RFC 7296, Section 2.6; RFC 8019).
func TestFlood(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	c := w.SenderConfig(3, false)
	c.Liveness = time.Second
	alice := w.start(w.Sender, c)
	events := alice.Events(w.ctx)
	w.command(alice, "up", "web")
	from := events.Len()
	seen := w.countReplies()
	s, err := w.Sender.StartStream(w.Receiver, netip.AddrPortFrom(w.ReceiverAddr, iperfPort), 1000)
	must(t, err)
	before := resident(t, gateways[0])

	peak := before
	f := newFlood(w, gateways[0], w.Gateways[0].Addr)
	for f.sent < floodCount {
		f.send(t, floodRate/20)
		peak = max(peak, resident(t, gateways[0]))
		if f.sent == floodCount/2 {
			w.command(alice, "reauth", "web") // each of its layers must return a cookie by now
		}
	}
	during, err := gateways[0].Client().Status(w.ctx)
	must(t, err)
	st := s.Stop()
	after := resident(t, gateways[0])
	replies, bytes := seen()

	t.Logf("%d requests of %d bytes, answered by %d packets of %d bytes: %v", f.sent, f.bytes/f.sent, replies, bytes/max(replies, 1), during.IKE)
	t.Logf("memory before %d KiB, at the peak +%d KiB, after +%d KiB", before, peak-before, after-before)
	t.Logf("of the chain's %d packets %d came there and %d back", st.Sent, st.There, st.Back)
	if st.There != st.Sent || st.Back != st.Sent || st.TwiceThere+st.TwiceBack != 0 {
		t.Errorf("want all of them, each once: %+v", st)
		w.whereabouts(append(gateways, alice))
	}
	if peak-before > floodGrowth {
		t.Errorf("the gateway grew by %d KiB", peak-before)
	}
	if refused := sum(during.IKE); refused < floodCount*floodLeast/100 {
		t.Errorf("only %d requests were turned away: %v", refused, during.IKE)
	}
	if replies == 0 || replies > f.sent || bytes > f.bytes {
		t.Errorf("%d requests of %d bytes got %d replies of %d bytes", f.sent, f.bytes, replies, bytes)
	}
	for _, ev := range events.Since(from) {
		if ev.Kind != control.EventReauth {
			t.Errorf("event beside the reauthentications: %+v", ev)
		}
	}
	must(t, gateways[0].WaitAccepted(w.ctx, 1, quick))
}

func sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// resident is the memory of a daemon, in KiB.
func resident(t *testing.T, d *lab.Warren) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
	must(t, err)
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	must(t, err)
	return kib
}

// spoofed is where the requests claim to come from: nobody is there.
const spoofed = "10.128.0.0/9"

// countReplies has the router drop what goes to spoofed sources, and returns how
// to read how much that was.
func (w *world) countReplies() (seen func() (packets, bytes int)) {
	w.t.Helper()
	nft := func(script string) string {
		out, err := w.Router.Run(w.ctx, "nft", script)
		must(w.t, err)
		return out
	}
	nft("add table ip flood; add chain ip flood in { type filter hook prerouting priority 0; }; " +
		"add rule ip flood in ip daddr " + spoofed + " counter drop")
	return func() (packets, bytes int) {
		_, counted, _ := strings.Cut(nft("list table ip flood"), "counter")
		_, err := fmt.Sscanf(counted, " packets %d bytes %d", &packets, &bytes)
		must(w.t, err)
		return packets, bytes
	}
}

// A flood is IKE_SA_INIT requests, each from another address and port, every second
// one to port 4500.
type flood struct {
	fd      int
	dst     netip.Addr
	packets [2][]byte // for either port
	next    time.Time

	sent, bytes int
}

const ipHeader, udpHeader = 20, 8

func newFlood(w *world, d *lab.Warren, dst netip.Addr) *flood {
	w.t.Helper()
	f := &flood{dst: dst, next: time.Now()}
	request, err := crowd.Target{Addr: dst, ID: "sg1.example", PSK: "none", IKE: "aes128gcm16-prfsha256-x25519", ESP: "aes128gcm16"}.
		Request(netip.MustParseAddr("10.128.0.1"))
	must(w.t, err)
	for i, port := range []uint16{500, 4500} {
		payload := append(make([]byte, i*4), request...) // the non-ESP marker
		p := make([]byte, ipHeader+udpHeader, ipHeader+udpHeader+len(payload))
		p[0], p[8], p[9] = 0x45, 64, syscall.IPPROTO_UDP
		copy(p[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(p[ipHeader+2:], port)
		binary.BigEndian.PutUint16(p[ipHeader+4:], uint16(udpHeader+len(payload)))
		f.packets[i] = append(p, payload...)
	}
	must(w.t, w.Router.Do(func() (err error) {
		f.fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
		return err
	}))
	w.t.Cleanup(func() { syscall.Close(f.fd) })
	return f
}

// send sends so many more at the rate of floodRate.
func (f *flood) send(t *testing.T, count int) {
	t.Helper()
	to := syscall.SockaddrInet4{Addr: f.dst.As4()}
	for range count {
		if f.sent%20 == 0 {
			time.Sleep(time.Until(f.next))
			f.next = f.next.Add(20 * time.Second / floodRate)
		}
		p := f.packets[f.sent%2]
		binary.BigEndian.PutUint32(p[12:], 10<<24|1<<23|uint32(f.sent)*61) // the source
		binary.BigEndian.PutUint16(p[ipHeader:], uint16(1024+f.sent%60_000))
		spi := p[len(p)-len(f.packets[0])+ipHeader+udpHeader:]
		binary.BigEndian.PutUint32(spi, uint32(f.sent)+1)
		must(t, syscall.Sendto(f.fd, p, 0, &to))
		f.sent++
		f.bytes += len(p)
	}
}
