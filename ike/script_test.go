package ike

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"warren/esp"
)

var exhaustive = flag.Bool("exhaustive", false, "deliver the messages of every crossing in every order, with every pair of faults")

// A crossing is a row of the list of collisions: two ends that start something
// at the same time, and what must come of it however their messages travel.
//
// It is run with the initiator of the session as a and with the responder as a,
// and with the lowest of the four nonces of two crossing rekeys at each of the
// four places. Each of these runs is repeated for every order in which the
// messages may arrive, and with each message lost, doubled, held back and
// replayed.
type crossing struct {
	// config changes what the ends run with. May be nil.
	config func(a *AcceptConfig, c *PeerConfig)

	// begin starts the exchanges, and may deliver some of their messages itself.
	// What is under way when it returns, and what follows, travels as the script
	// says, unless p.drop loses it.
	begin func(p *pair, a, b *end)

	// check looks at what has come of it, ten seconds after the last message.
	check func(p *pair, a, b *end)

	// lossless says that all the time each end sends on a pair that the other
	// receives on, also packets that take four seconds.
	lossless bool

	// ends says that check leaves nothing to delete.
	ends bool
}

func (c crossing) run(t *testing.T) {
	for _, role := range []string{"initiator", "responder"} {
		for low := range 4 {
			t.Run(fmt.Sprintf("%s, nonce %d", role, low), func(t *testing.T) {
				c.orders(t, role, low)
				c.faults(t, role, low)
			})
		}
	}
}

// orders goes through the orders of delivery, depth first.
func (c crossing) orders(t *testing.T, role string, low int) {
	limit := 30
	if *exhaustive {
		limit = 1 << 20
	}
	for o := new(order); limit > 0; limit-- {
		o.step = 0
		c.once(t, role, low, script{order: o, tell: limit%2 == 1})
		if !o.next() {
			return
		}
	}
}

// faults loses, doubles and delays each of the messages.
func (c crossing) faults(t *testing.T, role string, low int) {
	const most = 12
	var all []fault
	for n := range most {
		for f := lost; f <= replayed; f++ {
			all = append(all, fault{n, f})
		}
	}
	for i, f := range all {
		if c.once(t, role, low, script{faults: []fault{f}, tell: true}) <= f.n {
			return // there are no more messages
		}
		if !*exhaustive {
			continue
		}
		for _, g := range all[i+1:] {
			if g.n != f.n && c.once(t, role, low, script{faults: []fault{f, g}}) <= g.n {
				break
			}
		}
	}
}

// once runs c once and tells how many messages there were.
func (c crossing) once(t *testing.T, role string, low int, s script) int {
	t.Helper()
	ac, pc := acceptConfig(t), peerConfig(t)
	if c.config != nil {
		c.config(&ac, &pc)
	}
	p := newPair(t, ac)
	defer func() {
		if t.Failed() {
			t.Fatalf("with %v:\ninitiator: %s\nresponder: %s", s, dump(p.i.events), dump(p.r.events))
		}
	}()
	p.establish(pc)
	p.lowest(low)
	a, b := p.i, p.r
	if role == "responder" {
		a, b = b, a
	}
	if c.lossless {
		p.watch = &flow{tell: s.tell}
	}
	c.begin(p, a, b)
	s.play(p)
	p.drop = nil
	c.check(p, a, b)
	if p.watch = nil; !c.ends {
		p.close()
	}
	return s.sent
}

// A fate is what becomes of a message that is not just delivered.
type fate int

const (
	lost     fate = iota
	doubled       // arrives twice
	held          // arrives behind all the others
	delayed       // arrives three seconds later, when it was sent again long ago
	replayed      // arrives in time, and again six seconds later
)

func (f fate) String() string {
	return [...]string{"lost", "doubled", "held", "delayed", "replayed"}[f]
}

// A fault is a fate for the n-th message.
type fault struct {
	n    int
	fate fate
}

func (f fault) String() string { return fmt.Sprintf("message %d %v", f.n, f.fate) }

// A script says how messages travel: in one order, or with faults.
type script struct {
	order  *order
	faults []fault
	tell   bool // the engines learn at once what arrived on new pairs

	sent       int
	late       []flight // held
	much, most []flight // delayed and replayed
}

func (s script) String() string {
	if s.order != nil {
		return fmt.Sprintf("order %v", s.order.picks)
	}
	return fmt.Sprintf("faults %v", s.faults)
}

// wire makes p carry messages as s says, those under way too.
func (s *script) wire(p *pair) {
	drop := p.drop
	p.drop = func(f flight) bool {
		if drop != nil && drop(f) {
			return true
		}
		n := s.sent
		s.sent++
		for _, x := range s.faults {
			if x.n == n {
				return s.apply(p, x.fate, f)
			}
		}
		return false
	}
	wire := p.wire
	p.wire = nil
	for _, f := range wire {
		if !p.drop(f) {
			p.wire = append(p.wire, f)
		}
	}
}

