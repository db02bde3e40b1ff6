package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
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
	if err := b.configure(ctx, Device(a.Node)); err != nil {
		return err
	}
	return Poll(linkWait, func() error { return errors.Join(a.carries(ctx, b.Node), b.carries(ctx, a.Node)) })
}

// linkWait is for the kernel to notice that both ends of a link are up, which it
// does in its own time.
const linkWait = 5 * time.Second

// carries reports whether the interface towards peer is in operation, with its
// routes in place.
func (e End) carries(ctx context.Context, peer *Node) error {
	out, err := e.Node.Run(ctx, "ip", "-o", "link", "show", "dev", Device(peer))
	if err == nil && !strings.Contains(out, " state UP ") {
		err = fmt.Errorf("lab: %s: link to %s is not up: %s", e.Node.Name, peer.Name, out)
	}
	return err
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
