package bench

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"warren/control"
	"warren/lab"
)

const (
	upWithin = 20 * time.Second
	ownAddr  = "10.200.0.1/32"
	senderID = "sender.example"

	chainName    = "web" // as lab calls it
	warrenDevice = "warren0"
)

// algorithms are those of all of warren's systems: the fastest that both ends of a
// tunnel may be expected to know.
func algorithms() *lab.Profile {
	return &lab.Profile{IKE: []string{"aes128gcm16-prfsha256-x25519"}, ESP: []string{"aes128gcm16-esn"}}
}

// startTunnels is warren with n tunnels, one inside the other, between two hosts:
// each of them does all layers in one pass. Without tunnels it is ESP in transport
// mode.
func startTunnels(ctx context.Context, l *lab.Lab, n int) (*path, error) {
	hosts, err := lab.NewTwoHosts(ctx, l)
	if err != nil {
		return nil, err
	}
	end, begin := hosts.ReceiverConfig(), hosts.SenderConfig(n, n == 0)
	begin.Transport[0].Start = "now"
	end.Profile, begin.Profile = algorithms(), algorithms()
	receiver, err := hosts.Receiver.StartWarren(ctx, end)
	if err != nil {
		return nil, err
	}
	sender, err := hosts.Sender.StartWarren(ctx, begin)
	if err != nil {
		return nil, err
	}
	p := &path{from: hosts.Sender, to: hosts.Receiver, target: hosts.Target, device: warrenDevice,
		daemons: []*lab.Process{sender.Process, receiver.Process}}
	return p, p.await(ctx, sender)
}

// startGateways is warren with n tunnels, each of which ends at a gateway of its own
// that forwards what is in it; the last one has the target.
func startGateways(ctx context.Context, l *lab.Lab, n int) (*path, error) {
	ln, err := newLine(ctx, l, n)
	if err != nil {
		return nil, err
	}
	p := &path{from: ln.sender, to: ln.last(), target: target(), device: warrenDevice}
	for k := 1; k <= n; k++ {
		gw, err := ln.startGateway(ctx, k)
		if err != nil {
			return nil, err
		}
		p.daemons = append(p.daemons, gw.Process)
	}
	sender, err := ln.sender.StartWarren(ctx, nested(n))
	if err != nil {
		return nil, err
	}
	p.daemons = append(p.daemons, sender.Process)
	return p, p.await(ctx, sender)
}

// pool is what the k-th gateway leases.
func pool(k int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, byte(k), 0}), 24)
}

func gatewayName(k int) string { return fmt.Sprintf("g%d", k) }

func peer(name string, addr netip.Addr, virtual string) lab.Peer {
	return lab.Peer{Name: name, Address: addr.String(), ID: name + ".example", PSK: lab.SecretOf(name), VirtualIP: virtual}
}

// startGateway runs the k-th gateway. Packets to what the one before it leases
// go back there.
func (ln *line) startGateway(ctx context.Context, k int) (*lab.Warren, error) {
	host, name := ln.hosts[k-1], gatewayName(k)
	if k > 1 {
		if err := host.Route(ctx, end(k, 1), pool(k-1)); err != nil {
			return nil, err
		}
	}
	return host.StartWarren(ctx, lab.Config{Name: name, ID: name + ".example", PSK: lab.SecretOf(name), Forwarding: true,
		Profile: algorithms(),
		Accept: []lab.Accept{{Name: "road", IDs: []string{senderID}, Pool: []string{pool(k).String()},
			Local: []string{"0.0.0.0/0"}, Modes: []string{"tunnel"}}}})
}

// nested is the sender's configuration for n tunnels.
func nested(n int) lab.Config {
	c := lab.Config{Name: "sender", ID: senderID, PSK: lab.SecretOf("sender"), Tun: []string{ownAddr}, Default: "bypass", Profile: algorithms()}
	to := fmt.Sprintf("dst: %v", target())
	c.Transport = []lab.TransportRule{{Name: chainName, Match: to, Action: "plain", Start: "now"}}
	for k := n; k >= 1; k-- {
		c.Peers = append(c.Peers, peer(gatewayName(k), end(k, 2), "true"))
		c.Tunnel = append(c.Tunnel, lab.TunnelRule{Match: to, Via: gatewayName(k)})
		to = "dst: " + gatewayName(k)
	}
	return c
}

// await waits until the chain is up and reads what it has become.
func (p *path) await(ctx context.Context, w *lab.Warren) error {
	if err := w.WaitChain(ctx, chainName, control.StateUp, upWithin); err != nil {
		return fmt.Errorf("%w\n%s", err, w.Tail(10))
	}
	c, err := w.Chain(ctx, chainName)
	if err != nil {
		return err
	}
	p.mtu = c.MTU
	if len(c.Layers) > 0 {
		p.suite = c.Layers[0].Suite
	}
	return nil
}
