package lab

import (
	"context"
	"fmt"
	"net/netip"
)

// MaxGateways is how many security gateways Figure2 has room for.
const MaxGateways = 4

// A Gateway is a security gateway: the address that peers know it by, and the
// prefixes that it leases addresses from.
type Gateway struct {
	*Node
	Addr, Addr6 netip.Addr
	Pool, Pool6 netip.Prefix
}

// A Network is the patent's figure 2:
//
//	sender ── router ─┬─ sg1
//	                  ├─ sg2
//	                  ├─ sg3 ── receiver
//	                  └─ sg4
//
// The router knows the way to each gateway's pool and, through sg3, to the
// receiver, so packets also flow without any tunnel, and each gateway can
// reach each other one. sg4 is there only where four gateways were asked for.
type Network struct {
	*Lab
	Sender, Router, Receiver *Node
	Gateways                 []Gateway

	SenderAddr, SenderAddr6     netip.Addr
	ReceiverAddr, ReceiverAddr6 netip.Addr
}

// A site is a line of the address plan: one link to the router.
type site struct {
	name          string
	addr, router  string // with prefix length, and without
	addr6, route6 string
	pool, pool6   string
}

func senderSite() site {
	return site{"sender", "192.0.2.130/25", "192.0.2.129", "2001:db8:0::130/64", "2001:db8:0::1", "", ""}
}

func gatewaySites() []site {
	return []site{
		{"sg1", "192.0.2.1/25", "192.0.2.126", "2001:db8:1::1/64", "2001:db8:1::fe", "10.99.1.0/24", "fd99:1::/64"},
		{"sg2", "198.51.100.1/24", "198.51.100.254", "2001:db8:2::1/64", "2001:db8:2::fe", "10.99.2.0/24", "fd99:2::/64"},
		{"sg3", "203.0.113.1/26", "203.0.113.62", "2001:db8:3::1/64", "2001:db8:3::fe", "10.99.3.0/24", "fd99:3::/64"},
		{"sg4", "198.18.0.1/24", "198.18.0.254", "2001:db8:4::1/64", "2001:db8:4::fe", "10.99.4.0/24", "fd99:4::/64"},
	}
}

// The receiver's own link to sg3.
const (
	receiverNet, receiverNet6   = "203.0.113.64/26", "2001:db8:3b::/64"
	receiverAddr, receiverAddr6 = "203.0.113.77/26", "2001:db8:3b::77/64"
	receiverVia, receiverVia6   = "203.0.113.65/26", "2001:db8:3b::65/64"
)

// Figure2 builds the network with gateways security gateways, three at least:
// the receiver sits behind the third. On an error the lab is closed.
func Figure2(ctx context.Context, o Options, gateways int) (*Network, error) {
	l, err := New(o)
	if err != nil {
		return nil, err
	}
	n := &Network{Lab: l}
	if err := n.build(ctx, min(max(gateways, 3), MaxGateways)); err != nil {
		l.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) build(ctx context.Context, gateways int) error {
	var err error
	if n.Router, err = n.AddNode("router"); err != nil {
		return err
	}
	if err := n.Router.Forward(ctx); err != nil {
		return err
	}
	s := senderSite()
	n.SenderAddr, n.SenderAddr6 = s.own()
	if n.Sender, err = n.attach(ctx, s); err != nil {
		return err
	}
	for _, s := range gatewaySites()[:gateways] {
		g := Gateway{Pool: netip.MustParsePrefix(s.pool), Pool6: netip.MustParsePrefix(s.pool6)}
		g.Addr, g.Addr6 = s.own()
		if g.Node, err = n.attach(ctx, s); err != nil {
			return err
		}
		if err := n.routeTo(ctx, g, g.Pool, g.Pool6); err != nil {
			return err
		}
		n.Gateways = append(n.Gateways, g)
	}
	return n.addReceiver(ctx)
}

// own is the site's own addresses.
func (s site) own() (netip.Addr, netip.Addr) {
	return netip.MustParsePrefix(s.addr).Addr(), netip.MustParsePrefix(s.addr6).Addr()
}

// attach makes the site's node, its link to the router and its default routes.
func (n *Network) attach(ctx context.Context, s site) (*Node, error) {
	node, err := n.AddNode(s.name)
	if err != nil {
		return nil, err
	}
	addr, addr6 := netip.MustParsePrefix(s.addr), netip.MustParsePrefix(s.addr6)
	via, via6 := netip.MustParseAddr(s.router), netip.MustParseAddr(s.route6)
	far := []netip.Prefix{netip.PrefixFrom(via, addr.Bits()), netip.PrefixFrom(via6, addr6.Bits())}
	near := []netip.Prefix{addr, addr6}
	if err := n.Link(ctx, End{node, near}, End{n.Router, far}); err != nil {
		return nil, err
	}
	return node, defaultRoutes(ctx, node, via, via6)
}

func (n *Network) addReceiver(ctx context.Context) error {
	var err error
	if n.Receiver, err = n.AddNode("receiver"); err != nil {
		return err
	}
	addr, addr6 := netip.MustParsePrefix(receiverAddr), netip.MustParsePrefix(receiverAddr6)
	via, via6 := netip.MustParsePrefix(receiverVia), netip.MustParsePrefix(receiverVia6)
	n.ReceiverAddr, n.ReceiverAddr6 = addr.Addr(), addr6.Addr()
	sg3 := n.Gateways[2]
	err = n.Link(ctx, End{n.Receiver, []netip.Prefix{addr, addr6}}, End{sg3.Node, []netip.Prefix{via, via6}})
	if err != nil {
		return err
	}
	if err := sg3.Forward(ctx); err != nil { // the way to the receiver must exist without any daemon
		return err
	}
	if err := defaultRoutes(ctx, n.Receiver, via.Addr(), via6.Addr()); err != nil {
		return err
	}
	return n.routeTo(ctx, sg3, netip.MustParsePrefix(receiverNet), netip.MustParsePrefix(receiverNet6))
}

// routeTo sends a prefix of each family from the router to a gateway.
func (n *Network) routeTo(ctx context.Context, g Gateway, p, p6 netip.Prefix) error {
	if err := n.Router.Route(ctx, g.Addr, p); err != nil {
		return err
	}
	return n.Router.Route(ctx, g.Addr6, p6)
}

func defaultRoutes(ctx context.Context, n *Node, via, via6 netip.Addr) error {
	if err := n.Route(ctx, via, netip.MustParsePrefix("0.0.0.0/0")); err != nil {
		return err
	}
	return n.Route(ctx, via6, netip.MustParsePrefix("::/0"))
}

// Node finds a node by name.
func (l *Lab) Node(name string) (*Node, error) {
	var names []string
	for _, n := range l.Nodes() {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return nil, fmt.Errorf("lab: no node %q, there are %v", name, names)
}
