package node

import (
	"warren/config"
	"warren/control"
	"warren/policy"
)

// Rules implements control.Backend.
func (b *backend) Rules() []control.Rule {
	return ask(b.n, func() []control.Rule { return rulesOf(b.n.cfg) })
}

func rulesOf(c *config.Config) []control.Rule {
	var out []control.Rule
	for _, r := range c.Transport {
		out = append(out, control.Rule{
			Table: "transport", Name: r.Name, Match: r.Match.String(), Action: r.Action.String(),
			Peer: r.Peer, Start: startWord(r), Position: r.Pos,
		})
	}
	for _, r := range c.Tunnel {
		out = append(out, control.Rule{
			Table: "tunnel", Match: r.Match.String(), Action: "via", Peer: r.Via, Position: r.Pos,
		})
	}
	return append(out, control.Rule{Table: "default", Match: "everything else", Action: c.Default.String()})
}

// startWord is when the rule's chains are built; a rule without chains has none.
func startWord(r policy.TransportRule) string {
	if r.Action != policy.Protect && r.Action != policy.Plain {
		return ""
	}
	return r.Start.String()
}

// Routes implements control.Backend.
func (b *backend) Routes() []control.Route {
	out := []control.Route{}
	for _, r := range b.n.host.Installed() {
		out = append(out, control.Route{Kind: r.Kind, Family: r.Family, Text: r.Text, Table: r.Table})
	}
	return out
}
