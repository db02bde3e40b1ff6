package ike

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// ErrPoolEmpty is what Acquire returns when every address is leased. The peer
// is told INTERNAL_ADDRESS_FAILURE.
var ErrPoolEmpty = errors.New("no free address in the pool")

// maxRemembered bounds how many holders without a lease a Pool remembers.
const maxRemembered = 4096

// A Pool leases virtual addresses to holders, at most one of each family to
// each. A holder that comes back gets the address it had, if that is still free. A
// Pool is safe for concurrent use.
//
// The network, the broadcast and the first host address of an IPv4 prefix, and
// the first two addresses of an IPv6 prefix, are not leased: the gateway may
// want one of its own. A prefix of at most two addresses is leased whole.
type Pool struct {
	mu       sync.Mutex
	prefixes []netip.Prefix
	next     map[netip.Prefix]netip.Addr
	held     map[netip.Addr]*lease
	byID     map[poolKey]*lease
	old      []poolKey // leases with no holder, oldest first
}

// A Holder is who an address is leased to: an identity, once for each depth at
// which it has sessions inside other sessions. The layers of a chain that ends here
// need an address each.
type Holder struct {
	ID      ID
	Outside int // layers outside the session
}

func (h Holder) key(v6 bool) poolKey { return poolKey{Holder{h.ID.key(), h.Outside}, v6} }

type poolKey struct {
	Holder
	v6 bool
}

type lease struct {
	addr   netip.Addr
	holder Holder
	refs   int
}

// A Lease is an address with who holds it.
type Lease struct {
	Addr netip.Addr
	Holder
}

// NewPool returns a pool of the addresses of prefixes.
func NewPool(prefixes []netip.Prefix) (*Pool, error) {
	p := &Pool{
		next: make(map[netip.Prefix]netip.Addr),
		held: make(map[netip.Addr]*lease),
		byID: make(map[poolKey]*lease),
	}
	for _, pre := range prefixes {
		if !pre.IsValid() {
			return nil, errors.New("ike: pool prefix is invalid")
		}
		pre = netip.PrefixFrom(pre.Addr().Unmap(), pre.Bits()).Masked()
		for _, o := range p.prefixes {
			if o.Overlaps(pre) {
				return nil, fmt.Errorf("ike: pool prefixes %v and %v overlap", o, pre)
			}
		}
		p.prefixes = append(p.prefixes, pre)
	}
	return p, nil
}

// Has reports whether the pool has addresses of the family.
func (p *Pool) Has(v6 bool) bool {
	return p != nil && slices.ContainsFunc(p.prefixes, func(x netip.Prefix) bool { return x.Addr().Is6() == v6 })
}

// Acquire leases an address of one family to h: the one h holds or last held, else
// want if it is free, else any free one. Each call is to be undone by Release.
func (p *Pool) Acquire(h Holder, want netip.Addr, v6 bool) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := h.key(v6)
	l := p.byID[k]
	if l != nil && (l.refs > 0 || want == l.addr || !p.takeable(want, v6)) {
		p.hold(k, l)
		return l.addr, nil
	}
	if !p.takeable(want, v6) {
		var ok bool
		if want, ok = p.free(v6); !ok {
			return netip.Addr{}, ErrPoolEmpty
		}
	}
	if l != nil { // an old lease makes way for the address asked for
		p.forget(k)
	}
	l = &lease{addr: want, holder: h}
	if o := p.held[want]; o != nil {
		p.forget(o.holder.key(v6))
	}
	p.held[want], p.byID[k] = l, l
	l.refs = 1
	return want, nil
}

// Release undoes one Acquire. The address stays remembered for the holder
// until somebody else needs it.
func (p *Pool) Release(h Holder, a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := h.key(a.Is6())
	l := p.byID[k]
	if l == nil || l.addr != a || l.refs == 0 {
		return
	}
	if l.refs--; l.refs == 0 {
		if p.old = append(p.old, k); len(p.old) > maxRemembered {
			p.forget(p.old[0])
		}
	}
}

// Leases lists the leased addresses in their order.
func (p *Pool) Leases() []Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Lease
	for _, l := range p.held {
		if l.refs > 0 {
			out = append(out, Lease{l.addr, l.holder})
		}
	}
	slices.SortFunc(out, func(a, b Lease) int { return a.Addr.Compare(b.Addr) })
	return out
}

func (p *Pool) hold(k poolKey, l *lease) {
	if l.refs == 0 {
		p.old = slices.DeleteFunc(p.old, func(o poolKey) bool { return o == k })
	}
	l.refs++
}

// forget drops a lease that nobody holds.
func (p *Pool) forget(k poolKey) {
	if l := p.byID[k]; l != nil && l.refs == 0 {
		delete(p.held, l.addr)
		delete(p.byID, k)
		p.old = slices.DeleteFunc(p.old, func(o poolKey) bool { return o == k })
	}
}

// takeable reports whether a can be leased now.
func (p *Pool) takeable(a netip.Addr, v6 bool) bool {
	if !a.IsValid() || a.Is6() != v6 {
		return false
	}
	if l := p.held[a]; l != nil && l.refs > 0 {
		return false
	}
	return slices.ContainsFunc(p.prefixes, func(x netip.Prefix) bool { return leasable(x, a) })
}

// free finds an address never leased so far or long forgotten, and else takes
// the one that was given back longest ago.
func (p *Pool) free(v6 bool) (netip.Addr, bool) {
	for _, pre := range p.prefixes {
		if pre.Addr().Is6() != v6 {
			continue
		}
		if a, ok := p.scan(pre); ok {
			return a, true
		}
	}
	for _, k := range p.old {
		if k.v6 == v6 {
			return p.byID[k].addr, true
		}
	}
	return netip.Addr{}, false
}

// scan looks for a free address of pre once round, from the last one given.
// Its loop is bounded by the number of leases and remembered addresses.
func (p *Pool) scan(pre netip.Prefix) (netip.Addr, bool) {
	a := cmp.Or(p.next[pre], pre.Addr())
	for range len(p.held) + 4 {
		if !pre.Contains(a) {
			a = pre.Addr()
		}
		if leasable(pre, a) && p.held[a] == nil {
			p.next[pre] = a.Next()
			return a, true
		}
		a = a.Next()
	}
	return netip.Addr{}, false
}

// leasable reports whether a belongs to pre and is not kept back.
func leasable(pre netip.Prefix, a netip.Addr) bool {
	if !pre.Contains(a) {
		return false
	}
	if pre.Addr().BitLen()-pre.Bits() <= 1 {
		return true
	}
	first := pre.Addr()
	if a == first || a == first.Next() {
		return false
	}
	return a.Is6() || pre.Contains(a.Next())
}
