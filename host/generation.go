package host

import (
	"errors"
	"fmt"
	"slices"
)

// SetPolicy puts an ordered rule set in force, in place of the one before, with
// one switch per IP version. What it finds in the kernel is what it goes by:
// rules that somebody removed come back. On an error the old set stays.
func (h *Host) SetPolicy(rules []PolicyRule) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	protects := false
	for i, r := range rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("host: policy rule %d: %w", i+1, err)
		}
		protects = protects || r.Verdict == ToTUN
	}
	if protects {
		if err := h.prepare(); err != nil {
			return err
		}
	}
	if err := h.switchTo(rules); err != nil {
		return err
	}
	return h.mirror(rules)
}

// prepare readies the TUN and the reverse-path filters for protected traffic.
func (h *Host) prepare() error {
	if err := h.defaultRoutes(); err != nil {
		return err
	}
	return h.loosen()
}

// A switchover is one IP version's way from one rule set to the next.
type switchover struct {
	family int
	old    []rule // of both areas, to be removed when all is done
	next   []rule
	second bool // next goes to the second area
}

func (h *Host) switchTo(rules []PolicyRule) error {
	var all []switchover
	for _, family := range h.families {
		s, changed, err := h.write(family, rules)
		if err != nil {
			return errors.Join(err, h.discard(all))
		}
		if changed {
			all = append(all, s)
		}
	}
	for _, s := range all {
		if err := h.flip(s); err != nil {
			return err
		}
	}
	for _, s := range all {
		if err := h.remove(s.old); err != nil {
			return err
		}
	}
	return nil
}

// write puts the rule set into the area that is not in force.
func (h *Host) write(family int, rules []PolicyRule) (s switchover, changed bool, err error) {
	l := h.opt.layout()
	have, err := h.rules.ours(family, l.first(), l.end())
	if err != nil {
		return s, false, err
	}
	if err := h.frame(family, have); err != nil {
		return s, false, err
	}
	var groups []group
	for _, r := range rules {
		groups = append(groups, r.compile(family, l)...)
	}
	gated := slices.Contains(have, l.gateRule(family))
	lo, hi := l.area(gated)
	current := within(have, lo, hi)
	if next, err := place(groups, family, lo, hi, l); err == nil && slices.Equal(next, current) {
		return s, false, nil
	}
	s = switchover{family: family, old: current, second: !gated}
	lo, hi = l.area(s.second)
	if s.next, err = place(groups, family, lo, hi, l); err != nil {
		return s, false, err
	}
	if err := h.remove(within(have, lo, hi)); err != nil {
		return s, false, err
	}
	if err := h.append(s.next); err != nil {
		return s, false, errors.Join(err, h.remove(s.next))
	}
	return s, true, nil
}

// append adds a rule set from its end, so that the kernel finds the target of
// each goto at once and does not look for unresolved ones at every rule. Rules of
// one priority keep their order.
func (h *Host) append(rules []rule) error {
	for hi := len(rules); hi > 0; {
		lo := hi - 1
		for lo > 0 && rules[lo-1].pref == rules[lo].pref {
			lo--
		}
		for _, r := range rules[lo:hi] {
			if err := h.rules.append(r); err != nil {
				return err
			}
		}
		hi = lo
	}
	return nil
}

// flip puts the written set in force: one message.
func (h *Host) flip(s switchover) error {
	gate := h.opt.layout().gateRule(s.family)
	if s.second {
		return h.rules.add(gate)
	}
	return h.rules.del(gate)
}

func (h *Host) discard(all []switchover) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, h.remove(s.next))
	}
	return errors.Join(errs...)
}

func (h *Host) remove(rules []rule) error {
	for _, r := range rules {
		if err := h.rules.del(r); err != nil {
			return err
		}
	}
	return nil
}

// frame adds what is missing of the rules around the rule sets.
func (h *Host) frame(family int, have []rule) error {
	l := h.opt.layout()
	for _, r := range append(l.frame(family)[:1:1], append([]rule{l.guard(family)}, l.frame(family)[1:]...)...) {
		if slices.Contains(have, r) {
			continue
		}
		if err := h.rules.add(r); err != nil {
			return err
		}
	}
	return nil
}

// ensureFrame adds the frame for users other than rule sets, once.
func (h *Host) ensureFrame() error {
	if h.based {
		return nil
	}
	l := h.opt.layout()
	for _, family := range h.families {
		have, err := h.rules.ours(family, l.first(), l.end())
		if err != nil {
			return err
		}
		if err := h.frame(family, have); err != nil {
			return err
		}
	}
	h.based = true
	return nil
}

func within(rules []rule, lo, hi uint32) []rule {
	var out []rule
	for _, r := range rules {
		if r.pref >= lo && r.pref <= hi {
			out = append(out, r)
		}
	}
	return out
}
