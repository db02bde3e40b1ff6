package ike

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"warren/esp"
	"warren/ike/message"
	"warren/policy"
	"warren/sa"
)

// A spiTable stands for the SAD: it hands out SPIs and knows which are taken.
type spiTable struct {
	next  esp.SPI
	taken map[esp.SPI]bool
	err   error
	twice []esp.SPI // freed without being taken
}

func (t *spiTable) alloc() (esp.SPI, error) {
	if t.err != nil {
		return 0, t.err
	}
	t.next++
	t.taken[t.next] = true
	return t.next, nil
}

func (t *spiTable) free(spi esp.SPI) {
	if !t.taken[spi] {
		t.twice = append(t.twice, spi)
	}
	delete(t.taken, spi)
}

// An end is an engine with what a node keeps for it: the SAs that its events
// installed.
type end struct {
	t      rapid.TB
	name   string
	e      *Engine
	spis   *spiTable
	events []Event
	in     map[esp.SPI]Child    // installed pairs
	out    map[sa.Layer]esp.SPI // the pair in use for sending, by inbound SPI
	up     map[SessionID]bool
	quiet  bool
	rand   *testRand
}

func newEnd(t rapid.TB, name string, seed uint64, o Options) *end {
	n := &end{t: t, name: name, spis: &spiTable{next: esp.SPI(0x1000 * seed), taken: map[esp.SPI]bool{}},
		in: map[esp.SPI]Child{}, out: map[sa.Layer]esp.SPI{}, up: map[SessionID]bool{}}
	o.AllocSPI, o.FreeSPI = n.spis.alloc, n.spis.free
	n.rand = &testRand{ChaCha8: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})}
	if o.Rand == nil {
		o.Rand = n.rand
	}
	var err error
	if n.e, err = New(o); err != nil {
		t.Fatal(err)
	}
	return n
}

// A testRand is random, save that steer decides which nonces are low.
type testRand struct {
	*rand.ChaCha8
	steer, lowAsking, lowAnswering bool
	answering                      bool // a request was handed over last
}

func (r *testRand) Read(b []byte) (int, error) {
	n, err := r.ChaCha8.Read(b)
	if r.steer && len(b) == nonceLen {
		if b[0] |= 0x80; r.answering && r.lowAnswering || !r.answering && r.lowAsking {
			b[0] = 0
		}
	}
	return n, err
}

// take applies the events like a node would, and returns the messages.
func (n *end) take() []Datagram {
	o := n.e.Take()
	for _, ev := range o.Events {
		n.apply(ev)
	}
	n.events = append(n.events, o.Events...)
	return o.Send
}

func (n *end) install(c Child, replaces esp.SPI) {
	if _, ok := n.in[c.SPIIn]; ok {
		n.t.Errorf("%s: SPI %v installed twice", n.name, c.SPIIn)
	}
	if !n.spis.taken[c.SPIIn] {
		n.t.Errorf("%s: SPI %v installed but not reserved", n.name, c.SPIIn)
	}
	if len(c.KeyIn) != len(c.KeyOut) || len(c.KeyIn) == 0 || bytes.Equal(c.KeyIn, c.KeyOut) {
		n.t.Errorf("%s: keys of %v are wrong", n.name, c.SPIIn)
	}
	n.in[c.SPIIn] = c
}

