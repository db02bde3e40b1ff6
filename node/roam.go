package node

import (
	"net/netip"
	"slices"
	"time"

	"warren/ike"
	"warren/sa"
)

// calm is the least time between two looks at the host's addresses: routes may
// change by the hundreds.
const calm = 100 * time.Millisecond

// roaming is when to look at the host's addresses next.
type roaming struct {
	signal <-chan struct{} // that they may have changed
	at     time.Time       // zero: nothing has
	last   time.Time
}

func (r *roaming) soon(now time.Time) {
	if r.at.IsZero() {
		r.at = now
		if next := r.last.Add(calm); next.After(now) {
			r.at = next
		}
	}
}

// roam lets the sessions on the network follow the host's addresses. Inside a
// layer a session's address is the lease of that layer, which does not change.
func (n *Node) roam(now time.Time) {
	if r := &n.roams; r.at.IsZero() || now.Before(r.at) {
		return
	}
	n.roams.at, n.roams.last = time.Time{}, now
	have, err := n.host.Addresses()
	if err != nil {
		n.warn("follow the host's addresses", err)
		return
	}
	n.listen(have)
	for _, s := range n.ike.Sessions() {
		if s.Path.Via == sa.Network && n.mayMove(s, have) {
			n.move(s, have, now)
		}
	}
}

// listen says where peers may open sessions, also inside those that they have: at
// the addresses that the configuration lists, or else at all that the host has.
func (n *Node) listen(have map[netip.Addr]bool) {
	at := make(map[netip.Addr]bool)
	for _, a := range n.addresses() {
		at[a] = true
	}
	if slices.ContainsFunc(n.cfg.Listen.Addresses, netip.Addr.IsUnspecified) {
		for a := range have {
			if a.IsGlobalUnicast() {
				at[a] = true
			}
		}
	}
	n.nest.Listen(at)
}

// mayMove reports whether s is to be where the host's routing wants it: an
// initiator always, unless it has a configured source; a responder only when
// the address that its peer came to is gone.
func (n *Node) mayMove(s ike.SessionInfo, have map[netip.Addr]bool) bool {
	if a := listenAddr(n.cfg.Listen.Addresses); a.IsValid() && !a.IsUnspecified() {
		return false // there is no socket elsewhere
	}
	if !s.Initiator {
		return !have[s.Path.Local.Addr()]
	}
	p := n.cfg.Peer(s.Name)
	return p == nil || !p.Source.IsValid() || !have[p.Source]
}

// move takes s to the host's address of the day. A session that cannot move and
// whose address is gone is dead: a liveness check finds out in short time, and
// its layer is built again from the new address.
func (n *Node) move(s ike.SessionInfo, have map[netip.Addr]bool, now time.Time) {
	local, err := n.host.SourceFor(s.Path.Remote.Addr())
	if err != nil || local == s.Path.Local.Addr() {
		return // no way there now: the next change may bring one
	}
	if err = n.ike.Move(s.ID, local, now); err == nil {
		n.log.Info("session moves", "peer", s.Name, "from", s.Path.Local.Addr().String(), "to", local.String())
		return
	}
	if !have[s.Path.Local.Addr()] {
		n.log.Info("session cannot move", "peer", s.Name, "from", s.Path.Local.Addr().String(), "to", local.String(), "err", err)
		n.try("liveness", n.ike.Liveness(s.ID, now))
	}
}

// addresses are those that peers may be told of: only what the configuration
// lists, so that nobody learns of a host's other networks.
func (n *Node) addresses() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(n.cfg.Listen.Addresses), netip.Addr.IsUnspecified)
}
