package nest

import (
	"fmt"
	"net/netip"
	"strings"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

// Assumptions are what an Explanation takes for granted, having no daemon to
// ask. Suites and encapsulations are those that each Peer assumes.
type Assumptions struct {
	PathMTU OuterMTU                           // zero is DefaultPathMTU
	Source  func(remote netip.Addr) netip.Addr // the host's own address; may be nil
}

// An Explanation says what becomes of a flow, and why.
type Explanation struct {
	Flow     string            `json:"flow"`
	Verdict  string            `json:"verdict"` // chain, bypass, discard or error
	Rule     string            `json:"rule"`    // empty: the default
	Pos      string            `json:"pos"`
	Error    string            `json:"error"`
	Steps    []ExplainedStep   `json:"steps"`
	Pending  []ExplainedAction `json:"pending"` // top of the stack first
	Layers   []ExplainedLayer  `json:"layers"`  // outermost first
	Headers  []string          `json:"headers"` // outermost first
	MTU      int               `json:"mtu"`
	Overhead int               `json:"overhead"`
}

// An ExplainedStep is one look-up.
type ExplainedStep struct {
	Flow string `json:"flow"`
	Rule string `json:"rule"`
	Pos  string `json:"pos"`
	Via  string `json:"via"`
	Then string `json:"then"` // the flow afterwards
}

// An ExplainedAction is one entry of the pending stack.
type ExplainedAction struct {
	Mode    string `json:"mode"`
	Peer    string `json:"peer"`
	Address string `json:"address"`
}

// An ExplainedLayer is one encapsulation.
type ExplainedLayer struct {
	Layer    int    `json:"layer"`
	Peer     string `json:"peer"`
	Mode     string `json:"mode"`
	Local    string `json:"local"` // an address, or where it will come from
	Remote   string `json:"remote"`
	Encap    string `json:"encap"`
	Suite    string `json:"suite"`
	OuterMTU int    `json:"outer_mtu"`
	MTU      int    `json:"mtu"` // of what it takes in
}

// Explain resolves f and lays the result out.
func Explain(r *Resolver, f packet.Flow, as Assumptions) Explanation {
	if as.PathMTU == 0 {
		as.PathMTU = DefaultPathMTU
	}
	res, err := r.Resolve(f)
	e := Explanation{
		Flow: flowText(f), Verdict: res.Verdict.String(), MTU: int(as.PathMTU),
		Steps: []ExplainedStep{}, Pending: []ExplainedAction{}, Layers: []ExplainedLayer{}, Headers: []string{},
	}
	if res.Rule != nil {
		e.Rule, e.Pos = res.Rule.Name, res.Rule.Pos
	}
	for _, s := range res.Steps {
		e.Steps = append(e.Steps, ExplainedStep{flowText(s.Before), s.Rule, s.Pos, s.Via, flowText(s.After)})
	}
	if err != nil {
		e.Verdict, e.Error = "error", err.Error()
		return e
	}
	e.explainLayers(r, res.Pending.Actions(), f, as)
	if res.Verdict == ResolvedChain {
		e.Headers = append(e.Headers, traffic(f))
	}
	return e
}

// explainLayers lays out the actions, outermost first.
func (e *Explanation) explainLayers(r *Resolver, actions []Action, f packet.Flow, as Assumptions) {
	outer := as.PathMTU
	var through *Peer // the tunnel that the layer is in
	for i, a := range actions {
		p := r.Peer(a.Peer)
		w := Wrapping{a.Kind.Mode(), p.Suite, p.Encap, a.Addr.Is6()}
		l := ExplainedLayer{
			Layer: i + 1, Peer: a.Peer, Mode: w.Mode.String(), Local: as.local(through, p, a.Addr),
			Remote: a.Addr.String(), Encap: w.Encap.String(), Suite: w.Suite.String(),
			OuterMTU: int(outer), MTU: int(outer.Inner(w)),
		}
		e.Pending = append(e.Pending, ExplainedAction{l.Mode, l.Peer, l.Remote})
		e.Layers = append(e.Layers, l)
		e.Headers = append(e.Headers, headers(l))
		outer, through = outer.Inner(w).Outer(), p
		if a.Kind == TunnelAction && i == len(actions)-1 {
			e.Headers = append(e.Headers, "IP "+as.source(p, f)+" > "+f.Dst.String())
		}
	}
	e.MTU, e.Overhead = int(outer), int(as.PathMTU)-int(outer)
}

// source is where a packet of f inside through comes from.
func (as Assumptions) source(through *Peer, f packet.Flow) string {
	if through.VirtualIP4 && f.Dst.Is4() || through.VirtualIP6 && f.Dst.Is6() {
		return "lease of " + through.Name
	}
	return f.Src.String()
}

// local is where a packet to remote inside through comes from, as far as can be
// said beforehand (DESIGN, section 4).
func (as Assumptions) local(through, to *Peer, remote netip.Addr) string {
	switch {
	case through != nil && (through.VirtualIP4 && remote.Is4() || through.VirtualIP6 && remote.Is6()):
		return "lease of " + through.Name
	case to.Source.IsValid() && to.Source.Is4() == remote.Is4():
		return to.Source.String()
	}
	if as.Source != nil {
		if a := as.Source(remote); a.IsValid() {
			return a.String()
		}
	}
	return "this host"
}

func headers(l ExplainedLayer) string {
	h := []string{"IP " + l.Local + " > " + l.Remote}
	if l.Encap == packet.EncapUDP.String() {
		h = append(h, "UDP 4500")
	}
	who := l.Peer
	if l.Mode == esp.Transport.String() {
		who += ", transport"
	}
	return strings.Join(append(h, "ESP ("+who+")"), " | ")
}

func traffic(f packet.Flow) string {
	proto := policy.ProtoName(f.Proto)
	if f.DstPort == 0 {
		return proto
	}
	return fmt.Sprintf("%s/%d", proto, f.DstPort)
}

func flowText(f packet.Flow) string {
	return fmt.Sprintf("%v > %v %s", f.Src, f.Dst, traffic(f))
}

// String lays the explanation out for a terminal.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "flow     %s\n", e.Flow)
	for i, s := range e.Steps {
		fmt.Fprintf(&b, "step %-3d %s: %s\n", i+1, s.Flow, at(s.Rule, s.Pos))
		if s.Via != "" {
			fmt.Fprintf(&b, "         goes to %s, so look up %s\n", s.Via, s.Then)
		}
	}
	switch {
	case e.Error != "":
		fmt.Fprintf(&b, "error    %s\n", e.Error)
	case e.Rule == "":
		fmt.Fprintf(&b, "verdict  %s, by default\n", e.Verdict)
	case e.Verdict != ResolvedChain.String():
		fmt.Fprintf(&b, "verdict  %s\n", e.Verdict)
	default:
		e.writeChain(&b)
	}
	return b.String()
}

func (e Explanation) writeChain(b *strings.Builder) {
	b.WriteString("\npending stack, top first\n")
	for i, a := range e.Pending {
		word := "tunnel to"
		if a.Mode == esp.Transport.String() {
			word = "transport with"
		}
		fmt.Fprintf(b, "  %d. %s %s (%s)\n", i+1, word, a.Peer, a.Address)
	}
	b.WriteString("\npacket, outermost header first\n")
	for i, h := range e.Headers {
		fmt.Fprintf(b, "  %s%s\n", strings.Repeat("  ", i), h)
	}
	b.WriteString("\nlayer  peer        mode       encap  suite                   outer  inner\n")
	for _, l := range e.Layers {
		fmt.Fprintf(b, "%5d  %-10s  %-9s  %-5s  %-22s  %5d  %5d\n",
			l.Layer, l.Peer, l.Mode, l.Encap, l.Suite, l.OuterMTU, l.MTU)
	}
	fmt.Fprintf(b, "\nmtu      %d (overhead %d)\n", e.MTU, e.Overhead)
}