func (n *end) apply(ev Event) {
	switch ev := ev.(type) {
	case SessionUp:
		n.up[ev.ID] = true
	case ChildUp:
		n.install(ev.Child, 0)
		n.out[ev.Child.Layer] = ev.Child.SPIIn
	case ChildAdded:
		n.install(ev.Child, ev.Replaces)
		if _, ok := n.in[ev.Replaces]; !ok {
			n.t.Errorf("%s: %v replaces the unknown %v", n.name, ev.Child.SPIIn, ev.Replaces)
		}
		if ev.UseOutbound {
			n.out[ev.Child.Layer] = ev.Child.SPIIn
		}
	case OutboundSwitched:
		c, ok := n.in[ev.SPIIn]
		if !ok {
			n.t.Errorf("%s: switched to the unknown %v", n.name, ev.SPIIn)
		}
		n.out[c.Layer] = ev.SPIIn
	case ChildRemoved:
		c, ok := n.in[ev.SPIIn]
		if !ok {
			n.t.Errorf("%s: removed the unknown %v", n.name, ev.SPIIn)
		}
		if n.out[c.Layer] == ev.SPIIn {
			if !ev.Down {
				n.t.Errorf("%s: removed %v, which was in use, without a successor: %+v", n.name, ev.SPIIn, ev)
			}
			delete(n.out, c.Layer)
		} else if ev.Down && len(n.out) > 0 && !n.quiet {
			n.t.Errorf("%s: %v is said to be down, and is not in use: %+v", n.name, ev.SPIIn, ev)
		}
		delete(n.in, ev.SPIIn)
	case SessionDown:
		if !n.up[ev.ID] && ev.Reason == "" {
			n.t.Errorf("%s: session %d down without a reason", n.name, ev.ID)
		}
		delete(n.up, ev.ID)
	}
}

// GoString keeps the log of a failed property short.
func (n *end) GoString() string { return n.name }

// GoString keeps the log of a failed property short.
func (f flight) GoString() string {
	h, _ := message.ParseHeader(f.d.Data)
	return fmt.Sprintf("%s's %v %d response=%v", f.from.name, h.Exchange, h.MessageID, h.IsResponse())
}

// A flight is a message under way.
type flight struct {
	from, to *end
	d        Datagram
}

// A pair is an initiator and a responder, and the wire between them.
type pair struct {
	t     rapid.TB
	now   time.Time
	i, r  *end
	wire  []flight
	sent  int
	drop  func(f flight) bool
	tap   []flight
	watch *flow                 // may be nil
	vias  map[sa.Layer]sa.Layer // what the initiator's layers are called at the responder
}

