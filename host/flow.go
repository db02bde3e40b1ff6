package host

import "fmt"

// AddFlow sends what matches the selectors of an accepted association into the
// TUN, before any policy rule; the verdict is not looked at. For associations
// whose selectors name ports or a source, where [Host.AddRoute] would take more.
// Flows are counted: each AddFlow needs its RemoveFlow.
func (h *Host) AddFlow(flow PolicyRule) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	flow.Verdict = ToTUN
	if h.closed {
		return errClosed
	}
	if err := flow.validate(); err != nil {
		return fmt.Errorf("host: flow: %w", err)
	}
	if h.flows[flow] > 0 {
		h.flows[flow]++
		return nil
	}
	if err := h.ensureFrame(); err != nil {
		return err
	}
	if err := h.prepare(); err != nil {
		return err
	}
	for _, r := range h.flowRules(flow) {
		if err := h.rules.add(r); err != nil {
			return err
		}
	}
	h.flows[flow]++
	return h.mirrorAccepted(flow, true)
}

// RemoveFlow takes one AddFlow back. A flow that is not there is fine.
func (h *Host) RemoveFlow(flow PolicyRule) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	flow.Verdict = ToTUN
	if h.closed {
		return errClosed
	}
	if h.flows[flow] > 1 {
		h.flows[flow]--
		return nil
	}
	if h.flows[flow] == 0 {
		return nil
	}
	delete(h.flows, flow)
	kept := map[rule]bool{} // flows that differ may share a kernel rule
	for f := range h.flows {
		for _, r := range h.flowRules(f) {
			kept[r] = true
		}
	}
	for _, r := range h.flowRules(flow) {
		if kept[r] {
			continue
		}
		if err := h.rules.del(r); err != nil {
			return err
		}
	}
	return h.mirrorAccepted(flow, false)
}

func (h *Host) flowRules(flow PolicyRule) []rule {
	l := h.opt.layout()
	var out []rule
	for _, family := range h.families {
		if !flow.concerns(family) {
			continue
		}
		k := flow.base(family, l)
		k.pref = l.flows()
		if flow.SrcPorts.Any() && flow.DstPorts.Any() {
			out = append(out, k)
			continue
		}
		for _, proto := range portProtocols() {
			if flow.Proto != 0 && flow.Proto != proto {
				continue
			}
			k.proto = proto
			out = append(out, flow.exact(k)...)
		}
	}
	return out
}
