package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"warren/dataplane"
	"warren/esp"
	"warren/lab"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
	"warren/tun"
	"warren/underlay"
)

// A manyLab is a gateway with many clients, all behind one host, and a server
// that they talk to:
//
//	clients ── gateway ── server
//
// The gateway's dataplane runs in this process, with a TUN device and sockets in
// the gateway's namespace. Its SAs are made here, as IKE would: with one key, which
// spares who plays the clients the memory of many.
type manyLab struct {
	clients, gateway, server *lab.Node

	plane *dataplane.Dataplane
	sad   *sa.SAD
	one   side // all leases are one client's
	many  side // each has a client of its own
	nat   side // the same, behind one address

	sealer *esp.Sealer
	burst  esp.SealBurst
	turn   []int // clients in random order
	bytes  float64
}

// A side is what the gateway knows of clients: SAs and a view.
type side struct {
	view *nest.View
	spis []esp.SPI // of what clients send, by client
	seqs []uint32
}

const (
	manyPort  = 4500
	outerLink = "192.0.2.0/24"
	innerLink = "198.51.100.0/24"
	leases    = "10.0.0.0/8"
	homes     = "198.18.0.0/15" // of clients
)

func manySuite() esp.Suite { return esp.Suite{Cipher: esp.AES128GCM16, ESN: true} }

// at is the n-th address of a prefix.
func at(prefix string, n int) netip.Addr {
	b := netip.MustParsePrefix(prefix).Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
	return netip.AddrFrom4(b)
}

func gatewayAddr() netip.AddrPort { return netip.AddrPortFrom(at(outerLink, 1), manyPort) }

func serverAddr() netip.AddrPort { return netip.AddrPortFrom(at(innerLink, 2), blastPort) }

func lease(client int) netip.Addr { return at(leases, 1<<16+client) }

func home(client int) netip.Addr { return at(homes, 1+client) }

// newManyLab builds the hosts and starts the gateway.
func newManyLab(ctx context.Context, l *lab.Lab, clients int) (m *manyLab, err error) {
	m = &manyLab{turn: rand.New(rand.NewPCG(1, 1)).Perm(clients), sad: sa.NewSAD(nil)}
	for name, n := range map[string]**lab.Node{"clients": &m.clients, "gateway": &m.gateway, "server": &m.server} {
		if *n, err = l.AddNode(name); err != nil {
			return nil, err
		}
	}
	if err := m.link(ctx, l); err != nil {
		return nil, err
	}
	key := bytes.Repeat([]byte{9}, manySuite().KeyLen())
	if m.sealer, err = esp.NewSealer(manySuite(), key); err != nil {
		return nil, err
	}
	if err := m.admit(key, clients); err != nil {
		return nil, err
	}
	if err := m.start(); err != nil {
		return nil, err
	}
	return m, m.gateway.IP(ctx, "route add "+leases+" dev "+warrenDevice)
}

func (m *manyLab) link(ctx context.Context, l *lab.Lab) error {
	end := func(n *lab.Node, prefix string, i int) lab.End {
		return lab.End{Node: n, Addrs: []netip.Prefix{netip.PrefixFrom(at(prefix, i), netip.MustParsePrefix(prefix).Bits())}}
	}
	return errors.Join(
		l.Link(ctx, end(m.clients, outerLink, 2), end(m.gateway, outerLink, 1)),
		l.Link(ctx, end(m.gateway, innerLink, 1), end(m.server, innerLink, 2)),
		m.clients.IP(ctx, "route add local "+homes+" dev lo"),
		m.gateway.Route(ctx, at(outerLink, 2), netip.MustParsePrefix(homes)),
		m.server.Route(ctx, at(innerLink, 1), netip.MustParsePrefix(leases)),
		m.gateway.Forward(ctx))
}

// admit makes the SAs, and measures the memory that those of many clients take.
func (m *manyLab) admit(key []byte, clients int) (err error) {
	all := []policy.Selector{policy.PrefixSelector(netip.MustParsePrefix(leases))}
	if m.one, err = m.newSide(key, 1, func(int) (netip.Addr, []policy.Selector) { return home(0), all }); err != nil {
		return err
	}
	own := func(home func(i int) netip.Addr) func(i int) (netip.Addr, []policy.Selector) {
		return func(i int) (netip.Addr, []policy.Selector) {
			return home(i), []policy.Selector{policy.AddrSelector(lease(i))}
		}
	}
	before := heap()
	if m.many, err = m.newSide(key, clients, own(home)); err != nil {
		return err
	}
	m.bytes = float64(heap()-before) / float64(clients)
	m.nat, err = m.newSide(key, clients, own(func(int) netip.Addr { return home(0) }))
	return err
}

// newSide makes the SAs of clients, whose addresses and selectors client tells.
func (m *manyLab) newSide(key []byte, clients int, client func(i int) (netip.Addr, []policy.Selector)) (side, error) {
	s := side{seqs: make([]uint32, clients)}
	nests := nest.NewManager(nest.Options{Resolver: nest.NewResolver(policy.NewTables(nil, nil, policy.Discard), nil, 0)})
	layer := m.sad.Len() // those of the other sides are below
	for i := range clients {
		remote, selectors := client(i)
		spi, err := m.sad.Reserve()
		if err != nil {
			return s, err
		}
		p := sa.Params{
			SPI: spi, Suite: manySuite(), Key: key, Encap: packet.EncapUDP, Layer: sa.Layer(layer + i + 1), Born: time.Now(),
			Local: policy.Everything(), Remote: selectors,
		}
		in, inErr := sa.NewInbound(p)
		out, outErr := sa.NewOutbound(p)
		if err := errors.Join(inErr, outErr); err != nil {
			return s, err
		}
		if err := m.sad.Install(in); err != nil {
			return s, err
		}
		nests.Accept(nest.AcceptedChild{
			Layer: p.Layer, Peer: fmt.Sprint("client ", i), Encap: p.Encap, Suite: p.Suite, Local: gatewayAddr(), Remote: netip.AddrPortFrom(remote, manyPort),
			LocalTS: p.Local, RemoteTS: p.Remote, SPIIn: spi, SPIOut: spi, Out: out,
		})
		s.spis = append(s.spis, spi)
	}
	s.view = nests.View()
	return s, nil
}

// start runs the dataplane in the gateway.
func (m *manyLab) start() error {
	return m.gateway.Do(func() error {
		dev, err := tun.Open(tun.Options{Name: warrenDevice})
		if err != nil {
			return err
		}
		net, err := underlay.Open(underlay.Options{Addr: gatewayAddr().Addr()})
		if err != nil {
			return errors.Join(err, dev.Close())
		}
		m.plane, err = dataplane.New(dataplane.Options{Tun: dev, Underlay: net, SAD: m.sad, Handler: nobody{}})
		if err != nil {
			return errors.Join(err, dev.Close(), net.Close())
		}
		m.plane.Start()
		return nil
	})
}

// nobody is a Handler for a node without IKE.
type nobody struct{}

func (nobody) IKE(dataplane.Message)             {}
func (nobody) Need(packet.Flow, nest.Key)        {}
func (nobody) PathMTU(sa.Layer, netip.Addr, int) {}
