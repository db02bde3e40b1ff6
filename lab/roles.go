package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The lab's identities and secrets. A gateway's secret is its own, so that one
// can be made wrong without the others noticing.
const (
	SenderID   = "alice.example"
	ReceiverID = "bob.example"
)

// GatewayID is the identity of a gateway or its name's peer entry.
func GatewayID(name string) string { return name + ".example" }

// SecretOf is the secret that the node of this name shares with its clients.
// It is a lab: the secret is as public as this line.
func SecretOf(name string) string { return "lab secret of " + name }

// everything is both families.
func everything() []string { return []string{"0.0.0.0/0", "::/0"} }

// GatewayConfig is warren as a security gateway that leases addresses to any
// *.example and forwards what comes out of the tunnels.
func (n *Network) GatewayConfig(g Gateway) Config {
	return Config{
		Name: g.Name, ID: GatewayID(g.Name), PSK: SecretOf(g.Name), Forwarding: true, Metrics: "127.0.0.1:9466",
		Accept: []Accept{{Name: "road", IDs: []string{"*.example"}, Pool: []string{g.Pool.String(), g.Pool6.String()},
			Local: everything(), Modes: []string{"tunnel"}}},
	}
}

// CharonGateway is strongSwan in the same role.
func (n *Network) CharonGateway(g Gateway) CharonConfig {
	return CharonConfig{LocalID: GatewayID(g.Name), RemoteID: "%any", PSK: SecretOf(g.Name), Local: g.Addr.String(),
		Pools: []string{g.Pool.String(), g.Pool6.String()}, LocalTS: everything()}
}

// ReceiverConfig is warren at the receiver: transport associations only.
func (n *Network) ReceiverConfig() Config {
	return Config{
		Name: "bob", ID: ReceiverID, PSK: SecretOf("bob"), Metrics: "127.0.0.1:9466",
		Accept: []Accept{{Name: "peers", IDs: []string{"*.example"}, Local: []string{receiverNet, receiverNet6},
			Modes: []string{"transport"}}},
	}
}

// SenderConfig is warren at the sender: one chain named web to the receiver
// through the first gateways ones, outermost first, with end-to-end transport
// mode if protect, else with the packets as they are.
func (n *Network) SenderConfig(gateways int, protect bool) Config {
	c := n.senderBase()
	web := TransportRule{Name: "web", Match: "dst: bob", Action: "plain", Start: "on-demand"}
	if protect {
		web.Action, web.Peer = "protect", "bob"
	}
	c.Transport = []TransportRule{web}
	if gateways > 0 {
		c.Tunnel = append(c.Tunnel, TunnelRule{"dst: bob", n.Gateways[gateways-1].Name})
	}
	c.Tunnel = append(c.Tunnel, n.nesting(gateways)...)
	return c
}

// Door is the receiver's address that LadderConfig reaches through so many
// tunnels, 0 to 3; three lead to the receiver's usual address.
func (n *Network) Door(tunnels int) netip.Addr {
	if tunnels >= 3 {
		return n.ReceiverAddr
	}
	a := n.ReceiverAddr.As4()
	a[3] += byte(tunnels) + 1
	return netip.AddrFrom4(a)
}

// AddDoors gives the receiver the addresses of the shorter chains.
func (n *Network) AddDoors(ctx context.Context) error {
	for k := range 3 {
		line := fmt.Sprintf("addr add %v/26 dev %s", n.Door(k), Device(n.Gateways[2].Node))
		if err := n.Receiver.IP(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// LadderConfig is warren at the sender with one chain per depth: depth0,
// depth1 and depth2 to the receiver's other doors, and web to the usual one.
func (n *Network) LadderConfig() Config {
	c := n.SenderConfig(3, true)
	for k := range 3 {
		name := fmt.Sprintf("depth%d", k)
		door := Peer{Name: "bob" + strconv.Itoa(k), Address: n.Door(k).String(), ID: ReceiverID, PSK: SecretOf("bob")}
		c.Peers = append(c.Peers, door)
		c.Transport = append(c.Transport, TransportRule{Name: name, Match: "dst: " + door.Name, Action: "protect", Peer: door.Name})
		if k > 0 {
			c.Tunnel = append(c.Tunnel, TunnelRule{"dst: " + door.Name, n.Gateways[k-1].Name})
		}
	}
	return c
}

func (n *Network) senderBase() Config {
	c := Config{Name: "alice", ID: SenderID, Tun: []string{"10.200.0.1/32", "fd00:200::1/128"}, Default: "bypass",
		Metrics: "127.0.0.1:9466"}
	for _, g := range n.Gateways {
		c.Peers = append(c.Peers, Peer{Name: g.Name, Address: g.Addr.String(), ID: GatewayID(g.Name),
			PSK: SecretOf(g.Name), VirtualIP: "true"})
	}
	c.Peers = append(c.Peers, Peer{Name: "bob", Address: n.ReceiverAddr.String(), ID: ReceiverID, PSK: SecretOf("bob")})
	return c
}

// nesting is the rules that put each gateway behind the one before it.
func (n *Network) nesting(gateways int) []TunnelRule {
	var rules []TunnelRule
	for k := gateways - 1; k >= 1; k-- {
		rules = append(rules, TunnelRule{"dst: " + n.Gateways[k].Name, n.Gateways[k-1].Name})
	}
	return rules
}

// Peer finds a peer of the configuration, to change it.
func (c *Config) Peer(name string) *Peer {
	for i := range c.Peers {
		if strings.EqualFold(c.Peers[i].Name, name) {
			return &c.Peers[i]
		}
	}
	return nil
}
