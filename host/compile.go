package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A group is the kernel's form of one policy rule, or of several in a row that
// ask for the same ports. Its rules share a priority. The first so many skip the
// rest of the group: they are gotos to the next priority.
type group struct {
	skip  []rule
	rules []rule
}

// portProtocols are the protocols whose ports rules look at: the kernel keeps
// ICMP types and SPIs in the place of ports, which no rule of ours means.
func portProtocols() []uint8 {
	return []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_DCCP, unix.IPPROTO_SCTP, unix.IPPROTO_UDPLITE}
}

// validate refuses what has no meaning in any family.
func (r PolicyRule) validate() error {
	if r.Verdict > Block {
		return fmt.Errorf("unknown verdict %d", r.Verdict)
	}
	if r.Src.IsValid() && r.Dst.IsValid() && r.Src.Addr().Is4() != r.Dst.Addr().Is4() {
		return fmt.Errorf("source %s and destination %s are of different IP versions", r.Src, r.Dst)
	}
	for _, p := range []Ports{r.SrcPorts, r.DstPorts} {
		if p.Lo > p.Hi {
			return fmt.Errorf("port range %d-%d is backwards", p.Lo, p.Hi)
		}
	}
	return nil
}

// concerns reports whether the rule has anything to say for an IP version.
func (r PolicyRule) concerns(family int) bool {
	for _, p := range []netip.Prefix{r.Src, r.Dst} {
		if p.IsValid() && p.Addr().Is4() != (family == unix.AF_INET) {
			return false
		}
	}
	return true
}

// base is the rule's kernel form without ports.
func (r PolicyRule) base(family int, l layout) rule {
	k := rule{family: uint8(family), proto: r.Proto, action: nl.FR_ACT_GOTO}
	if r.Src.IsValid() && r.Src.Bits() > 0 {
		k.src = r.Src.Masked()
	}
	if r.Dst.IsValid() && r.Dst.Bits() > 0 {
		k.dst = r.Dst.Masked()
	}
	switch r.Verdict {
	case ToTUN:
		k.target = l.toTUN()
	case Bypass:
		k.target = l.end()
	case Block:
		k.action = nl.FR_ACT_PROHIBIT
	}
	return k
}

// compile returns the kernel groups of a policy rule for one IP version.
func (r PolicyRule) compile(family int, l layout) []group {
	if !r.concerns(family) {
		return nil
	}
	k := r.base(family, l)
	if r.SrcPorts.Any() && r.DstPorts.Any() {
		return []group{{rules: []rule{k}}}
	}
	var out []group
	for _, proto := range portProtocols() {
		if r.Proto != 0 && r.Proto != proto {
			continue
		}
		k.proto = proto
		if r.Verdict != Bypass {
			out = append(out, r.failClosed(k))
		} else if exact := r.exact(k); exact != nil {
			out = append(out, group{rules: exact})
		}
	}
	return out
}

// exact matches the ports and never a packet without ports.
func (r PolicyRule) exact(k rule) []rule {
	var ok1, ok2 bool
	k.sport, ok1 = clip(r.SrcPorts)
	k.dport, ok2 = clip(r.DstPorts)
	if !ok1 || !ok2 {
		return nil
	}
	return []rule{k}
}

// failClosed matches the ports and every packet without ports, which may be a
// fragment of a protected one (RFC 4301, Section 7): other ports skip the rule.
func (r PolicyRule) failClosed(k rule) group {
	g := group{rules: []rule{k}}
	skip := rule{family: k.family, proto: k.proto, action: nl.FR_ACT_GOTO}
	for _, p := range others(r.SrcPorts) {
		s := skip
		s.sport = p
		g.skip = append(g.skip, s)
	}
	for _, p := range others(r.DstPorts) {
		s := skip
		s.dport = p
		g.skip = append(g.skip, s)
	}
	return g
}

// merge joins neighbours that skip the same ports: what asks for other ports then
// passes all of them in one step.
func merge(groups []group) []group {
	var out []group
	for _, g := range groups {
		if n := len(out); n > 0 && len(g.skip) > 0 && slices.Equal(out[n-1].skip, g.skip) {
			out[n-1].rules = append(out[n-1].rules, g.rules...)
			continue
		}
		out = append(out, g)
	}
	return out
}

// clip cuts a range to what a kernel rule can name, 1 to 65534.
func clip(p Ports) (Ports, bool) {
	if p.Any() {
		return Ports{}, true
	}
	p.Lo, p.Hi = max(p.Lo, 1), min(p.Hi, 65534)
	return p, p.Lo <= p.Hi
}

// others returns the ranges, within 1 to 65534, that p leaves out.
func others(p Ports) []Ports {
	if p.Any() {
		return nil
	}
	var out []Ports
	if p.Lo > 1 {
		out = append(out, Ports{1, min(p.Lo-1, 65534)})
	}
	if p.Hi < 65534 {
		out = append(out, Ports{max(p.Hi, 0) + 1, 65534})
	}
	return out
}

// place gives groups their priorities within [lo, hi] and ends the set with a
// jump past everything. A group gets a priority of its own while there are
// enough; rules that skip need the next priority to skip to.
func place(groups []group, family int, lo, hi uint32, l layout) ([]rule, error) {
	groups = merge(groups)
	roomy := len(groups) < int(hi-lo)
	pref := lo
	var out []rule
	for _, g := range groups {
		if pref >= hi {
			return nil, fmt.Errorf("host: too many rules with ports: at most %d fit", hi-lo)
		}
		for _, k := range g.skip {
			k.pref, k.target = pref, pref+1
			out = append(out, k)
		}
		for _, k := range g.rules {
			k.pref = pref
			out = append(out, k)
		}
		if roomy || len(g.skip) > 0 {
			pref++
		}
	}
	last := rule{family: uint8(family), pref: pref, action: nl.FR_ACT_GOTO, target: l.end()}
	return append(out, last), nil
}
