package policy

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"warren/packet"
)

// alikeLen is enough for a node of several pages.
const alikeLen = 2 * pageLen

// alike are shapes of rules of which the first alikeLen differ in one field only,
// so that they crowd in one node. The i-th rule of each is for the i-th flow.
func alike() map[string]func(i int) (Match, packet.Flow) {
	host := netip.MustParseAddr("10.0.0.1")
	ports := func(i int) []Ports { return []Ports{{uint16(i), uint16(i)}} }
	flow := func(i int) packet.Flow { return packet.Flow{Src: host, Dst: host, Proto: 6} }
	return map[string]func(i int) (Match, packet.Flow){
		"ports": func(i int) (Match, packet.Flow) {
			f := flow(i)
			f.DstPort = uint16(i)
			return Match{Proto: []uint8{6}, DstPorts: ports(i)}, f
		},
		"ports of any protocol": func(i int) (Match, packet.Flow) {
			f := flow(i)
			f.DstPort, f.Proto = uint16(i), uint8(i)
			return Match{DstPorts: ports(i)}, f
		},
		"ports of sources": func(i int) (Match, packet.Flow) {
			f := flow(i)
			f.SrcPort, f.Proto = uint16(i), 6+uint8(i/alikeLen)
			return Match{Proto: []uint8{f.Proto}, SrcPorts: ports(i)}, f
		},
		"ranges": func(i int) (Match, packet.Flow) {
			f := flow(i)
			f.DstPort = uint16(i)
			return Match{Proto: []uint8{6}, DstPorts: []Ports{{uint16(i), uint16(min(i+i/3, 65535))}}}, f
		},
		"destinations": func(i int) (Match, packet.Flow) {
			f := flow(i)
			a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i)})
			f.Src, f.Dst = a, a
			return Match{Dst: []netip.Prefix{netip.PrefixFrom(a, 47).Masked()}}, f
		},
		"sources": func(i int) (Match, packet.Flow) {
			f := flow(i)
			f.Src = netip.AddrFrom4([4]byte{10, 0, byte(i), byte(i >> 8)})
			return Match{Src: []netip.Prefix{netip.PrefixFrom(f.Src, 17+i/pageLen).Masked()}}, f
		},
	}
}

// TestAlike holds an index with crowded nodes to the oracle, and another that comes
// from it by changes.
func TestAlike(t *testing.T) {
	const changes = 40
	for name, shape := range alike() {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			rule := func(i int) TransportRule {
				m, _ := shape(i)
				return TransportRule{Name: fmt.Sprint(i), Match: m, Action: Action(i % 4)}
			}
			var l linear
			for i := range alikeLen {
				l.transport = append(l.transport, rule(i))
			}
			l.tunnel = tunnels(l.transport)
			old, tables := l, NewTables(l.transport, l.tunnel, Discard)
			before := tables
			l = linear{slices.Clone(l.transport), slices.Clone(l.tunnel)}
			for i := range changes {
				at := random.IntN(alikeLen)
				r := rule(alikeLen + i)
				via := tunnels([]TransportRule{r})[0]
				tables = tables.RemoveTransport(at).InsertTransport(at/2, r).ReplaceTunnel(at, via)
				l.transport = slices.Insert(slices.Delete(l.transport, at, at+1), at/2, r)
				l.tunnel[at] = via
			}
			for i := range changes {
				for _, at := range []int{alikeLen + i, random.IntN(alikeLen)} {
					_, f := shape(at)
					old.check(t, before, f)
					l.check(t, tables, f)
				}
			}
		})
	}
}

// colliding are pairs of prefixes of one network that have the same hash.
func colliding() (pairs [][2]netip.Prefix) {
	seen := make(map[uint32]netip.Prefix)
	random := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		b := [16]byte{0x20, 1, 0xd, 0xb8}
		binary.BigEndian.PutUint64(b[8:], random.Uint64())
		p, _ := netip.AddrFrom16(b).Prefix(126)
		k := prefixKey(p)
		if o, ok := seen[k.short()]; ok && o != p {
			pairs = append(pairs, [2]netip.Prefix{o, p})
		}
		seen[k.short()] = p
	}
	return pairs
}

// TestSameHash: rules whose prefixes are one to the hash are two to a flow.
func TestSameHash(t *testing.T) {
	pairs := colliding()
	if len(pairs) < 2 {
		t.Fatalf("only %d pairs of prefixes have the same hash", len(pairs))
	}
	// Enough of each that nodes divide them by ports, which both of a pair have.
	var l linear
	for i := range 20 * len(pairs) {
		p := pairs[i%len(pairs)][i/len(pairs)%2]
		l.transport = append(l.transport, TransportRule{Name: fmt.Sprint(i), Action: Action(i / 8 % 4),
			Match: Match{Dst: []netip.Prefix{p}, Proto: []uint8{6}, DstPorts: []Ports{{uint16(i), uint16(i)}}}})
	}
	tables := NewTables(nil, nil, Discard)
	for i, r := range l.transport {
		tables = tables.InsertTransport(i, r)
	}
	for range 2 {
		for i := range l.transport {
			for _, p := range pairs[i%len(pairs)] {
				l.check(t, tables, packet.Flow{Src: p.Addr(), Dst: p.Addr(), Proto: 6, DstPort: uint16(i)})
			}
		}
		tables = NewTables(l.transport, nil, Discard)
	}
}
