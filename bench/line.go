package bench

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"warren/lab"
)

// A line is a sender and hosts behind one another, each joined to the one
// before by a veth pair of its own:
//
//	sender ── g1 ── g2 ── g3
//
// The last host has the target's address. The sender's default route goes to
// the first one; what is needed beyond that, the systems add.
type line struct {
	sender *lab.Node
	hosts  []*lab.Node
}

// target is the address at the end of every line.
func target() netip.Addr { return netip.MustParseAddr("198.51.100.1") }

const linkBits = 28

// end is the address of one side of the k-th link, counted from 1: side 1 is
// nearer to the sender, side 2 farther.
func end(k, side int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(16*k + side)})
}

// newLine builds a line with n hosts.
func newLine(ctx context.Context, l *lab.Lab, n int) (*line, error) {
	sender, err := l.AddNode("sender")
	if err != nil {
		return nil, err
	}
	ln := &line{sender: sender}
	before := sender
	for k := 1; k <= n; k++ {
		host, err := l.AddNode(fmt.Sprintf("g%d", k))
		if err != nil {
			return nil, err
		}
		near := lab.End{Node: before, Addrs: []netip.Prefix{netip.PrefixFrom(end(k, 1), linkBits)}}
		far := lab.End{Node: host, Addrs: []netip.Prefix{netip.PrefixFrom(end(k, 2), linkBits)}}
		if err := l.Link(ctx, near, far); err != nil {
			return nil, err
		}
		ln.hosts = append(ln.hosts, host)
		before = host
	}
	if err := before.IP(ctx, fmt.Sprintf("addr add %v/32 dev lo", target())); err != nil {
		return nil, err
	}
	return ln, sender.Route(ctx, end(1, 2), netip.MustParsePrefix("0.0.0.0/0"))
}

// last is the host with the target.
func (ln *line) last() *lab.Node { return ln.hosts[len(ln.hosts)-1] }

// numberOf reads a number of a device: "mtu", "statistics/tx_bytes".
func numberOf(ctx context.Context, n *lab.Node, device, what string) (int64, error) {
	out, err := n.Run(ctx, "cat", "/sys/class/net/"+device+"/"+what)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: %s of %s: %w", what, device, err)
	}
	return v, nil
}

// mtuFrom takes the MTU from the path's device.
func (p *path) mtuFrom(ctx context.Context) error {
	mtu, err := numberOf(ctx, p.from, p.device, "mtu")
	p.mtu = int(mtu)
	return err
}

func startVeth(ctx context.Context, l *lab.Lab, _ Tools) (*path, error) {
	ln, err := newLine(ctx, l, 1)
	if err != nil {
		return nil, err
	}
	p := &path{from: ln.sender, to: ln.last(), target: target(), device: lab.Device(ln.last())}
	return p, p.mtuFrom(ctx)
}