// apply reports whether f does not arrive now.
func (s *script) apply(p *pair, x fate, f flight) bool {
	switch x {
	case doubled:
		p.wire = append(p.wire, f)
		return false
	case held:
		s.late = append(s.late, f)
	case delayed:
		s.much = append(s.much, f)
	case replayed:
		s.most = append(s.most, f)
		return false
	}
	return true
}

// play delivers all there is.
func (s *script) play(p *pair) {
	p.flush()
	s.wire(p)
	for n := 0; len(p.wire) > 0; n++ {
		if n > 1000 {
			p.t.Fatal("the two ends do not stop talking")
		}
		p.deliver(s.pick(p))
	}
	for _, f := range s.late {
		p.hand(f)
		p.settle()
	}
	p.advance(3 * time.Second)
	for _, f := range s.much {
		p.hand(f)
		p.settle()
	}
	p.advance(3 * time.Second)
	for _, f := range s.most {
		p.hand(f)
		p.settle()
	}
	p.advance(4 * time.Second)
}

func (s *script) pick(p *pair) int {
	if s.order == nil {
		return 0
	}
	return s.order.pick(len(p.wire))
}

// An order is which of the messages under way arrives, step by step.
type order struct {
	picks, widths []int
	step          int
}

func (o *order) pick(n int) int {
	if o.step == len(o.picks) {
		o.picks, o.widths = append(o.picks, 0), append(o.widths, n)
	}
	o.widths[o.step] = n
	k := min(o.picks[o.step], n-1)
	o.step++
	return k
}

// next makes o the order that follows, and reports whether there is one.
func (o *order) next() bool {
	for o.picks = o.picks[:o.step]; len(o.picks) > 0; o.picks = o.picks[:len(o.picks)-1] {
		i := len(o.picks) - 1
		if o.picks[i]++; o.picks[i] < o.widths[i] {
			o.widths = o.widths[:i+1]
			return true
		}
	}
	return false
}

// lowest puts the lowest of four nonces of two crossing exchanges at one place:
// the initiator's as the one who asks, the responder's as the one who answers
// it, the responder's as the one who asks, the initiator's as the one who answers.
func (p *pair) lowest(place int) {
	for n, asks := range map[*end]int{p.i: 0, p.r: 2} {
		n.rand.steer = true
		n.rand.lowAsking = place == asks
		n.rand.lowAnswering = place == (asks+3)%4
	}
}

// downs counts the times that an end lost its traffic.
func (n *end) downs() int {
	k := 0
	for _, ev := range n.events {
		if r, ok := ev.(ChildRemoved); ok && r.Down {
			k++
		}
	}
	return k
}

// asked counts the requests of one exchange that n made, each once.
func (p *pair) asked(n *end, what func(f flight) bool) int {
	seen := map[string]bool{}
	for _, f := range p.tap {
		if f.from == n && !f.isResponse() && what(f) {
			seen[string(f.d.Data)] = true
		}
	}
	return len(seen)
}

// hold takes the oldest message of n off the wire.
func (p *pair) hold(n *end) flight {
	p.t.Helper()
	i := slices.IndexFunc(p.wire, func(f flight) bool { return f.from == n })
	if i < 0 {
		p.t.Fatalf("nothing of %s is under way", n.name)
	}
	f := p.wire[i]
	p.wire = slices.Delete(p.wire, i, i+1)
	return f
}

// only returns the child that n has in use.
func (n *end) only() ChildInfo {
	n.t.Helper()
	for _, c := range n.theSession().Children {
		for _, spi := range n.out {
			if c.SPIIn == spi {
				return c
			}
		}
	}
	n.t.Fatalf("%s uses no child: %s", n.name, dump(n.events))
	return ChildInfo{}
}

func (p *pair) deleteChild(n *end, spi esp.SPI) {
	p.t.Helper()
	if err := n.e.DeleteChild(n.session(), spi, p.now); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) deleteIKE(n *end) {
	p.t.Helper()
	if err := n.e.Delete(n.session(), p.now); err != nil {
		p.t.Fatal(err)
	}
}

// gone checks that both ends have an IKE SA, and no child: of those in the rows
// each went once.
func (p *pair) childless() {
	p.t.Helper()
	p.advance(time.Minute)
	for _, n := range []*end{p.i, p.r} {
		if s := n.theSession(); len(s.Children) != 0 || len(n.in) != 0 || len(n.spis.taken) != 0 || n.downs() != 1 || len(n.e.sas) != 1 {
			p.t.Errorf("%s: %+v, installed %d, SPIs %d, %d times down, %d IKE SAs",
				n.name, s.Children, len(n.in), len(n.spis.taken), n.downs(), len(n.e.sas))
		}
	}
}

// over checks that the session ended once on both ends, with nothing left.
func (p *pair) over() {
	p.t.Helper()
	p.empty()
	for _, n := range []*end{p.i, p.r} {
		if count[SessionDown](n) != 1 || n.downs() != 1 {
			p.t.Errorf("%s: %d times down, its child %d times", n.name, count[SessionDown](n), n.downs())
		}
	}
}
