package policy

import (
	"net/netip"
	"strings"
)

// String writes m with the keys of the configuration, and "everything" for a
// match without any.
func (m Match) String() string {
	var words []string
	add := func(key string, values []string) {
		if len(values) > 0 {
			words = append(words, key+" "+strings.Join(values, ","))
		}
	}
	add("src", each(m.Src, netip.Prefix.String))
	add("dst", each(m.Dst, netip.Prefix.String))
	add("proto", each(m.Proto, ProtoName))
	add("sport", each(m.SrcPorts, Ports.String))
	add("dport", each(m.DstPorts, Ports.String))
	if len(words) == 0 {
		return "everything"
	}
	return strings.Join(words, " ")
}

func each[T any](list []T, text func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = text(v)
	}
	return out
}
