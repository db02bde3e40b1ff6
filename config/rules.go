package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"warren/policy"
)

func (b *builder) rules(top object) {
	o := b.section(top, "rules")
	if v, ok := o.get("transport"); ok {
		for _, item := range v.items() {
			b.transportRule(item)
		}
	}
	if v, ok := o.get("tunnel"); ok {
		for _, item := range v.items() {
			b.tunnelRule(item)
		}
	}
	b.Default = policy.Discard
	if v, ok := o.get("default"); ok {
		if word, ok := v.word("discard", "bypass"); ok && word == "bypass" {
			b.Default = policy.Bypass
		}
	}
}

func (b *builder) transportRule(v value) {
	v.what = v.called("transport rule", "name")
	o, ok := v.object("rules.transport[]")
	if !ok {
		b.broken = true
		return
	}
	r := policy.TransportRule{Pos: b.pos(v.at)}
	if n, ok := o.need("name", "name: NAME"); ok {
		r.Name, _ = n.name()
		b.uniqueRule(n, r.Name)
	}
	good := r.Name != ""
	if m, ok := o.get("match"); ok {
		m.what = o.what
		r.Match, ok = b.match(m)
		good = good && ok
	}
	good = b.action(o, &r) && good
	if s, ok := o.get("start"); ok {
		if word, _ := s.word("on-demand", "now"); word == "now" {
			r.Start = policy.Now
			b.checkStart(s, r)
		}
	}
	o.durationInto("idle", &r.Idle, time.Second, true)
	b.at[r.Name] = o.keys
	b.Transport = append(b.Transport, r)
	b.broken = b.broken || !good
}

func (b *builder) uniqueRule(v value, name string) {
	for _, r := range b.Transport {
		if r.Name == name && name != "" {
			v.fail("give one of them another name", "transport rule %s is here a second time; the first is at %s", name, r.Pos)
		}
	}
	if name == "all" {
		v.fail("give it another name", `transport rule "all" could not be told from all chains`)
	}
}

// action reads what the rule does and with whom.
func (b *builder) action(o object, r *policy.TransportRule) bool {
	v, ok := o.need("action", "action: protect, plain, bypass or discard")
	if !ok {
		return false
	}
	word, ok := v.word("protect", "plain", "bypass", "discard")
	if !ok {
		return false
	}
	r.Action = map[string]policy.Action{"protect": policy.Protect, "plain": policy.Plain, "bypass": policy.Bypass}[word]
	peer, has := o.get("peer")
	switch {
	case r.Action == policy.Protect && !has:
		o.fail("add peer: "+cmpOr(orList(b.peerNames), "NAME"), "%s protects, but does not say with which peer", o.what)
		return false
	case r.Action != policy.Protect && has:
		peer.fail("delete it, or write action: protect", "%s has no meaning with action %s", peer.what, word)
		return true
	case has:
		r.Peer, ok = b.peerName(peer)
		return ok
	}
	return true
}

// checkStart refuses `start: now` where nothing could be built.
func (b *builder) checkStart(v value, r policy.TransportRule) {
	if r.Action == policy.Bypass || r.Action == policy.Discard {
		v.fail("delete it", "%s has no meaning with action %s: there is no chain", v.what, r.Action)
	}
}

// peerName is the name of a peer that exists.
func (b *builder) peerName(v value) (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if _, ok := b.peerAt[s]; !ok {
		v.fail(didYouMean(s, b.peerNames, "peers"), "%s is %q, an unknown peer", v.what, s)
		return "", false
	}
	return s, true
}

func (b *builder) tunnelRule(v value) {
	v.what = v.called("tunnel rule via", "via")
	o, ok := v.object("rules.tunnel[]")
	if !ok {
		b.broken = true
		return
	}
	r := policy.TunnelRule{Pos: b.pos(v.at)}
	good := false
	if via, ok := o.need("via", "via: "+cmpOr(orList(b.peerNames), "NAME")); ok {
		r.Via, good = b.peerName(via)
	}
	if m, ok := o.get("match"); ok {
		m.what = o.what
		r.Match, ok = b.match(m)
		good = good && ok
	}
	b.Tunnel = append(b.Tunnel, r)
	b.broken = b.broken || !good
}

// match reads the left side of a rule. It is not good if any part was refused:
// a rule with a part missing would match more than was meant.
func (b *builder) match(v value) (m policy.Match, good bool) {
	before := len(b.problems)
	o, ok := v.object("match")
	if !ok {
		return m, false
	}
	if v, ok := o.get("src"); ok {
		m.Src = b.places(v)
	}
	if v, ok := o.get("dst"); ok {
		m.Dst = b.places(v)
	}
	if v, ok := o.get("proto"); ok {
		m.Proto, _ = v.protos()
	}
	if v, ok := o.get("sport"); ok {
		m.SrcPorts, _ = v.ports()
	}
	if v, ok := o.get("dport"); ok {
		m.DstPorts, _ = v.ports()
	}
	o.checkPorts(m.Proto)
	return m, len(b.problems) == before
}

// checkPorts refuses ports with a protocol that has none.
func (o object) checkPorts(protos []uint8) {
	v, ok := o.fields["dport"]
	if !ok {
		v, ok = o.fields["sport"]
	}
	i := slices.IndexFunc(protos, func(p uint8) bool { return !HasPorts(p) })
	if !ok || i < 0 {
		return
	}
	name := policy.ProtoName(protos[i])
	v.fail("delete the ports, or put "+name+" into a rule of its own", "%s with proto %s can never match: it has no ports", v.what, name)
}

// called is what to call a rule or entry in messages: by kind, and by the name
// under key if it has one.
func (v value) called(kind, key string) string {
	if m, ok := v.node.(*ast.MappingNode); ok {
		for _, kv := range m.Values {
			name, ok := kv.Value.(*ast.StringNode)
			if ok && kv.Key.String() == key && goodName(name.Value) {
				return kind + " " + name.Value
			}
		}
	}
	return strings.TrimSuffix(kind, " via")
}

// places are prefixes, addresses, and peers' names for their addresses.
func (b *builder) places(v value) []netip.Prefix {
	var out []netip.Prefix
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			continue
		}
		if p, ok := parsePrefix(s); ok {
			if item.noHostBits(p) {
				out = append(out, p)
			}
			continue
		}
		if _, known := b.peerAt[s]; known {
			for _, a := range b.Peer(s).Addrs {
				out = append(out, netip.PrefixFrom(a, a.BitLen()))
			}
			continue
		}
		if strings.ContainsAny(s, "/:") || strings.Trim(s, "0123456789.") == "" {
			item.fail("write a prefix, an address or the name of a peer", "%s is %q, neither a prefix nor an address", v.what, s)
		} else {
			item.fail(didYouMean(s, b.peerNames, "peers"), "%s is %q, an unknown peer", v.what, s)
		}
	}
	if len(v.items()) == 0 {
		v.fail("delete the key to match everything", "%s is an empty list", v.what)
	}
	return out
}
