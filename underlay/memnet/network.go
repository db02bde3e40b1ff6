// Package memnet is a network in memory: nodes that are underlays, with hooks
// for loss, duplication, reordering, NAT and narrow paths, and the suite that
// they and the real sockets pass.
package memnet

import (
	"bytes"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"

	"warren/packet"
	"warren/underlay"
)

// A Datagram is what travels between nodes.
type Datagram struct {
	From, To netip.AddrPort // without ports: ESP, IP protocol 50
	TOS      uint8
	Data     []byte // with marker, where it needs one
}

// IPLen is the length of the IP packet that the datagram is in.
func (d *Datagram) IPLen() int {
	n := packet.IPv4HeaderLen
	if d.To.Addr().Is6() {
		n = packet.IPv6HeaderLen
	}
	if d.To.Port() != 0 {
		n += packet.UDPHeaderLen
	}
	return n + len(d.Data)
}

// A Network connects nodes. The hooks may be changed while nothing is sent.
type Network struct {
	// Hook sees every datagram and returns what arrives instead: nothing for
	// loss, more for duplication, others for reordering. Nil passes all. Calls
	// do not overlap.
	Hook func(d Datagram) []Datagram

	// MTU is the largest IP packet on the path; nil or 0 is 1500.
	MTU func(from, to netip.Addr) int

	mu    sync.Mutex
	nodes map[netip.Addr]*Node
}

// New returns a network without nodes.
func New() *Network { return &Network{nodes: make(map[netip.Addr]*Node)} }

const (
	portIKE  = 500
	portNATT = 4500
	queueLen = 8192

	minGap = packet.IPv6HeaderLen - 16 // what underlay.Reader promises
)

// Node adds a node with the given addresses and one queue.
func (n *Network) Node(addrs ...netip.Addr) *Node { return n.NodeQueues(1, addrs...) }