var (
	addrI = netip.MustParseAddrPort("192.0.2.100:500")
	addrR = netip.MustParseAddrPort("192.0.2.1:500")
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func ikeProposals(t rapid.TB, ss ...string) []Proposal {
	t.Helper()
	var out []Proposal
	for _, s := range ss {
		p, err := parseIKE(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func espProposals(t rapid.TB, ss ...string) []Proposal {
	t.Helper()
	var out []Proposal
	for _, s := range ss {
		p, err := parseESP(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func mustID(t rapid.TB, s string) ID {
	t.Helper()
	id, err := ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustPool(t rapid.TB, ps ...string) *Pool {
	t.Helper()
	var pre []netip.Prefix
	for _, p := range ps {
		pre = append(pre, netip.MustParsePrefix(p))
	}
	pool, err := NewPool(pre)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// peerConfig is a client that wants a virtual address of sg1.
func peerConfig(t rapid.TB) PeerConfig {
	return PeerConfig{
		Name: "sg1", Layer: 7, Local: addrI, Remote: addrR,
		LocalID: mustID(t, "alice.example"), RemoteID: mustID(t, "sg1.example"), PSK: []byte("correct horse"),
		IKE:        ikeProposals(t, "aes128gcm16-prfsha256-x25519"),
		ESP:        espProposals(t, "aes128gcm16-esn"),
		VirtualIP4: true,
	}
}

// acceptConfig is the gateway that peerConfig wants.
func acceptConfig(t rapid.TB) AcceptConfig {
	layer := sa.Layer(100)
	return AcceptConfig{
		Name: "road", LocalID: mustID(t, "sg1.example"), IDs: []string{"*.example"},
		PSK:       func(ID) ([]byte, bool) { return []byte("correct horse"), true },
		Pool:      mustPool(t, "10.99.1.0/24"),
		Local:     policy.Everything(),
		IKE:       ikeProposals(t, "aes128gcm16-prfsha256-x25519"),
		ESP:       espProposals(t, "aes128gcm16-esn"),
		NextLayer: func() sa.Layer { layer++; return layer },
	}
}

// newPair makes two engines; opt may change what they run with.
func newPair(t rapid.TB, a AcceptConfig, opt ...func(i, r *Options)) *pair {
	return newSeededPair(t, 1, a, opt...)
}

func newSeededPair(t rapid.TB, seed uint64, a AcceptConfig, opt ...func(i, r *Options)) *pair {
	var oi, or Options
	or.Accept = []AcceptConfig{a}
	for _, f := range opt {
		f(&oi, &or)
	}
	return &pair{t: t, now: start, i: newEnd(t, "initiator", 2*seed, oi), r: newEnd(t, "responder", 2*seed+1, or)}
}

// flush puts what the engines want to send on the wire.
func (p *pair) flush() {
	for _, n := range []*end{p.i, p.r} {
		other := p.r
		if n == p.r {
			other = p.i
		}
		for _, d := range n.take() {
			f := flight{n, other, d}
			p.sent++
			p.tap = append(p.tap, f)
			if p.drop == nil || !p.drop(f) {
				p.wire = append(p.wire, f)
			}
		}
	}
	for _, n := range []*end{p.i, p.r} {
		n.sound()
	}
	if p.watch != nil {
		p.watch.look(p)
	}
}

// deliver hands the i-th message on the wire over.
func (p *pair) deliver(i int) {
	f := p.wire[i]
	p.wire = slices.Delete(p.wire, i, i+1)
	p.hand(f)
	p.flush()
	if p.watch != nil {
		p.watch.arrive(p)
		p.flush()
	}
}

func (p *pair) hand(f flight) {
	d := f.d
	d.Data = bytes.Clone(d.Data)
	d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
	for i, r := range p.vias {
		if f.from == p.i && d.Path.Via == i {
			d.Path.Via = r
			break
		} else if f.from == p.r && d.Path.Via == r {
			d.Path.Via = i
			break
		}
	}
	f.to.rand.answering = !f.isResponse()
	f.to.e.Receive(d, p.now)
	f.to.rand.answering = false
}

// settle delivers all messages in order, without time passing.
func (p *pair) settle() {
	p.flush()
	for n := 0; len(p.wire) > 0; n++ {
		if n > 1000 {
			p.t.Fatal("the two ends do not stop talking")
		}
		p.deliver(0)
	}
}

// advance lets d pass, with every timer at its time.
func (p *pair) advance(d time.Duration) {
	until := p.now.Add(d)
	p.settle()
	for n := 0; ; n++ {
		at := earliest(p.i.e.Next(), p.r.e.Next())
		if at.IsZero() || at.After(until) {
			break
		}
		if n > 100000 {
			p.t.Fatal("timers do not stop")
		}
		if at.After(p.now) {
			p.now = at
		}
		p.i.e.Tick(p.now)
		p.r.e.Tick(p.now)
		p.settle()
	}
	p.now = until
}

// establish brings c up, or fails the test.
func (p *pair) establish(c PeerConfig) SessionID {
	p.t.Helper()
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	p.settle()
	if !p.i.up[id] || len(p.i.in) == 0 || len(p.r.in) == 0 {
		p.t.Fatalf("not up: initiator %s, responder %s", dump(p.i.events), dump(p.r.events))
	}
	p.agree()
	return id
}

// agree checks that both ends have the same pairs, with the same keys and
// selectors, and send on pairs that the other has.
func (p *pair) agree() {
	p.t.Helper()
	for _, way := range [][2]*end{{p.i, p.r}, {p.r, p.i}} {
		a, b := way[0], way[1]
		for layer, spi := range a.out {
			c := a.in[spi]
			o, ok := b.in[c.SPIOut]
			if !ok {
				p.t.Errorf("%s sends layer %d on %v, which the other end does not have", a.name, layer, c.SPIOut)
				continue
			}
			if o.SPIOut != c.SPIIn || !bytes.Equal(o.KeyIn, c.KeyOut) || !bytes.Equal(o.KeyOut, c.KeyIn) {
				p.t.Errorf("%s: %v and %v do not agree on keys", a.name, c.SPIIn, o.SPIIn)
			}
			if !slices.Equal(o.LocalTS, c.RemoteTS) || !slices.Equal(o.RemoteTS, c.LocalTS) || o.Suite != c.Suite || o.Mode != c.Mode || o.Encap != c.Encap {
				p.t.Errorf("%s: %+v and %+v do not agree", a.name, c, o)
			}
		}
	}
}

// empty checks that nothing is left on either side.
func (p *pair) empty() {
	p.t.Helper()
	p.advance(2 * time.Minute)
	for _, n := range []*end{p.i, p.r} {
		n.empty()
	}
}

func (n *end) empty() {
	n.t.Helper()
	if len(n.e.Sessions()) != 0 || len(n.e.sas) != 0 || len(n.e.inits) != 0 || len(n.e.timers) != 0 || len(n.e.pairs) != 0 || n.e.halfOpen != 0 {
		n.t.Errorf("%s: left: %d sessions, %d IKE SAs, %d answered requests, %d timers, %d pairings, %d half-open",
			n.name, len(n.e.Sessions()), len(n.e.sas), len(n.e.inits), len(n.e.timers), len(n.e.pairs), n.e.halfOpen)
	}
	if len(n.spis.taken) != 0 || len(n.in) != 0 || len(n.out) != 0 {
		n.t.Errorf("%s: left: SPIs %v, installed %v, outbound %v", n.name, slices.Collect(maps.Keys(n.spis.taken)), slices.Collect(maps.Keys(n.in)), n.out)
	}
	if len(n.spis.twice) != 0 {
		n.t.Errorf("%s: freed twice: %v", n.name, n.spis.twice)
	}
}

// count tells how many events of one type an end saw.
func count[E Event](n *end) int {
	c := 0
	for _, ev := range n.events {
		if _, ok := ev.(E); ok {
			c++
		}
	}
	return c
}

// last returns the newest event of one type.
func last[E Event](n *end) (ev E, ok bool) {
	for _, x := range n.events {
		if y, is := x.(E); is {
			ev, ok = y, true
		}
	}
	return ev, ok
}

func dump(evs []Event) string {
	var b bytes.Buffer
	for _, ev := range evs {
		fmt.Fprintf(&b, "\n  %T", ev)
		switch ev := ev.(type) {
		case SessionFailed:
			fmt.Fprintf(&b, " %v", ev.Err)
		case SessionDown:
			fmt.Fprintf(&b, " %s byPeer=%v", ev.Reason, ev.ByPeer)
		case ChildRemoved:
			fmt.Fprintf(&b, " %v down=%v byPeer=%v %s", ev.SPIIn, ev.Down, ev.ByPeer, ev.Reason)
		case ChildFailed:
			fmt.Fprintf(&b, " %v", ev.Err)
		case ChildUp:
			fmt.Fprintf(&b, " %v", ev.Child.SPIIn)
		case ChildAdded:
			fmt.Fprintf(&b, " %v for %v use=%v", ev.Child.SPIIn, ev.Replaces, ev.UseOutbound)
		case OutboundSwitched:
			fmt.Fprintf(&b, " %v", ev.SPIIn)
		}
	}
	return b.String()
}

// kind is the exchange type of a message under way.
func (f flight) kind() message.ExchangeType {
	h, _ := message.ParseHeader(f.d.Data)
	return h.Exchange
}

func (f flight) isResponse() bool {
	h, _ := message.ParseHeader(f.d.Data)
	return h.IsResponse()
}

// theSession is the only session of an end.
func (n *end) theSession() SessionInfo {
	n.t.Helper()
	ss := n.e.Sessions()
	if len(ss) != 1 {
		n.t.Fatalf("%s has %d sessions, want 1; %s", n.name, len(ss), dump(n.events))
	}
	return ss[0]
}
