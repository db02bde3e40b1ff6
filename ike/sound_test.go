package ike

import (
	"errors"
	"maps"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/sa"
)

// sound checks that the books of an engine, whose events have been taken, balance:
// whatever came in, each SPI, IKE SA, timer, lease and half-open place belongs to
// something, nothing is there twice, and nothing grows.
func (n *end) sound() {
	n.t.Helper()
	n.soundSAs()
	n.soundSPIs()
	n.soundTimers()
	n.soundTickets()
	n.soundPairings()
	for _, s := range n.e.order {
		n.soundBounds(s)
	}
	if len(n.spis.twice) > 0 {
		n.t.Errorf("%s: freed twice: %v", n.name, n.spis.twice)
	}
}

// strict is sound for an engine whose layers and pools nobody else uses.
func (n *end) strict() {
	n.t.Helper()
	n.sound()
	n.soundLeases()
	n.soundOutbound()
}

func (n *end) soundSAs() {
	e := n.e
	half := 0
	for spi, sa := range e.sas {
		s := sa.sess
		listed := e.sessions[s.id] == s && slices.Contains(s.sas, sa)
		if sa.own() != spi || listed == (sa.state == saClosed) {
			n.t.Errorf("%s: IKE SA %x is in state %d, listed %v", n.name, spi, sa.state, listed)
		}
		if _, err := crypt.NewSK(sa.keys, true); sa.state == saClosed && !errors.Is(err, crypt.ErrNoKeys) {
			n.t.Errorf("%s: keys of the closed IKE SA %x: %v", n.name, spi, err)
		}
		half += btoi(sa.counted)
	}
	from := 0
	for _, k := range e.halfFrom {
		from += k
	}
	if half != e.halfOpen || from != half {
		n.t.Errorf("%s: %d half-open, %d by source, %d counted", n.name, e.halfOpen, from, half)
	}
	for _, sa := range e.inits {
		if e.sas[sa.own()] != sa {
			n.t.Errorf("%s: an answered IKE_SA_INIT has no IKE SA", n.name)
		}
	}
	for _, s := range e.order {
		if !slices.Contains(s.sas, s.cur) || e.sessions[s.id] != s {
			n.t.Errorf("%s: session %d is not sound", n.name, s.id)
		}
		for _, sa := range s.sas {
			if e.sas[sa.own()] != sa || sa.sess != s {
				n.t.Errorf("%s: IKE SA %x of session %d is not known", n.name, sa.own(), s.id)
			}
		}
		if o := s.reauth.succ; o != nil && (o.reauth.pred != s || e.sessions[o.id] != o) {
			n.t.Errorf("%s: the successor of session %d does not know it", n.name, s.id)
		}
	}
	if len(e.sessions) != len(e.order) {
		n.t.Errorf("%s: %d sessions, %d in order", n.name, len(e.sessions), len(e.order))
	}
}

// tasks are all that s has begun or has to do.
func (s *session) tasks() (ts []task) {
	for _, sa := range s.sas {
		if sa.out != nil {
			ts = append(ts, sa.out.task)
		}
		ts = append(ts, sa.queue...)
	}
	for _, p := range s.postponed {
		ts = append(ts, p.task)
	}
	for _, c := range s.others {
		if c.out != nil {
			ts = append(ts, c.out.task)
		}
	}
	return ts
}

func (n *end) soundSPIs() {
	want := map[esp.SPI]bool{}
	add := func(spi esp.SPI) {
		if spi != 0 && want[spi] {
			n.t.Errorf("%s: SPI %v belongs to two", n.name, spi)
		}
		want[spi] = spi != 0
	}
	waits, pairs := 0, 0
	for _, s := range n.e.order {
		for _, c := range s.children {
			add(c.spiIn)
			pairs++
			if _, ok := n.in[c.spiIn]; !ok {
				n.t.Errorf("%s: nobody was told of the pair %v", n.name, c.spiIn)
			}
		}
		for _, sa := range s.sas {
			for _, p := range sa.promises {
				if p.child != nil {
					add(p.child.child.spiIn)
				}
			}
		}
		for _, t := range s.tasks() {
			switch t := t.(type) {
			case *rekeyChild:
				add(t.offer.spi)
			case *authTask:
				add(t.child.spi)
			case *eapTask:
				add(t.first.child.spi)
			}
		}
		waits += btoi(s.wait != nil && s.initiator)
	}
	delete(want, 0)
	if len(n.spis.taken) != len(want)+waits || pairs != len(n.in) {
		n.t.Errorf("%s: SPIs %v are reserved, %v in use; %d pairs, %d are installed", n.name,
			slices.Sorted(maps.Keys(n.spis.taken)), slices.Sorted(maps.Keys(want)), pairs, len(n.in))
	}
}

