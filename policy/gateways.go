package policy

import (
	"maps"
	"slices"
)

// gateways number those of the tunnel rules: their classes. They are immutable.
type gateways struct {
	names   []string
	classes map[string]uint32
}

// with is g with more names.
func (g gateways) with(names ...string) gateways {
	c := gateways{slices.Clip(g.names), maps.Clone(g.classes)}
	if c.classes == nil {
		c.classes = make(map[string]uint32)
	}
	for _, name := range names {
		if _, known := c.classes[name]; !known {
			c.classes[name] = uint32(len(c.names))
			c.names = append(c.names, name)
		}
	}
	return c
}

// kind tells rules apart by what Tunnel may skip.
func (g gateways) kind() kind[TunnelRule] {
	return kind[TunnelRule]{
		match: func(r *TunnelRule) *Match { return &r.Match },
		class: func(r *TunnelRule) uint32 { return g.classes[r.Via] },
	}
}
