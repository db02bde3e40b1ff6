package lab

import (
	"context"
	"fmt"
	"net/netip"
)

// linkPrefix starts the name of every lab interface. They are named after the
// node at the other end: "to-router".
const linkPrefix = "to-"

// An End is one side of a link: the node and its addresses there.
type End struct {
	Node  *Node
	Addrs []netip.Prefix
}

// Device is the name of n's interface towards peer.
func Device(peer *Node) string { return linkPrefix + peer.Name }

// Link joins two nodes by a veth pair. Both interfaces are born in their
// namespaces, so nothing shows outside.
func (l *Lab) Link(ctx context.Context, a, b End) error {
	add := fmt.Sprintf("link add %s type veth peer name %s netns %d", Device(b.Node), Device(a.Node), b.Node.Pid())
	if err := a.Node.IP(ctx, add); err != nil {
		return err
	}
	if err := a.configure(ctx, Device(b.Node)); err != nil {
		return err
	}
	return b.configure(ctx, Device(a.Node))
}

func (e End) configure(ctx context.Context, dev string) error {
	var lines []string
	for _, a := range e.Addrs {
		lines = append(lines, fmt.Sprintf("addr add %v dev %s", a, dev))
	}
	lines = append(lines, fmt.Sprintf("link set %s up", dev))
	return e.Node.IP(ctx, lines...)
}

// Route adds a route for each prefix via the next hop.
func (n *Node) Route(ctx context.Context, via netip.Addr, to ...netip.Prefix) error {
	var lines []string
	for _, p := range to {
		lines = append(lines, fmt.Sprintf("route add %v via %v", p, via))
	}
	return n.IP(ctx, lines...)
}

// Forward makes the node a router for both families.
func (n *Node) Forward(ctx context.Context) error {
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := n.Sysctl(ctx, key, "1"); err != nil {
			return err
		}
	}
	return nil
}