// soundTimers checks that every session waits for what is due first.
func (n *end) soundTimers() {
	e := n.e
	want := 0
	for _, s := range e.order {
		at := s.timer.at // may be too early, when nothing is due
		if e.arm(s); !s.timer.at.IsZero() && (at.IsZero() || at.After(s.timer.at)) {
			n.t.Errorf("%s: session %d waits until %v, and should until %v", n.name, s.id, at, s.timer.at)
		}
		want += btoi(!s.timer.at.IsZero())
	}
	for _, sa := range e.sas {
		want += btoi(sa.state == saClosed)
	}
	k := &e.tickets
	sweeps := k.sweeper.fire != nil && k.sweeper.index >= 0
	if want += btoi(sweeps); len(k.issued)+len(k.kept) > 0 && !sweeps {
		n.t.Errorf("%s: nothing forgets %d tickets", n.name, len(k.issued)+len(k.kept))
	}
	if len(e.timers) != want {
		n.t.Errorf("%s: %d timers, want %d", n.name, len(e.timers), want)
	}
	for i, t := range e.timers {
		if t.index != i || t.at.IsZero() && t.at != (time.Time{}).Add(e.opt.Linger) {
			n.t.Errorf("%s: timer %d is not in its place", n.name, i)
		}
	}
}

// soundTickets checks that each ticket is known by its digest, and that of a session
// that is there by that too.
func (n *end) soundTickets() {
	e := n.e
	for key, t := range e.tickets.issued {
		if s := e.sessions[t.session]; t.key != key || s != nil && s.resumption.ticket != t {
			n.t.Errorf("%s: a ticket of session %d is not the last one", n.name, t.session)
		}
	}
	for _, s := range e.order {
		t := s.resumption.ticket
		switch {
		case t == nil:
		case s.initiator && slices.Contains(e.tickets.kept, t):
			n.t.Errorf("%s: the ticket of session %d is kept already", n.name, s.id)
		case !s.initiator && (e.tickets.issued[t.key] == t) == wiped(t): // it may have ended
			n.t.Errorf("%s: the ticket of session %d is not forgotten, or was wiped", n.name, s.id)
		}
	}
	if len(e.tickets.issued) > maxIssued || len(e.tickets.kept) > maxKept {
		n.t.Errorf("%s: %d tickets, and %d are kept", n.name, len(e.tickets.issued), len(e.tickets.kept))
	}
}

// soundPairings checks that sessions that are up are found by their identities, and
// nothing else is.
func (n *end) soundPairings() {
	found := map[*session]int{}
	for pair, ss := range n.e.pairs {
		for _, s := range ss {
			if found[s]++; s.pair != pair || s.state == sessionUp && s.pairing() != pair || n.e.sessions[s.id] != s {
				n.t.Errorf("%s: session %d is found by %v", n.name, s.id, pair)
			}
		}
	}
	for _, s := range n.e.order {
		if found[s] > 1 || s.state == sessionUp && found[s] == 0 {
			n.t.Errorf("%s: session %d is found %d times by its identities", n.name, s.id, found[s])
		}
	}
}

func (n *end) soundLeases() {
	want := map[*Pool]int{}
	for _, s := range n.e.order {
		if s.accept != nil {
			want[s.accept.Pool] += btoi(s.lease4.IsValid()) + btoi(s.lease6.IsValid())
		}
	}
	for i := range n.e.opt.Accept {
		pool, got := n.e.opt.Accept[i].Pool, 0
		if pool == nil {
			continue
		}
		for _, l := range pool.held {
			got += l.refs
		}
		if got != want[pool] {
			n.t.Errorf("%s: %d leases, and %d are in use", n.name, got, want[pool])
		}
	}
}

// soundOutbound: each layer is sent on one pair at most, the one that events told.
func (n *end) soundOutbound() {
	sending := map[sa.Layer]esp.SPI{}
	for _, s := range n.e.order {
		for _, c := range s.children {
			if !c.sending {
				continue
			}
			if o, ok := sending[c.layer]; ok {
				n.t.Errorf("%s: layer %d is sent on %v and %v", n.name, c.layer, o, c.spiIn)
			}
			if sending[c.layer] = c.spiIn; n.out[c.layer] != c.spiIn {
				n.t.Errorf("%s: engine sends on %v, events said %v", n.name, c.spiIn, n.out[c.layer])
			}
		}
	}
}

func (n *end) soundBounds(s *session) {
	for _, x := range []struct {
		what      string
		got, most int
	}{
		{"child SAs", len(s.children), n.e.opt.MaxChildren + 3},
		{"IKE SAs", len(s.sas), maxIKESAs + 2},
		{"tasks", len(s.tasks()), 64},
		{"candidates", len(s.others), maxCandidates - 1},
		{"addresses", len(s.mob.others), maxAddresses},
	} {
		if x.got > x.most {
			n.t.Errorf("%s: %d %s", n.name, x.got, x.what)
		}
	}
	for _, sa := range s.sas {
		if len(sa.promises) > maxPromises {
			n.t.Errorf("%s: %d promises", n.name, len(sa.promises))
		}
		parts := []*reassembly{sa.part}
		if sa.out != nil {
			parts = append(parts, sa.out.part)
		}
		for _, r := range parts {
			if r != nil && (r.bytes > sa.reassemblyLimit() || len(r.parts) > maxFragments) {
				n.t.Errorf("%s: %d octets in %d fragments", n.name, r.bytes, len(r.parts))
			}
		}
	}
	proven := s.state != sessionConnecting && s.state != sessionHalfOpen
	if s.state == sessionUp && (s.eapPeer != nil || s.eapServer != nil) {
		n.t.Errorf("%s: session %d goes on with EAP", n.name, s.id)
	}
	if s.state == sessionUp && (s.half != nil || s.init != nil || s.wait != nil) || !proven && len(s.children) > 0 {
		n.t.Errorf("%s: session %d is in state %v with half %v, %d child SAs", n.name, s.id, s.state, s.half != nil, len(s.children))
	}
}
