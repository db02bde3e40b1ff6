package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// succeed deals with what the predecessor left, then begins the new journal.
func (h *Host) succeed(old state) error {
	if old.damaged != "" {
		h.log.Warn("host: the journal of the last run is damaged: undoing what it still says and everything with this node's tag",
			"journal", h.journal.path, "damage", old.damaged)
	}
	mine := h.opt.layout()
	var errs []error
	for _, l := range old.layouts() {
		if l != mine {
			errs = append(errs, h.undoLayout(l))
		}
	}
	errs = append(errs, h.undoChanges(old), h.dropClients(mine))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("host: clean up after the last run: %w", err)
	}
	return h.journal.begin(h.opt)
}

// dropClients removes the predecessor's accepted peers; its policy stays in force.
func (h *Host) dropClients(l layout) error {
	for _, family := range h.families {
		old, err := h.rules.ours(family, l.flows(), l.flows())
		if err != nil {
			return err
		}
		if err := h.remove(old); err != nil {
			return err
		}
	}
	return h.flush(l.clients())
}

// undo takes everything back, last change first.
func (h *Host) undo(s state) error {
	var errs []error
	for _, l := range s.layouts() {
		errs = append(errs, h.undoLayout(l))
	}
	errs = append(errs, h.undoChanges(s))
	return errors.Join(errs...)
}

// undoLayout removes rules and routes. One rule switches all of them off first,
// so that no packet meets the rest of a rule set.
func (h *Host) undoLayout(l layout) error {
	for _, family := range h.families {
		rules, err := h.rules.ours(family, l.first(), l.end())
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			continue
		}
		off := l.off(family)
		if slices.ContainsFunc(rules, func(r rule) bool { return r.pref == l.end() }) {
			if err := h.rules.add(off); err != nil {
				return err
			}
		}
		rules = slices.DeleteFunc(rules, func(r rule) bool { return r == off || r.pref == l.end() })
		end := rule{family: uint8(family), pref: l.end(), action: l.frame(family)[0].action}
		if err := h.remove(append(rules, off, end)); err != nil {
			return err
		}
	}
	return errors.Join(h.flush(l.Table), h.flush(l.clients()))
}

// flush empties a table of the routes that carry our tag.
func (h *Host) flush(table int) error {
	for _, family := range h.families {
		routes, err := h.nl.RouteListFiltered(family, &netlink.Route{Table: table, Protocol: protocolTag},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
		if err != nil {
			return fmt.Errorf("host: list routes of table %d: %w", table, err)
		}
		for _, r := range routes {
			if err := h.nl.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("host: remove route %s of table %d: %w", r.Dst, table, err)
			}
		}
	}
	return nil
}

func (h *Host) undoChanges(s state) error {
	var errs []error
	for _, c := range slices.Backward(s.changes) {
		switch {
		case c.Sysctl != nil:
			errs = append(errs, h.restore(*c.Sysctl))
		case c.Address != nil:
			errs = append(errs, h.delAddress(*c.Address))
		case c.NFTable != "":
			errs = append(errs, h.dropTable(c.NFTable))
		}
	}
	return errors.Join(errs...)
}
