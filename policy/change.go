package policy

// InsertTransport is t with r before the transport rule at place at, or behind
// them all.
func (t *Tables) InsertTransport(at int, r TransportRule) *Tables {
	c := *t
	c.transport = t.transport.insert(at, r)
	return &c
}

// RemoveTransport is t without the transport rule at place at.
func (t *Tables) RemoveTransport(at int) *Tables {
	c := *t
	c.transport = t.transport.remove(at)
	return &c
}

// ReplaceTransport is t with r for the transport rule at place at.
func (t *Tables) ReplaceTransport(at int, r TransportRule) *Tables {
	c := *t
	c.transport = t.transport.replace(at, r)
	return &c
}

// InsertTunnel is t with r before the tunnel rule at place at, or behind them
// all.
func (t *Tables) InsertTunnel(at int, r TunnelRule) *Tables {
	c := t.withGateway(r.Via)
	c.tunnel = c.tunnel.insert(at, r)
	return c
}

// RemoveTunnel is t without the tunnel rule at place at.
func (t *Tables) RemoveTunnel(at int) *Tables {
	c := *t
	c.tunnel = t.tunnel.remove(at)
	return &c
}

// ReplaceTunnel is t with r for the tunnel rule at place at.
func (t *Tables) ReplaceTunnel(at int, r TunnelRule) *Tables {
	c := t.withGateway(r.Via)
	c.tunnel = c.tunnel.replace(at, r)
	return c
}

// withGateway is a copy of t that knows a class for via.
func (t *Tables) withGateway(via string) *Tables {
	c := *t
	if _, known := t.gateways.classes[via]; !known {
		c.gateways = t.gateways.with(via)
		tunnel := *t.tunnel
		tunnel.kind = c.gateways.kind()
		c.tunnel = &tunnel
	}
	return &c
}
