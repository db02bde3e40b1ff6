package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// The chains that hold to the policy what leaves by an interface other than the
// TUN. The kernel sends an IPv4 packet of a socket bound to an interface on the
// link when policy routing refuses it, and routes packets of IP_HDRINCL sockets
// without a look at their protocol; here both are read again and dropped.
const (
	outputChain   = "output"
	acceptedChain = "accepted"
	hostsSet      = "accepted-hosts"
	policyChain   = "policy-" // and a or b: one is in force while the other is written
)

// outputBatch is how many rules one transaction adds: their answers must fit the
// socket's buffer.
const outputBatch = 100

// mirror puts an ordered rule set in force in the output chain, if it has
// anything to drop.
func (h *Host) mirror(rules []PolicyRule) error {
	var all [][]expr.Any
	drops := false
	for _, r := range rules {
		all = append(all, r.output(true)...)
		drops = drops || r.Verdict != Bypass
	}
	if !drops {
		all = nil
	}
	if len(all) == 0 && h.mirrored == "" {
		return nil
	}
	return h.writeOutput(all)
}

// writeOutput fills the chain that is not in force, then switches over.
func (h *Host) writeOutput(all [][]expr.Any) error {
	old, next := h.mirrored, policyChain+"a"
	if old == next {
		next = policyChain + "b"
	}
	err := h.tryOutput(func(t *table) { t.chain(&nftables.Chain{Name: next}) })
	for part := range slices.Chunk(all, outputBatch) {
		if err == nil {
			err = h.tryOutput(func(t *table) { t.add(next, part, nil) })
		}
	}
	if err == nil {
		err = h.tryOutput(func(t *table) { h.outputRules(t, old, next) })
	}
	if err == nil {
		h.mirrored = next
	}
	return err
}

// outputRules are the chain of the output hook: what no policy is about, then the
// accepted peers, then the policy.
func (h *Host) outputRules(t *table, old, next string) {
	c := t.chain(&nftables.Chain{
		Name: outputChain, Type: nftables.ChainTypeFilter, // after whoever rewrites or reroutes
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRef(300),
	})
	t.AddChain(&nftables.Chain{Name: acceptedChain, Table: t.t})
	t.keep(t.AddSet(t.hosts(), nil))
	notIPv4 := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
	}
	broadcast := &expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true}
	t.add(c.Name, [][]expr.Any{
		then(notIPv4, accept()), // IPv6 is refused by its routing rules, always
		then(ifname(expr.MetaKeyOIFNAME, h.opt.TUN), accept()),
		then(ifname(expr.MetaKeyOIFNAME, "lo"), accept()),
		then(equals(&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, binaryutil.NativeEndian.PutUint32(h.opt.Mark)), accept()),
		then(equals(broadcast, binaryutil.NativeEndian.PutUint32(unix.RTN_BROADCAST)), accept()),
		then(dstPrefix(linkMulticast()), accept()), // like broadcasts, never routed
		then(inSet(t.hosts()), drop()),
		jump(acceptedChain),
		jump(next),
	}, nil)
	if old != "" {
		t.DelChain(t.chain(&nftables.Chain{Name: old}))
	}
}

// tryOutput is withTable, except that a kernel that cannot do this is no error.
func (h *Host) tryOutput(fill func(*table)) error {
	if h.unmirrored {
		return nil
	}
	err := h.withTable(fill)
	if !nftMissing(err) {
		return err
	}
	h.unmirrored = true
	h.log.Warn("host: no nftables for locally made packets: "+evades, "err", err)
	return nil
}

// mirrorAccepted adds what AddRoute and AddFlow send to the TUN, or removes it.
func (h *Host) mirrorAccepted(flow PolicyRule, add bool) error {
	rules := flow.output(false)
	if len(rules) == 0 {
		return nil
	}
	if h.mirrored == "" {
		if err := h.writeOutput(nil); err != nil {
			return err
		}
	}
	if host, ok := flow.onlyHost(); ok {
		return h.mirrorHost(host, add)
	}
	key := userdata.AppendString(nil, userdata.TypeComment, fmt.Sprint(flow.Src, flow.Dst, flow.Proto, flow.SrcPorts, flow.DstPorts))
	if add {
		return h.tryOutput(func(t *table) {
			t.AddChain(&nftables.Chain{Name: acceptedChain, Table: t.t})
			t.add(acceptedChain, rules, key)
		})
	}
	return h.tryOutput(func(t *table) { t.remove(acceptedChain, key) })
}

