package ike_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"warren/esp"
	"warren/ike"
	"warren/ike/crypt"
	"warren/lab"
	"warren/policy"
	"warren/sa"
)

// A pump is an engine with real sockets and a real clock: what a node is to it,
// without ESP.
type pump struct {
	t    *testing.T
	mu   sync.Mutex
	e    *ike.Engine
	addr netip.Addr
	conn map[uint16]*net.UDPConn
	wake chan struct{}
	news chan struct{}

	events   []ike.Event
	children map[esp.SPI]ike.Child
	spis     map[esp.SPI]bool
}

func newPump(t *testing.T, node *lab.Node, addr netip.Addr, o ike.Options) *pump {
	t.Helper()
	p := &pump{t: t, addr: addr, conn: map[uint16]*net.UDPConn{}, wake: make(chan struct{}, 1), news: make(chan struct{}, 1),
		children: map[esp.SPI]ike.Child{}, spis: map[esp.SPI]bool{}}
	o.AllocSPI = func() (esp.SPI, error) {
		spi := esp.SPI(rand.Uint32() | 0x100)
		p.spis[spi] = true
		return spi, nil
	}
	o.FreeSPI = func(spi esp.SPI) { delete(p.spis, spi) }
	var err error
	if p.e, err = ike.New(o); err != nil {
		t.Fatal(err)
	}
	if err := node.Do(p.open); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for port, c := range p.conn {
		wg.Go(func() { p.read(port, c) })
	}
	wg.Go(func() { p.timers(done) })
	t.Cleanup(func() {
		close(done)
		for _, c := range p.conn {
			c.Close()
		}
		wg.Wait()
	})
	return p
}

func (p *pump) open() error {
	for _, port := range []uint16{500, 4500} {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr, port)))
		if err != nil {
			return err
		}
		p.conn[port] = c
	}
	return nil
}

func (p *pump) read(port uint16, c *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		data := buf[:n]
		if port == 4500 {
			if n < 4 || string(data[:4]) != "\x00\x00\x00\x00" {
				continue // ESP, or a keepalive
			}
			data = data[4:]
		}
		p.do(func(now time.Time) {
			p.e.Receive(ike.Datagram{NATT: port == 4500, Data: append([]byte(nil), data...),
				Path: ike.Path{Local: netip.AddrPortFrom(p.addr, port), Remote: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}}, now)
		})
	}
}

func (p *pump) timers(done chan struct{}) {
	for {
		p.mu.Lock()
		next := p.e.Next()
		p.mu.Unlock()
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		select {
		case <-done:
			return
		case <-p.wake:
		case <-time.After(wait):
			p.do(p.e.Tick)
		}
	}
}

// do runs f on the engine and carries out what it wants.
func (p *pump) do(f func(now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(time.Now())
	out := p.e.Take()
	for _, ev := range out.Events {
		p.apply(ev)
	}
	for _, d := range out.Send {
		data := d.Data
		if d.NATT {
			data = append(make([]byte, 4), data...)
		}
		if _, err := p.conn[d.Path.Local.Port()].WriteToUDPAddrPort(data, d.Path.Remote); err != nil {
			p.t.Logf("send: %v", err)
		}
	}
	for _, c := range []chan struct{}{p.wake, p.news} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (p *pump) apply(ev ike.Event) {
	p.events = append(p.events, ev)
	switch ev := ev.(type) {
	case ike.ChildUp:
		p.children[ev.Child.SPIIn] = ev.Child
	case ike.ChildAdded:
		p.children[ev.Child.SPIIn] = ev.Child
	case ike.ChildRemoved:
		delete(p.children, ev.SPIIn)
	}
}

// until waits till f is true of the pump's state.
func (p *pump) until(what string, f func() bool) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		ok := f()
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-p.news:
		case <-deadline:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("never came: %s; events: %s; sessions: %+v", what, names(p.events), p.e.Sessions())
		}
	}
}

