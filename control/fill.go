package control

// list keeps a list from becoming null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func counters(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}

// filled is s without a null anywhere in its JSON.
func filled(s Status) Status {
	s.Tun.Addresses = list(s.Tun.Addresses)
	s.Accepted, s.Warnings = list(s.Accepted), list(s.Warnings)
	s.Dataplane.TunOffloads, s.Dataplane.Notes = list(s.Dataplane.TunOffloads), list(s.Dataplane.Notes)
	s.Drops, s.Traffic, s.IKE = counters(s.Drops), counters(s.Traffic), counters(s.IKE)
	chains := make([]Chain, len(s.Chains))
	for i, c := range s.Chains {
		c.Layers = list(c.Layers)
		chains[i] = c
	}
	s.Chains = chains
	return s
}

func filledSAs(sas []SA) []SA {
	out := make([]SA, len(sas))
	for i, s := range sas {
		s.LocalTS, s.RemoteTS = list(s.LocalTS), list(s.RemoteTS)
		out[i] = s
	}
	return out
}

func filledIKE(sas []IKE) []IKE {
	out := make([]IKE, len(sas))
	for i, s := range sas {
		s.ChildSAs = list(s.ChildSAs)
		out[i] = s
	}
	return out
}
