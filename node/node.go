package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"warren/config"
	"warren/control"
	"warren/dataplane"
	"warren/esp"
	"warren/host"
	"warren/ike"
	"warren/ike/crypt"
	"warren/ike/trust"
	"warren/nest"
	"warren/sa"
	"warren/tun"
	"warren/underlay"
)

// Options tune a Node. The zero value is what a production node runs.
type Options struct {
	// Version is what `warren version` says of the daemon.
	Version string

	// Log gets lifecycle events, never a secret and never a line a packet. Nil
	// discards them.
	Log *slog.Logger

	// Load reads the configuration anew for Reload. Nil reads the same file.
	Load func() (*config.Config, error)

	// Ready is called once, when the node works.
	Ready func()
}

// A Node is a running warren daemon.
type Node struct {
	name    string
	opt     Options
	log     *slog.Logger
	started time.Time
	events  *control.EventLog
	calls   chan func(now time.Time)
	stopped chan struct{} // closed when the loop has ended

	reloading sync.Mutex

	handler *handler

	// Opened by start, closed in reverse.
	server *control.Server
	host   *host.Host
	dev    tun.Device
	net    underlay.Underlay
	plane  *dataplane.Dataplane
	undo   []func() error

	// Of the loop alone.
	cfg       *config.Config
	ike       *ike.Engine
	nest      *nest.Manager
	sad       *sa.SAD
	pools     []namedPool
	sessions  map[ike.SessionID]*session
	byLayer   map[sa.Layer]*session
	children  map[esp.SPI]*child
	routed    map[sa.Layer]*child // accepted, with the selectors that the kernel routes
	lastLayer sa.Layer
	hurry     bool                   // a pair of SAs with limits is new
	parting   bool                   // shutting down
	dismissed map[ike.SessionID]bool // see part
	waiters   []*waiter
	roams     roaming
	noted     []string                          // see watchOffloads
	stores    map[*config.Identity]*trust.Store // of those that trust certificates
	fetches   map[crlSource][]*crlWaiter
	fetcher   *fetcher
	certMarks map[certKey]certMark
	certsAt   time.Time // when watchCerts is due
	unsent    time.Time // when an error of sending was logged last
}

// New prepares a node; nothing is opened before Run.
func New(cfg *config.Config, opt Options) (*Node, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Load == nil {
		opt.Load = func() (*config.Config, error) { return config.Load(cfg.Path) }
	}
	if err := crypt.SelfTest(); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return &Node{
		name: cfg.Node, cfg: cfg, opt: opt, log: opt.Log,
		events:   control.NewEventLog(0),
		calls:    make(chan func(time.Time)),
		stopped:  make(chan struct{}),
		handler:  newHandler(),
		sad:      sa.NewSAD(nil),
		sessions: make(map[ike.SessionID]*session),
		byLayer:  make(map[sa.Layer]*session),
		children: make(map[esp.SPI]*child),
		routed:   make(map[sa.Layer]*child),
		stores:   make(map[*config.Identity]*trust.Store),
		fetches:  make(map[crlSource][]*crlWaiter),

		dismissed: make(map[ike.SessionID]bool),
		certMarks: make(map[certKey]certMark),
	}, nil
}

// Run opens everything, works until ctx ends, takes every chain down innermost
// first, and removes all that it has put into the system. It may be called once.
func (n *Node) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.start(); err != nil {
		return err
	}
	n.log.Info("node up", "node", n.cfg.Node, "tun", n.dev.Name(), "socket", n.cfg.Control.Socket, "workers", n.dev.Info().Queues)
	n.watchOffloads()
	n.knowCerts(n.started)
	if n.opt.Ready != nil {
		n.opt.Ready()
	}
	defer close(n.stopped)
	return n.loop(ctx)
}

// nextLayer gives a new identity to a node of the tree or an accepted session.
func (n *Node) nextLayer() sa.Layer {
	n.lastLayer++
	return n.lastLayer
}

// newEngine makes the IKE engine.
func (n *Node) newEngine() (*ike.Engine, error) {
	s, err := n.setUp(n.cfg)
	if err != nil {
		return nil, err
	}
	n.stores, n.pools = s.stores, s.pools
	return ike.New(ike.Options{
		MTU:      n.packetMTU,
		AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release, Accept: s.accept, Log: n.log,
		Retransmit:      retransmitOf(n.cfg),
		Addresses:       n.addresses(),
		CookieThreshold: n.cfg.Limits.CookieThreshold, MaxHalfOpen: n.cfg.Limits.HalfOpen, InitRate: n.cfg.Limits.InitRate,
		MaxDepth: n.cfg.Limits.Depth,
	})
}

// newManager makes the tree of tunnels.
func (n *Node) newManager() *nest.Manager {
	own4, own6 := n.own()
	return nest.NewManager(nest.Options{
		Resolver:  n.cfg.Resolver(),
		NextLayer: n.nextLayer,
		Source: func(remote netip.Addr) netip.Addr {
			a, _ := n.host.SourceFor(remote) // without one, establish says why
			return a
		},
		Own4: own4, Own6: own6,
		PathMTU: n.pathMTU(),
		Backoff: backoffOf(n.cfg),
	})
}

func retransmitOf(c *config.Config) ike.Retransmit {
	return ike.Retransmit{Tries: c.Retransmit.Tries, Base: c.Retransmit.Base, Factor: c.Retransmit.Factor}
}

func backoffOf(c *config.Config) nest.Backoff {
	return nest.Backoff{Min: c.Retry.Min, Max: c.Retry.Max, Jitter: rand.Float64}
}

// own is what applications send from: the TUN's addresses, or where it has none
// what the host itself uses towards the first peer.
func (n *Node) own() (v4, v6 netip.Addr) {
	for _, p := range n.cfg.Tun.Addresses {
		if p.Addr().Is4() && !v4.IsValid() {
			v4 = p.Addr()
		} else if p.Addr().Is6() && !v6.IsValid() {
			v6 = p.Addr()
		}
	}
	for _, p := range n.cfg.Peers {
		for _, a := range p.Addrs {
			src, err := n.host.SourceFor(a)
			switch {
			case err != nil:
			case src.Is4() && !v4.IsValid():
				v4 = src
			case src.Is6() && !v6.IsValid():
				v6 = src
			}
		}
	}
	return v4, v6
}

// packetMTU is the largest IP packet that goes by p: what the layer takes in that
// carries it, or what the kernel knows of the path; 0 where neither does.
func (n *Node) packetMTU(p ike.Path) int {
	if p.Via != sa.Network {
		if b := n.nest.View().Bundle(p.Via); b != nil {
			return int(b.MTU)
		}
		return 0
	}
	mtu, err := n.net.PathMTU(p.Local.Addr(), p.Remote.Addr())
	if err != nil {
		return 0
	}
	return mtu
}

// pathMTU is the smallest MTU of the links towards the peers. What lies beyond
// is learned from ICMP.
func (n *Node) pathMTU() nest.OuterMTU {
	mtu := nest.DefaultPathMTU
	for _, p := range n.cfg.Peers {
		for _, a := range p.Addrs {
			if m, err := n.host.LinkMTU(a); err == nil {
				mtu = min(mtu, nest.OuterMTU(m))
			}
		}
	}
	return mtu
}