func names(evs []ike.Event) (s string) {
	for _, ev := range evs {
		s += fmt.Sprintf(" %T", ev)
		if f, ok := ev.(ike.SessionFailed); ok {
			s += fmt.Sprintf("(%v)", f.Err)
		}
	}
	return s
}

// seen counts the events of ev's type.
func (p *pump) seen(ev ike.Event) (n int) {
	for _, x := range p.events {
		if reflect.TypeOf(x) == reflect.TypeOf(ev) {
			n++
		}
	}
	return n
}

func (p *pump) session() ike.SessionInfo {
	if ss := p.e.Sessions(); len(ss) > 0 {
		return ss[0]
	}
	return ike.SessionInfo{}
}

var (
	warrenAddr = netip.MustParseAddr("192.0.2.100")
	charonAddr = netip.MustParseAddr("192.0.2.1")
)

// interop is a charon and a place for a pump, joined by a wire.
func interop(t *testing.T, c lab.CharonConfig) (context.Context, *lab.Node, *lab.Charon) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") != "" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("network namespaces need root")
	}
	if _, err := os.Stat("/usr/lib/ipsec/charon"); err != nil {
		skip("strongSwan is not installed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	l, err := lab.New(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	var ends [2]lab.End
	for i, addr := range []netip.Addr{warrenAddr, charonAddr} {
		n, err := l.AddNode([]string{"warren", "charon"}[i])
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = lab.End{Node: n, Addrs: []netip.Prefix{netip.PrefixFrom(addr, 24)}}
	}
	if err := l.Link(ctx, ends[0], ends[1]); err != nil {
		t.Fatal(err)
	}
	ch, err := ends[1].Node.StartCharon(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("charon:\n%s", ch.Tail(80))
		}
	})
	return ctx, ends[0].Node, ch
}

func one[P any](p P, err error) []P {
	if err != nil {
		panic(err)
	}
	return []P{p}
}

func id(s string) ike.ID {
	i, err := ike.ParseID(s)
	if err != nil {
		panic(err)
	}
	return i
}