// NodeQueues adds a node with so many queues.
func (n *Network) NodeQueues(queues int, addrs ...netip.Addr) *Node {
	node := &Node{net: n, addrs: addrs, seed: maphash.MakeSeed(), closed: make(chan struct{})}
	for range queues {
		node.queues = append(node.queues, &queue{node, make(chan Datagram, queueLen)})
	}
	node.queue = node.queues[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range addrs {
		n.nodes[a] = node
	}
	return node
}

// Send puts a datagram on the network, as anybody there can.
func (n *Network) Send(d Datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d.Data = bytes.Clone(d.Data)
	list := []Datagram{d}
	if n.Hook != nil {
		list = n.Hook(d)
	}
	for _, d := range list {
		if node := n.nodes[d.To.Addr()]; node != nil {
			node.arrive(d)
		}
	}
}

func (n *Network) mtu(from, to netip.Addr) int {
	if n.MTU != nil {
		if mtu := n.MTU(from, to); mtu > 0 {
			return mtu
		}
	}
	return 1500
}

// A Node is the underlay of one node of the network.
type Node struct {
	*queue    // the first
	queues    []*queue
	net       *Network
	addrs     []netip.Addr
	seed      maphash.Seed
	closed    chan struct{}
	closeOnce sync.Once
}

// A queue is one queue of a node.
type queue struct {
	n  *Node
	in chan Datagram
}

var _ underlay.Underlay = (*Node)(nil)

// arrive queues a datagram for a port that is open; a full queue loses it. The
// first queue has all that is not on the NAT-T port, whose senders are divided.
func (n *Node) arrive(d Datagram) {
	q := n.queues[0]
	switch d.To.Port() {
	case portNATT:
		q = n.queues[maphash.Comparable(n.seed, d.From)%uint64(len(n.queues))]
	case 0, portIKE:
	default:
		return
	}
	select {
	case q.in <- d:
	default:
	}
}

// Queues is underlay.Underlay's.
func (n *Node) Queues() (list []underlay.Queue) {
	for _, q := range n.queues {
		list = append(list, q)
	}
	return list
}

// Readers is underlay.Queue's.
func (q *queue) Readers() []underlay.Reader { return []underlay.Reader{q} }

// ReadBatch is underlay.Reader's.
func (q *queue) ReadBatch(b packet.Batch) (int, error) {
	select { // closed wins over what is queued
	case <-q.n.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case d := <-q.in:
		fill(b[0], d)
	case <-q.n.closed:
		return 0, net.ErrClosed
	}
	i, _ := q.TryBatch(b[1:]) // closed is said the next time
	return 1 + i, nil
}

// TryBatch is underlay.Reader's.
func (q *queue) TryBatch(b packet.Batch) (i int, err error) {
	select {
	case <-q.n.closed:
		return 0, net.ErrClosed
	default:
	}
	for ; i < len(b) && len(q.in) > 0; i++ { // one reader, so len is a promise
		fill(b[i], <-q.in)
	}
	return i, nil
}

// FD is underlay.Reader's.
func (q *queue) FD() int { return -1 }

// fill lends the packet a datagram as real sockets do, with hardly any room.
func fill(p *packet.Packet, d Datagram) {
	gap := 0
	if d.To.Addr().Is6() || d.To.Port() == 0 {
		gap = minGap
	}
	b := append(make([]byte, gap), d.Data...)
	p.Lend(b[:len(b):len(b)], gap, len(b))
	p.Ends, p.TOS = &packet.Ends{Local: d.To, Remote: d.From}, d.TOS
	switch d.To.Port() {
	case 0:
		p.Kind = packet.KindESP
	case portIKE:
		p.Kind = packet.KindIKE
	default:
		p.Kind, p.Drop = underlay.Demux(p.Bytes())
		if p.Kind == packet.KindIKE {
			p.TrimFront(4)
		}
	}
}

// WriteBatch is underlay.Queue's.
func (q *queue) WriteBatch(b packet.Batch) (sent int, err error) {
	select {
	case <-q.n.closed:
		return 0, net.ErrClosed
	default:
	}
	for _, p := range b {
		if p.Drop != packet.Live {
			continue
		}
		if p.Drop = q.n.write(p); p.Drop == packet.Live {
			sent++
		}
	}
	return sent, nil
}

func (n *Node) write(p *packet.Packet) packet.Drop {
	d := Datagram{From: n.source(p), To: p.Remote(), TOS: p.TOS, Data: p.Bytes()}
	if p.Kind == packet.KindESP {
		d.From, d.To = netip.AddrPortFrom(d.From.Addr(), 0), netip.AddrPortFrom(d.To.Addr(), 0)
	}
	if p.Kind == packet.KindIKE && p.Local().Port() == portNATT {
		d.Data = append(make([]byte, 4), d.Data...)
	}
	switch {
	case !d.To.IsValid() || !d.From.IsValid() || d.From.Addr().Is4() != d.To.Addr().Is4():
		return packet.SendError
	case d.IPLen() > n.net.mtu(d.From.Addr(), d.To.Addr()):
		return packet.TooBig
	}
	n.net.Send(d)
	return packet.Live
}

// source is where p comes from: the node's address of the family, unless p says.
func (n *Node) source(p *packet.Packet) netip.AddrPort {
	port := uint16(portNATT)
	if p.Kind == packet.KindIKE && p.Local().Port() != portNATT {
		port = portIKE
	}
	a := p.Local().Addr()
	if a.IsValid() && !a.IsUnspecified() {
		return netip.AddrPortFrom(a, port)
	}
	for _, own := range n.addrs {
		if own.Is4() == p.Remote().Addr().Is4() {
			return netip.AddrPortFrom(own, port)
		}
	}
	return netip.AddrPort{}
}

// PathMTU is underlay.Underlay's.
func (n *Node) PathMTU(local, remote netip.Addr) (int, error) { return n.net.mtu(local, remote), nil }

// Info is underlay.Underlay's.
func (n *Node) Info() underlay.Info {
	return underlay.Info{IKE: portIKE, NATT: portNATT, IPv6: true, RawESP: true, Queues: len(n.queues), GSO: true, GRO: true}
}

// Close is underlay.Underlay's.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { close(n.closed) })
	return nil
}
