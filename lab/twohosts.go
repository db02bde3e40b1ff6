package lab

import (
	"context"
	"fmt"
	"net/netip"
)

// TwoHosts is a sender and a receiver on one link:
//
//	sender ── receiver
//
// The receiver has the address of a gateway on the link, those of three more on
// its loopback, and that of a target: it can be the end of every layer of a chain.
type TwoHosts struct {
	*Lab
	Sender, Receiver *Node

	SenderAddr netip.Addr
	Ends       []netip.Addr // of the layers, outermost first
	Target     netip.Addr
}

// twoHostsPool is what the receiver leases from, for all layers.
const twoHostsPool = "10.99.0.0/24"

// NewTwoHosts builds the two hosts in a lab.
func NewTwoHosts(ctx context.Context, l *Lab) (*TwoHosts, error) {
	n := &TwoHosts{Lab: l, SenderAddr: netip.MustParseAddr("192.0.2.100"), Target: netip.MustParseAddr("203.0.113.77")}
	for _, a := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1"} {
		n.Ends = append(n.Ends, netip.MustParseAddr(a))
	}
	var err error
	if n.Sender, err = l.AddNode("sender"); err != nil {
		return nil, err
	}
	if n.Receiver, err = l.AddNode("receiver"); err != nil {
		return nil, err
	}
	near := End{n.Sender, []netip.Prefix{netip.PrefixFrom(n.SenderAddr, 24)}}
	far := End{n.Receiver, []netip.Prefix{netip.PrefixFrom(n.Ends[0], 24)}}
	if err := l.Link(ctx, near, far); err != nil {
		return nil, err
	}
	var lines []string
	for _, a := range append(n.Ends[1:], n.Target) {
		lines = append(lines, fmt.Sprintf("addr add %v/32 dev lo", a))
	}
	if err := n.Receiver.IP(ctx, lines...); err != nil {
		return nil, err
	}
	return n, n.Sender.Route(ctx, n.Ends[0], netip.MustParsePrefix("0.0.0.0/0"))
}

// ReceiverConfig is warren at the receiver: the end of whatever the sender opens.
func (n *TwoHosts) ReceiverConfig() Config {
	return Config{
		Name: "bob", ID: ReceiverID, PSK: SecretOf("bob"), Metrics: "127.0.0.1:9466",
		Accept: []Accept{{Name: "peers", IDs: []string{"*.example"}, Pool: []string{twoHostsPool},
			Local: everything(), Modes: []string{"tunnel", "transport"}}},
	}
}

// SenderConfig is warren at the sender: one chain named web to the target through
// so many tunnels, all of which the receiver ends, with end-to-end transport mode
// in them if protect.
func (n *TwoHosts) SenderConfig(tunnels int, protect bool) Config {
	c := Config{Name: "alice", ID: SenderID, PSK: SecretOf("bob"), Tun: []string{"10.200.0.1/32"}, Default: "bypass",
		Metrics: "127.0.0.1:9466"}
	for k := range tunnels {
		c.Peers = append(c.Peers, Peer{Name: endName(k), Address: n.Ends[k].String(), ID: ReceiverID, VirtualIP: "true"})
	}
	c.Peers = append(c.Peers, Peer{Name: "bob", Address: n.Target.String(), ID: ReceiverID})
	web := TransportRule{Name: "web", Match: "dst: bob", Action: "plain", Start: "on-demand"}
	if protect {
		web.Action, web.Peer = "protect", "bob"
	}
	c.Transport = []TransportRule{web}
	to := "bob"
	for k := tunnels - 1; k >= 0; k-- {
		c.Tunnel = append(c.Tunnel, TunnelRule{"dst: " + to, endName(k)})
		to = endName(k)
	}
	return c
}

// endName is what the sender calls the k-th end of layers, counted from 0.
func endName(k int) string { return fmt.Sprintf("sg%d", k+1) }
