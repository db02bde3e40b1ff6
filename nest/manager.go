package nest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// Options are what a Manager works with.
type Options struct {
	Resolver *Resolver // required

	// NextLayer gives each node its identity, never the same one twice. Nil
	// counts from 1.
	NextLayer func() sa.Layer

	// Source is the host's own address towards remote, or invalid. Nil leaves
	// the choice to whoever establishes.
	Source func(remote netip.Addr) netip.Addr

	// Own4 and Own6 are the addresses that applications send from.
	Own4, Own6 netip.Addr

	PathMTU OuterMTU // of the network; zero is DefaultPathMTU
	Backoff Backoff
}

// Manager keeps the tree of tunnels and the chains that use it. It is a state
// machine: inputs are method calls with the time, outputs are the commands of
// Take. It belongs to one goroutine.
type Manager struct {
	opt    Options
	tree   tree
	chains []*chain // in the order in which they were first resolved
	byKey  map[Key]*chain
	closed bool // Shutdown was called

	view     *View
	accepted acceptedTable
	inside   map[sa.Layer][]sa.Layer // accepted children that came through a layer
	listens  map[netip.Addr]bool     // where peers may open sessions
	dirty    bool                    // the view has to be made anew
	commands []Command
}

// What an input may be refused for.
var (
	ErrShutdown = errors.New("nest: shutting down")
	ErrNoChain  = errors.New("nest: no such chain")
)

// NewManager returns a Manager that knows the chains of every rule that
// protects, as far as the rules themselves show them. Those to be started now
// are begun at the first Tick.
func NewManager(opt Options) *Manager {
	if opt.PathMTU == 0 {
		opt.PathMTU = DefaultPathMTU
	}
	if opt.NextLayer == nil {
		var last sa.Layer
		opt.NextLayer = func() sa.Layer { last++; return last }
	}
	m := &Manager{opt: opt, byKey: make(map[Key]*chain), inside: make(map[sa.Layer][]sa.Layer), dirty: true}
	m.expect()
	m.settle(time.Time{})
	return m
}

// expect makes the chains that the rules themselves show.
func (m *Manager) expect() {
	for _, s := range m.opt.Resolver.samples() {
		res, err := m.opt.Resolver.Resolve(s.flow)
		if err != nil || res.Verdict != ResolvedChain || m.byKey[res.Key] != nil {
			continue
		}
		c := m.chain(res, s.flow, false)
		c.wanted = c.rule.Start == policy.Now
	}
}

// chain is the chain of a resolution, a new one if it is the first of its kind.
func (m *Manager) chain(res Resolution, f packet.Flow, seen bool) *chain {
	c := m.byKey[res.Key]
	if c == nil {
		c = &chain{key: res.Key, name: m.name(res.Rule), rule: res.Rule, pending: res.Pending, used: new(atomic.Uint64)}
		m.byKey[res.Key] = c
		m.chains = append(m.chains, c)
		m.dirty = true
	}
	if c.gone { // another flow leads to it still
		c.revive(ruled{res.Rule, f, seen})
	}
	if seen || !c.seen {
		c.flow, c.seen = f, seen
	}
	return c
}

// name is the rule's for its first chain, then "web#2", "web#3".
func (m *Manager) name(rule *policy.TransportRule) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(m.chains, func(c *chain) bool { return c.name == name && !c.gone })
	}
	name := rule.Name
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s#%d", rule.Name, n)
	}
	return name
}

// Need says that a packet of flow f waits for its chain. The key is the one it
// is held under.
func (m *Manager) Need(f packet.Flow, now time.Time) (Key, error) {
	res, err := m.opt.Resolver.Resolve(f)
	switch {
	case err != nil:
		return "", err
	case res.Verdict != ResolvedChain:
		return "", fmt.Errorf("nest: the rules say %v, there is no chain to build", res.Verdict)
	case m.closed:
		return res.Key, ErrShutdown
	}
	c := m.chain(res, f, true)
	c.lastUsed = now
	m.need(c)
	m.settle(now)
	return res.Key, nil
}

func (m *Manager) need(c *chain) {
	switch c.fate() {
	case Send:
		m.emit(Release{c.key})
	case Unreachable:
		m.emit(Refuse{c.key})
	case Hold:
		switch c.state {
		case Idle, Failed:
			m.begin(c)
		case RollingBack:
			c.asked = true
		}
	}
}

// Up wants the chain of that name, or all of them with "all", to be up, and
// clears its back-off.
func (m *Manager) Up(name string, now time.Time) error {
	if m.closed {
		return ErrShutdown
	}
	return m.each(name, now, func(c *chain) {
		c.down, c.wanted, c.attempts, c.retry = false, true, 0, now
		c.lastUsed = now
		switch c.state {
		case Idle, Failed, Degraded:
			m.begin(c)
		case RollingBack:
			c.asked = true
		}
		m.dirty = true
	})
}

// Down takes the chain of that name, or all of them with "all", down, whatever
// it is doing, and keeps it down until Up.
func (m *Manager) Down(name string, now time.Time) error {
	return m.each(name, now, m.takeDown)
}

func (m *Manager) takeDown(c *chain) {
	c.down, c.wanted, c.asked = true, false, false
	c.layer, c.reason = 0, ""
	m.emit(Refuse{c.key})
	m.retire(c)
}

func (m *Manager) each(name string, now time.Time, do func(*chain)) error {
	found := name == "all"
	for _, c := range m.chains {
		if !c.gone && (name == "all" || c.name == name) {
			do(c)
			found = true
		}
	}
	m.settle(now)
	if !found {
		return fmt.Errorf("%w: %s", ErrNoChain, name)
	}
	return nil
}

// Shutdown takes everything down, innermost first, for good. It is over when
// Empty says so.
func (m *Manager) Shutdown(now time.Time) {
	m.closed = true
	for _, c := range m.chains {
		m.takeDown(c)
	}
	m.settle(now)
}

// Empty reports whether no node is left.
func (m *Manager) Empty() bool { return len(m.tree.roots) == 0 }

// View is the newest view. Take says by a Publish when there is another one.
func (m *Manager) View() *View { return m.view }

// Take returns the commands since the last Take, in the order in which they are
// to be carried out.
func (m *Manager) Take() []Command {
	out := m.commands
	m.commands = nil
	return out
}

func (m *Manager) emit(c Command) { m.commands = append(m.commands, c) }
