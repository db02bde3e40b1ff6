package policy

import (
	"net/netip"
	"slices"
)

// maxBoxes is into how many boxes the index cuts a rule. One that needs more
// stays outside and is tried on its own.
const maxBoxes = 256

// A box is one combination of the values of a Match: one prefix, one protocol
// and one range of each side. It has the size of a cache line.
type box struct {
	dst, src       bits128
	dport, sport   Ports
	rule           uint32 // the rule's number, which it keeps for life
	class          uint32
	dstLen, srcLen length
	proto          uint8
	protoMask      uint8 // 0 for any protocol
}

// A field is a dimension in which a node divides boxes, in this order: one that
// divides by services thus holds boxes that differ in nothing else but their ports
// and protocols.
type field uint8

const (
	fieldDst field = iota
	fieldSrc
	fieldService // protocol and port of the destination
	fieldSrcPort
	numFields
)

// key is the narrowest prefix of field f that holds all of b.
func (b *box) key(f field) key {
	switch f {
	case fieldDst:
		return key{b.dst, b.dstLen}
	case fieldSrc:
		return key{b.src, b.srcLen}
	case fieldService:
		if b.protoMask == 0 {
			return key{}
		}
		return serviceKey(b.proto, b.dport)
	}
	return portKey(b.sport)
}

// hash is that of b's key.
func (b *box) hash(f field) uint32 {
	k := b.key(f)
	return k.short()
}

// boxes cuts m, unless it has too many combinations or an invalid prefix.
func (m *Match) boxes(rule, class uint32) (list []box, ok bool) {
	n := 1
	for _, values := range []int{len(m.Dst), len(m.Src), len(m.Proto), len(m.DstPorts), len(m.SrcPorts)} {
		if n *= max(values, 1); n > maxBoxes {
			return nil, false
		}
	}
	if slices.ContainsFunc(m.Dst, isInvalid) || slices.ContainsFunc(m.Src, isInvalid) {
		return nil, false
	}
	list = []box{{dport: AnyPorts(), sport: AnyPorts(), rule: rule, class: class}}
	list = multiply(list, m.Dst, func(b *box, p netip.Prefix) { b.dst, b.dstLen = split(p) })
	list = multiply(list, m.Src, func(b *box, p netip.Prefix) { b.src, b.srcLen = split(p) })
	list = multiply(list, m.Proto, func(b *box, p uint8) { b.proto, b.protoMask = p, 0xff })
	list = multiply(list, m.DstPorts, func(b *box, r Ports) { b.dport = r })
	list = multiply(list, m.SrcPorts, func(b *box, r Ports) { b.sport = r })
	return list, true
}

func split(p netip.Prefix) (bits128, length) {
	k := prefixKey(p)
	return k.bits128, k.length
}

// multiply returns each of list with each of values; no values change nothing.
func multiply[V comparable](list []box, values []V, set func(*box, V)) []box {
	if len(values) == 0 {
		return list
	}
	out := make([]box, 0, len(list)*len(values))
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			continue
		}
		for _, b := range list {
			set(&b, v)
			out = append(out, b)
		}
	}
	return out
}

func isInvalid(p netip.Prefix) bool { return !p.IsValid() }