// onlyHost is the address that r is about, if it is about all packets for one: so are
// the routes of leases, of which there may be thousands.
func (r PolicyRule) onlyHost() (netip.Addr, bool) {
	whole := PolicyRule{Verdict: r.Verdict, Dst: r.Dst}
	return r.Dst.Addr(), r == whole && r.Dst.IsSingleIP()
}

// mirrorHost has an address in the set of those that are all accepted peers', or not.
// The set is there, unless somebody else has removed it.
func (h *Host) mirrorHost(a netip.Addr, add bool) error {
	element := []nftables.SetElement{{Key: a.AsSlice()}}
	if h.unmirrored || h.changeSet(element, add) == nil {
		return nil
	}
	return h.tryOutput(func(t *table) {
		t.keep(t.AddSet(t.hosts(), nil))
		t.keep(t.SetAddElements(t.hosts(), element))
		if !add { // in one transaction, so that it is there to be removed
			t.keep(t.SetDeleteElements(t.hosts(), element))
		}
	})
}

// changeSet adds elements to the set, or removes them, with one message.
func (h *Host) changeSet(elements []nftables.SetElement, add bool) error {
	c, err := h.nft()
	if err != nil {
		return err
	}
	t := &table{Conn: c, t: h.opt.table()}
	if add {
		t.keep(t.SetAddElements(t.hosts(), elements))
	} else {
		t.keep(t.SetDeleteElements(t.hosts(), elements))
	}
	return h.commit(t)
}

// hosts is the set of addresses, which may not be there.
func (t *table) hosts() *nftables.Set {
	return &nftables.Set{Table: t.t, Name: hostsSet, ID: 1, KeyType: nftables.TypeIPAddr}
}

// add appends rules to a chain.
func (t *table) add(chain string, rules [][]expr.Any, key []byte) {
	for _, e := range rules {
		t.AddRule(&nftables.Rule{Table: t.t, Chain: &nftables.Chain{Name: chain, Table: t.t}, Exprs: e, UserData: key})
	}
}

// remove takes the rules with this key out of a chain. Rules that are gone, or
// cannot be listed, are fine.
func (t *table) remove(chain string, key []byte) {
	rules, err := t.GetRules(t.t, &nftables.Chain{Name: chain, Table: t.t})
	if err != nil {
		return
	}
	for _, r := range rules {
		if bytes.Equal(r.UserData, key) {
			_ = t.DelRule(r) // fails only for a rule without a handle
		}
	}
}

// output is the rule as nftables asks it of an IPv4 packet that leaves elsewhere
// than by the TUN. A rule with ports that protects also takes the later fragments
// (RFC 4301, Section 7), if asked to; one that bypasses never does.
func (r PolicyRule) output(fragments bool) [][]expr.Any {
	if !r.concerns(unix.AF_INET) {
		return nil
	}
	var base []expr.Any
	if r.Src.IsValid() {
		base = then(base, srcPrefix(r.Src))
	}
	if r.Dst.IsValid() {
		base = then(base, dstPrefix(r.Dst))
	}
	verdict := drop()
	if r.Verdict == Bypass {
		verdict = accept()
	}
	if r.SrcPorts.Any() && r.DstPorts.Any() {
		if r.Proto != 0 {
			base = then(base, protocol(r.Proto))
		}
		return [][]expr.Any{then(base, verdict)}
	}
	var out [][]expr.Any
	for _, proto := range portProtocols() {
		if r.Proto != 0 && r.Proto != proto {
			continue
		}
		out = append(out, then(base, protocol(proto), portRange(0, r.SrcPorts), portRange(2, r.DstPorts), verdict))
		if fragments && r.Verdict != Bypass {
			out = append(out, then(base, protocol(proto), laterFragment(), verdict))
		}
	}
	return out
}
