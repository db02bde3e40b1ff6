package host

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// layout knows which rule stands where, for one table, priority and mark:
//
//	+0         own sockets (by mark): goto end
//	+1         lookup the clients' table
//	+2         accepted flows: goto toTUN
//	+3         gate: goto the second area, while that one is in force
//	+10 …      first area for a rule set
//	…          second area
//	toTUN      lookup the TUN's table
//	toTUN+1    unreachable: there is no TUN
//	end        nothing: what is bypassed goes on here
type layout struct {
	Table    int    `json:"table"`
	Priority int    `json:"priority"`
	Mark     uint32 `json:"mark"`
}

func (o Options) layout() layout { return layout{o.Table, o.Priority, o.Mark} }

func (l layout) first() uint32 { return uint32(l.Priority) }
func (l layout) flows() uint32 { return l.first() + 2 }
func (l layout) gate() uint32  { return l.first() + 3 }
func (l layout) end() uint32   { return l.first() + Span }
func (l layout) toTUN() uint32 { return l.end() - 2 }

// area returns the priorities of the first or the second rule set.
func (l layout) area(second bool) (lo, hi uint32) {
	const size = (Span - 20) / 2
	lo = l.first() + 10
	if second {
		lo += size
	}
	return lo, lo + size - 1
}

// clients is the table of routes to accepted peers.
func (l layout) clients() int { return l.Table + 1 }

// frame lists the rules around the rule sets, in the order to add them.
func (l layout) frame(family int) []rule {
	f := uint8(family)
	return []rule{
		{family: f, pref: l.end(), action: nl.FR_ACT_NOP},
		{family: f, pref: l.toTUN() + 1, action: nl.FR_ACT_UNREACHABLE},
		{family: f, pref: l.toTUN(), action: nl.FR_ACT_TO_TBL, table: uint32(l.Table)},
		{family: f, pref: l.first(), action: nl.FR_ACT_GOTO, target: l.end(), mark: l.Mark, mask: 0xffffffff},
		{family: f, pref: l.first() + 1, action: nl.FR_ACT_TO_TBL, table: uint32(l.clients())},
	}
}

// guard keeps packets that match nothing in the first area, and in an unused
// second one, from reaching the toTUN rules by falling through.
func (l layout) guard(family int) rule {
	return rule{family: uint8(family), pref: l.toTUN() - 1, action: nl.FR_ACT_GOTO, target: l.end()}
}

func (l layout) gateRule(family int) rule {
	lo, _ := l.area(true)
	return rule{family: uint8(family), pref: l.gate(), action: nl.FR_ACT_GOTO, target: lo}
}

// off switches all of it off with one rule, before it is taken apart.
func (l layout) off(family int) rule {
	return rule{family: uint8(family), pref: l.first(), action: nl.FR_ACT_GOTO, target: l.end()}
}

func familyName(family int) string {
	if family == unix.AF_INET {
		return "IPv4"
	}
	return "IPv6"
}
