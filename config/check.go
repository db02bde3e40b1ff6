package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"warren/policy"
)

// check finds what is wrong with names, rules and pools taken together. It
// judges the rules only when each of them is whole, lest one mistake make many.
func (b *builder) check() {
	b.checkUnused()
	b.checkPools()
	b.checkSources()
	if b.broken {
		return
	}
	b.checkShadows()
	b.checkEntrance()
	b.checkProtect()
	b.checkChains()
}

// placeAt is the place that a position names.
func placeAt(pos string) place {
	rest, column, _ := cutLast(pos, ":")
	_, line, _ := cutLast(rest, ":")
	l, _ := strconv.Atoi(line)
	c, _ := strconv.Atoi(column)
	return place{l, c}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// placeOfKey is where a key of a rule, peer or accept entry stands, or else the
// thing itself.
func (b *builder) placeOfKey(of any, key, pos string) place {
	if at, ok := b.at[of][key]; ok {
		return at
	}
	return placeAt(pos)
}

func (b *builder) checkUnused() {
	for _, id := range b.Identities {
		if !b.used["identity "+id.Name] {
			b.warn(placeAt(id.Pos), "name it in a peer or accept entry, or delete it", "identity %s is not used", id.Name)
		}
	}
	for _, p := range b.Profiles {
		if !b.used["profile "+p.Name] && p.Name != "default" {
			b.warn(placeAt(p.Pos), "name it in a peer or accept entry, or delete it", "profile %s is not used", p.Name)
		}
	}
}

// checkEntrance warns where no packet can come to the tunnel rules.
func (b *builder) checkEntrance() {
	leads := func(r policy.TransportRule) bool { return r.Action == policy.Protect || r.Action == policy.Plain }
	if len(b.Tunnel) > 0 && !slices.ContainsFunc(b.Transport, leads) {
		b.warn(placeAt(b.Tunnel[0].Pos), "say what goes through it, in rules.transport: {match: {...}, action: plain}",
			"tunnel rules are not used: no transport rule is plain or protect, so no packet comes to them")
	}
}

// checkPools refuses pools that would lease an address twice.
func (b *builder) checkPools() {
	type pool struct {
		prefix netip.Prefix
		accept *Accept
	}
	var seen []pool
	for _, a := range b.Accept {
		at := b.placeOfKey(a, "pool", a.Pos)
		for _, p := range a.Pool {
			for _, s := range seen {
				if s.prefix.Overlaps(p) {
					b.fail(at, "give each accept entry a pool of its own", "pool %s of accept entry %s overlaps pool %s of %s",
						p, a.Name, s.prefix, s.accept.Name)
				}
			}
			for _, t := range b.Tun.Addresses {
				if p.Contains(t.Addr()) && p.Bits() == p.Addr().BitLen() {
					b.fail(at, "use another prefix", "pool %s of accept entry %s is the node's own tun.address", p, a.Name)
				}
			}
			seen = append(seen, pool{p, a})
		}
	}
}

func (b *builder) checkSources() {
	for _, p := range b.Peers {
		if !p.Source.IsValid() || len(p.Addrs) == 0 {
			continue
		}
		same := false
		for _, a := range p.Addrs {
			same = same || a.Is4() == p.Source.Is4()
		}
		if !same {
			b.fail(b.placeOfKey(p, "source", p.Pos), "write an address of the family of "+p.Addrs[0].String(),
				"source of peer %s is %s, from which %s cannot be reached", p.Name, p.Source, p.Addrs[0])
		}
	}
}

// checkShadows reports rules that can never win.
func (b *builder) checkShadows() {
	gateway := func(name string) []netip.Addr {
		if p := b.Peer(name); p != nil {
			return p.Addrs
		}
		return nil
	}
	for _, s := range b.Tables().Unreachable(gateway) {
		kind := "transport rule"
		if s.Tunnel {
			kind = "tunnel rule"
		}
		if s.By == "" {
			b.fail(placeAt(s.Pos), "use src and dst of one family", "%s %s can never match: its src and dst are of different families", kind, s.Rule)
			continue
		}
		b.fail(placeAt(s.Pos), "move it above that rule, or delete it", "%s %s is unreachable: %s on line %d takes all that it matches",
			kind, s.Rule, s.By, placeAt(s.ByPos).line)
	}
}

// checkProtect reports protect rules for more destinations than their peer has.
func (b *builder) checkProtect() {
	for _, r := range b.Transport {
		if r.Action != policy.Protect {
			continue
		}
		p := b.Peer(r.Peer)
		own := make([]policy.Selector, len(p.Addrs))
		for i, a := range p.Addrs {
			own[i] = policy.AddrSelector(a)
		}
		want := policy.PrefixSelectors(r.Match.Dst)
		if len(want) == 0 {
			want = policy.Everything()
		}
		if !policy.CoversAll(own, want) {
			b.fail(b.placeOfKey(r.Name, "match", r.Pos), "write dst: "+p.Name+"; to reach others behind it, use action: plain and a tunnel rule",
				"transport rule %s protects with peer %s, but matches destinations that are not %s's", r.Name, p.Name, p.Name)
		}
	}
}