// charonHas waits till charon lists n IKE SAs that are up, each with one child.
func charonHas(ctx context.Context, t *testing.T, ch *lab.Charon, n int) []lab.CharonSA {
	t.Helper()
	var sas []lab.CharonSA
	var err error
	for range 60 {
		sas, err = ch.SAs(ctx)
		good := err == nil && len(sas) == n && lab.Installed(sas) == n
		for _, sa := range sas {
			good = good && sa.State == "ESTABLISHED" && len(sa.Children) == 1
		}
		if good {
			return sas
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("charon lists %+v (%v), want %d", sas, err, n)
	return nil
}

// sameSPIs checks that the pump's only child is charon's.
func sameSPIs(t *testing.T, p *pump, sas []lab.CharonSA) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := sas[0].Children[0]
	for _, o := range p.children {
		if fmt.Sprintf("%08x", uint32(o.SPIIn)) == c.SPIOut && fmt.Sprintf("%08x", uint32(o.SPIOut)) == c.SPIIn {
			return
		}
	}
	t.Errorf("charon has in %s out %s, we have %+v", c.SPIIn, c.SPIOut, p.session().Children)
}

// exercise rekeys everything from both sides, then lets del delete.
func exercise(ctx context.Context, t *testing.T, p *pump, ch *lab.Charon, del func()) {
	t.Helper()
	sas := charonHas(ctx, t, ch, 1)
	sameSPIs(t, p, sas)
	step := func(what string, f func(), done ike.Event) {
		t.Helper()
		p.mu.Lock()
		before, removed := p.seen(done), p.seen(ike.ChildRemoved{})
		p.mu.Unlock()
		f()
		p.until(what, func() bool { return p.seen(done) > before })
		if _, child := done.(ike.ChildAdded); child {
			p.until(what+": old pair removed", func() bool { return p.seen(ike.ChildRemoved{}) > removed })
		}
		sameSPIs(t, p, charonHas(ctx, t, ch, 1))
	}
	ours := func(f func(s ike.SessionInfo, now time.Time) error) func() {
		return func() {
			p.do(func(now time.Time) {
				if err := f(p.session(), now); err != nil {
					t.Error(err)
				}
			})
		}
	}
	theirs := func(args ...string) func() {
		return func() {
			if out, err := ch.Swanctl(ctx, args...); err != nil {
				t.Fatal(err, out)
			}
		}
	}
	rekeyChild := ours(func(s ike.SessionInfo, now time.Time) error {
		return p.e.RekeyChild(s.ID, s.Children[len(s.Children)-1].SPIIn, now)
	})
	rekeyIKE := ours(func(s ike.SessionInfo, now time.Time) error { return p.e.RekeyIKE(s.ID, now) })
	step("our child rekey", rekeyChild, ike.ChildAdded{})
	step("charon's child rekey", theirs("--rekey", "--child", "net"), ike.ChildAdded{})
	step("our IKE rekey", rekeyIKE, ike.SessionRekeyed{})
	step("charon's IKE rekey", theirs("--rekey", "--ike", "lab"), ike.SessionRekeyed{})
	step("our child rekey on the new IKE SA", rekeyChild, ike.ChildAdded{})
	p.do(func(now time.Time) { _ = p.e.Liveness(p.session().ID, now) })
	del()
	p.until("session down", func() bool { return p.seen(ike.SessionDown{}) == 1 })
	charonHas(ctx, t, ch, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spis) != 0 || len(p.children) != 0 || len(p.e.Sessions()) != 0 {
		t.Errorf("left: SPIs %v, children %v, sessions %v", p.spis, p.children, p.e.Sessions())
	}
}

var suites = []struct{ ike, esp string }{
	{"aes128gcm16-prfsha256-x25519", "aes128gcm16"},
	{"chacha20poly1305-prfsha512-ecp384", "chacha20poly1305-ecp256"},
	{"aes256gcm16-prfsha384-modp2048", "aes256gcm16-modp2048"},
}

func TestInteropInitiator(t *testing.T) {
	t.Parallel()
	for i, s := range suites {
		t.Run(s.ike, func(t *testing.T) {
			t.Parallel()
			ctx, node, ch := interop(t, lab.CharonConfig{LocalID: "sg1.example", RemoteID: "%any", PSK: "open sesame",
				Local: charonAddr.String(), Pools: []string{"10.99.1.0/24", "fd99:1::/64"}, LocalTS: []string{"0.0.0.0/0", "::/0"},
				IKE: s.ike, ESP: s.esp})
			p := newPump(t, node, warrenAddr, ike.Options{Linger: time.Second})
			p.do(func(now time.Time) {
				_, err := p.e.Initiate(ike.PeerConfig{
					Name: "sg1", Layer: 1, Local: netip.AddrPortFrom(warrenAddr, 500), Remote: netip.AddrPortFrom(charonAddr, 500),
					LocalID: id("alice.example"), RemoteID: id("sg1.example"), PSK: []byte("open sesame"),
					// The first group of the offer is not charon's, so INVALID_KE_PAYLOAD comes first.
					IKE:        append(one(crypt.ParseIKE("aes128gcm16-prfsha256-ecp256")), one(crypt.ParseIKE(s.ike))...),
					ESP:        append(one(crypt.ParseESP("aes128gcm16-esn")), one(crypt.ParseESP(s.esp))...),
					VirtualIP4: true, VirtualIP6: true, Encap: ike.EncapUDP,
				}, now)
				if err != nil {
					t.Fatal(err)
				}
			})
			p.until("child up", func() bool { return p.seen(ike.ChildUp{}) == 1 })
			p.mu.Lock()
			for _, c := range p.children {
				if !c.Lease4.IsValid() || !c.Lease6.IsValid() || !policy.Covers(c.LocalTS, c.Lease4, 6, 1) || !policy.Covers(c.RemoteTS, netip.MustParseAddr("203.0.113.77"), 6, 1) {
					t.Errorf("%+v", c)
				}
			}
			p.mu.Unlock()
			exercise(ctx, t, p, ch, func() {
				if i == 0 {
					p.do(func(now time.Time) { _ = p.e.Delete(p.session().ID, now) })
				} else if err := ch.Terminate(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestInteropResponder(t *testing.T) {
	t.Parallel()
	for i, s := range suites {
		t.Run(s.ike, func(t *testing.T) {
			t.Parallel()
			ctx, node, ch := interop(t, lab.CharonConfig{LocalID: "carol.example", RemoteID: "sg1.example", PSK: "open sesame",
				Local: charonAddr.String(), Remote: warrenAddr.String(), VirtIPs: []string{"0.0.0.0"}, RemoteTS: []string{"0.0.0.0/0", "::/0"},
				IKE: s.ike, ESP: s.esp})
			pool, err := ike.NewPool([]netip.Prefix{netip.MustParsePrefix("10.99.1.0/24")})
			if err != nil {
				t.Fatal(err)
			}
			o := ike.Options{Linger: time.Second, Accept: []ike.AcceptConfig{{
				Name: "road", LocalID: id("sg1.example"), IDs: []string{"*.example"}, Pool: pool, Local: policy.Everything(),
				PSK: func(ike.ID) ([]byte, bool) { return []byte("open sesame"), true },
				IKE: one(crypt.ParseIKE(s.ike)), ESP: one(crypt.ParseESP(s.esp)),
				NextLayer: func() sa.Layer { return 9 },
			}}}
			if i == 0 {
				o.CookieThreshold = -1
			}
			p := newPump(t, node, warrenAddr, o)
			if err := ch.Initiate(ctx); err != nil {
				t.Fatal(err)
			}
			p.until("child up", func() bool { return p.seen(ike.ChildUp{}) == 1 })
			if l := pool.Leases(); len(l) != 1 || l[0].Addr.String() != "10.99.1.2" || l[0].ID.String() != "carol.example" {
				t.Errorf("leases %v", l)
			}
			exercise(ctx, t, p, ch, func() {
				if i == 0 {
					p.do(func(now time.Time) { _ = p.e.Delete(p.session().ID, now) })
				} else if err := ch.Terminate(ctx); err != nil {
					t.Error(err)
				}
			})
			if len(pool.Leases()) != 0 {
				t.Errorf("leases left: %v", pool.Leases())
			}
		})
	}
}

// A gateway that refuses says why.
func TestInteropRefused(t *testing.T) {
	t.Parallel()
	_, node, _ := interop(t, lab.CharonConfig{LocalID: "sg1.example", RemoteID: "%any", PSK: "open sesame",
		Local: charonAddr.String(), LocalTS: []string{"203.0.113.0/24"}})
	tests := map[string]struct {
		change func(c *ike.PeerConfig)
		want   string
	}{
		"wrong PSK":    {func(c *ike.PeerConfig) { c.PSK = []byte("open barley") }, "AUTHENTICATION_FAILED"},
		"wrong id":     {func(c *ike.PeerConfig) { c.RemoteID = id("sg7.example") }, "AUTHENTICATION_FAILED"},
		"IKE proposal": {func(c *ike.PeerConfig) { c.IKE = one(crypt.ParseIKE("aes256gcm16-prfsha512-ecp384")) }, "NO_PROPOSAL_CHOSEN"},
		"ESP proposal": {func(c *ike.PeerConfig) { c.ESP = one(crypt.ParseESP("chacha20poly1305")) }, "NO_PROPOSAL_CHOSEN"},
		"selectors": {func(c *ike.PeerConfig) {
			c.RemoteTS = []policy.Selector{policy.AddrSelector(netip.MustParseAddr("198.51.100.1"))}
		}, "TS_UNACCEPTABLE"},
		"no pool": {func(c *ike.PeerConfig) { c.VirtualIP4 = true }, "INTERNAL_ADDRESS_FAILURE"},
	}
	p := newPump(t, node, warrenAddr, ike.Options{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := ike.PeerConfig{
				Name: "sg1", Layer: 1, Local: netip.AddrPortFrom(warrenAddr, 500), Remote: netip.AddrPortFrom(charonAddr, 500),
				LocalID: id("alice.example"), RemoteID: id("sg1.example"), PSK: []byte("open sesame"),
				IKE: one(crypt.ParseIKE("aes128gcm16-prfsha256-x25519")), ESP: one(crypt.ParseESP("aes128gcm16")),
			}
			tt.change(&c)
			p.mu.Lock()
			before := p.seen(ike.SessionFailed{})
			p.mu.Unlock()
			p.do(func(now time.Time) {
				if _, err := p.e.Initiate(c, now); err != nil {
					t.Error(err)
				}
			})
			p.until("failure", func() bool { return p.seen(ike.SessionFailed{}) > before })
			p.mu.Lock()
			defer p.mu.Unlock()
			f, _ := p.events[len(p.events)-1].(ike.SessionFailed)
			if f.PeerReason != tt.want {
				t.Errorf("got %v, want %s", f.Err, tt.want)
			}
			t.Log(f.Err)
		})
	}
}

// Both ends rekey everything all the time, at the same moments, so that their
// rekeys cross. Nothing may go down, and nothing may be left over.
func TestInteropCrossingRekeys(t *testing.T) {
	t.Parallel()
	ctx, node, ch := interop(t, lab.CharonConfig{LocalID: "sg1.example", RemoteID: "%any", PSK: "open sesame",
		Local: charonAddr.String(), Pools: []string{"10.99.1.0/24"}, LocalTS: []string{"0.0.0.0/0"},
		ESP: "aes128gcm16-x25519", RekeyIKE: 5 * time.Second, RekeyChild: 3 * time.Second})
	p := newPump(t, node, warrenAddr, ike.Options{Linger: time.Second, RetryAfter: time.Second})
	p.do(func(now time.Time) {
		_, err := p.e.Initiate(ike.PeerConfig{
			Name: "sg1", Layer: 1, Local: netip.AddrPortFrom(warrenAddr, 500), Remote: netip.AddrPortFrom(charonAddr, 500),
			LocalID: id("alice.example"), RemoteID: id("sg1.example"), PSK: []byte("open sesame"),
			IKE: one(crypt.ParseIKE("aes128gcm16-prfsha256-x25519")), ESP: one(crypt.ParseESP("aes128gcm16-x25519")),
			VirtualIP4: true, Encap: ike.EncapUDP,
			Rekey: ike.Rekey{IKE: 5 * time.Second, Child: sa.Lifetime{SoftTime: 3 * time.Second, HardTime: 30 * time.Second}, Jitter: -1},
		}, now)
		if err != nil {
			t.Fatal(err)
		}
	})
	p.until("child up", func() bool { return p.seen(ike.ChildUp{}) == 1 })
	time.Sleep(24 * time.Second) // real time: charon knows no other
	p.mu.Lock()
	s := p.session()
	down := p.seen(ike.SessionDown{}) + p.seen(ike.SessionFailed{})
	for _, ev := range p.events {
		if r, ok := ev.(ike.ChildRemoved); ok && r.Down {
			t.Errorf("child down: %+v", r)
		}
	}
	if down != 0 || s.Rekeys < 3 || p.seen(ike.ChildAdded{}) < 5 || len(p.children) > 3 {
		t.Errorf("%d down, %d rekeys, %d children; events: %s", down, s.Rekeys, len(p.children), names(p.events))
	}
	t.Logf("%d IKE and %d child rekeys", s.Rekeys, p.seen(ike.ChildAdded{}))
	p.mu.Unlock()
	p.do(func(now time.Time) { _ = p.e.Delete(p.session().ID, now) })
	p.until("session down", func() bool { return p.seen(ike.SessionDown{}) == 1 })
	charonHas(ctx, t, ch, 0)
}
