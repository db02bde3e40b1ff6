package ike

import (
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/policy"
	"warren/sa"
)

type childState uint8

const (
	childUp        childState = iota
	childRekeying             // this node's rekey of it is under way
	childReplaced             // has a successor; one of the ends will delete it
	childDeleting             // this node's DELETE is under way
	childRedundant            // lost against a simultaneous rekey; the peer will delete it
	childLingering            // deleted, but its inbound SA still takes late packets
)

func (s childState) String() string {
	return [...]string{"up", "rekeying", "replaced", "closing", "redundant", "lingering"}[s]
}

// A child is a pair of ESP SAs of a session.
type child struct {
	state         childState
	layer         sa.Layer
	spiIn, spiOut esp.SPI
	suite         esp.Suite
	mode          esp.Mode
	localTS       []policy.Selector
	remoteTS      []policy.Selector
	born          time.Time
	rekeys        int

	life     sa.Lifetime
	succ     *child // the pair that takes its place
	rekey    *rekeyChild
	sending  bool // its outbound SA is in use
	shared   bool // another session has, or had, a pair of the same layer
	rekeyAt  time.Time
	hardAt   time.Time
	removeAt time.Time // childLingering, and childRedundant: do not wait longer
}

// export describes c for an event. The keys are given away. A pair that is
// replaced just before its hard lifetime still takes late packets after it.
func (e *Engine) export(s *session, c *child, k childKeys) Child {
	out := Child{
		Layer: c.layer, Via: s.via, SPIIn: c.spiIn, SPIOut: c.spiOut, Suite: c.suite,
		KeyIn: k.in, KeyOut: k.out, Mode: c.mode, Encap: s.encap, Path: s.path,
		LocalTS: slices.Clone(c.localTS), RemoteTS: slices.Clone(c.remoteTS),
		Lease4: s.lease4, Lease6: s.lease6, Remote: s.remoteID, Name: s.name, Initiator: s.initiator,
		Lifetime: c.life, Window: s.window, Born: c.born,
	}
	if out.Lifetime.HardTime > 0 {
		out.Lifetime.HardTime += e.opt.Linger
	}
	return out
}

func (c *child) describe() ChildInfo {
	return ChildInfo{
		Layer: c.layer, SPIIn: c.spiIn, SPIOut: c.spiOut, Suite: c.suite, Mode: c.mode,
		LocalTS: c.localTS, RemoteTS: c.remoteTS, State: c.state.String(), Born: c.born, Rekeys: c.rekeys,
	}
}

// childKeys are the keys of a child from this node's view.
type childKeys struct{ in, out []byte }

func (k childKeys) wipe() {
	clear(k.in)
	clear(k.out)
}

// keysFor orders k: initiated says that this node began the exchange that made
// the child (RFC 7296, Section 2.17).
func keysFor(k crypt.ChildKeys, initiated bool) childKeys {
	if initiated {
		return childKeys{in: k.Responder, out: k.Initiator}
	}
	return childKeys{in: k.Initiator, out: k.Responder}
}

// addChild puts c in the session and starts its lifetime.
func (e *Engine) addChild(s *session, c *child) {
	c.life = e.lifetime(s, c.suite)
	c.rekeyAt = e.rekeyTime(s, c.born, c.life.SoftTime)
	c.hardAt = after(c.born, c.life.HardTime)
	c.sending = true
	s.halfBy = time.Time{}
	s.children = append(s.children, c)
}

// replaceChild puts c in the session in place of old and says so. use says to
// send on c at once.
func (e *Engine) replaceChild(s *session, old, c *child, k childKeys, use bool) {
	c.rekeys, c.shared = old.rekeys+1, old.shared
	use = use && s.inUse(old.layer) != nil // else the layer is another session's
	e.addChild(s, c)
	c.sending = use
	if use {
		old.sending = false
	}
	e.emit(ChildAdded{Session: s.id, Child: e.export(s, c, k), Replaces: old.spiIn, UseOutbound: use})
}

// switchOutbound makes c the pair to send on, in place of old.
func (e *Engine) switchOutbound(s *session, old, c *child) {
	if c == nil || c.sending || !old.sending {
		return
	}
	old.sending, c.sending = false, true
	e.emit(OutboundSwitched{Session: s.id, SPIIn: c.spiIn, SPIOut: c.spiOut})
}

// A removal is how a pair of SAs goes.
type removal struct {
	down, byPeer, silent bool
	reason               string
}

// removeChild forgets c and frees its SPI. If its layer goes with it, so does what
// came through that, first.
func (e *Engine) removeChild(s *session, c *child, r removal, now time.Time) {
	i := slices.Index(s.children, c)
	if i < 0 {
		return
	}
	s.children = slices.Delete(s.children, i, i+1)
	for _, sa := range s.sas {
		e.breakPromises(sa, isReplaced(c))
	}
	if r.down && e.handOver(s, c, r.reason, now) {
		r.down = false
	}
	c.sending = false
	if r.down {
		e.cutOff(c.layer, r.reason, now)
	}
	if !r.silent {
		e.emit(ChildRemoved{Session: s.id, SPIIn: c.spiIn, SPIOut: c.spiOut, Layer: c.layer,
			Down: r.down, ByPeer: r.byPeer, Reason: r.reason})
	}
	e.opt.FreeSPI(c.spiIn)
}

// linger keeps the inbound SA of a replaced pair for late packets.
func (e *Engine) linger(c *child, now time.Time) {
	c.state = childLingering
	c.rekeyAt, c.hardAt = time.Time{}, time.Time{}
	c.removeAt = now.Add(e.opt.Linger)
}

// tickChild does what is due for c.
func (e *Engine) tickChild(s *session, c *child, now time.Time) {
	switch {
	case due(c.removeAt, now) && c.state == childLingering:
		e.removeChild(s, c, removal{reason: "replaced"}, now)
	case due(c.removeAt, now):
		c.removeAt = time.Time{}
		e.enqueue(s.cur, &deleteChild{c: c, reason: "redundant"}, now)
	case due(c.hardAt, now):
		c.hardAt, c.rekeyAt = time.Time{}, time.Time{}
		e.switchOutbound(s, c, c.succ)
		e.enqueue(s.cur, &deleteChild{c: c, reason: "its lifetime is over"}, now)
	case due(c.rekeyAt, now):
		e.rekeyDue(s, c, now)
	}
}

// rekeyDue rekeys c, or puts that off for another layer of its chain.
func (e *Engine) rekeyDue(s *session, c *child, now time.Time) {
	c.rekeyAt = time.Time{}
	switch {
	case c.state != childUp || c.succ != nil || s.state != sessionUp || s.willRekey(c):
	case e.waits(s, c.hardAt, c.life.HardTime-c.life.SoftTime, now):
		c.rekeyAt = e.chainRetry(now)
	default:
		e.enqueue(s.cur, &rekeyChild{old: c}, now)
	}
}

// byOut finds the child that the peer names by its own inbound SPI.
func (s *session) byOut(spi esp.SPI) *child {
	for _, c := range s.children {
		if c.spiOut == spi && c.state != childLingering {
			return c
		}
	}
	return nil
}

// byIn finds the child with inbound SPI spi.
func (s *session) byIn(spi esp.SPI) *child {
	for _, c := range s.children {
		if c.spiIn == spi {
			return c
		}
	}
	return nil
}

// SuiteOf is the ESP suite of a choice, if ESP can do that.
func SuiteOf(c crypt.Choice) (esp.Suite, bool) {
	s, err := esp.ParseSuite(c.Suite())
	return s, err == nil
}
