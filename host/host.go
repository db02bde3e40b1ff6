package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Defaults of Options.
const (
	DefaultTable    = 0x7761
	DefaultPriority = 5000
	DefaultMark     = 0x7761
)

// Span is how many rule priorities a node takes, from Options.Priority on.
const Span = 25000

// Options describe the node to its kernel.
type Options struct {
	Name     string       // of the node, for messages
	TUN      string       // interface; need not exist before it is used
	Mark     uint32       // SO_MARK of the node's own sockets; 0: DefaultMark
	Table    int          // routing table, and the one after it; 0: DefaultTable
	Priority int          // first rule priority; 0: DefaultPriority
	Journal  string       // state file, locked while the Host is open
	Log      *slog.Logger // nil: silent
}

func (o Options) filled() (Options, error) {
	if o.TUN == "" || o.Journal == "" {
		return o, errors.New("host: options name no TUN or no journal")
	}
	if o.Mark == 0 {
		o.Mark = DefaultMark
	}
	if o.Table == 0 {
		o.Table = DefaultTable
	}
	if o.Priority == 0 {
		o.Priority = DefaultPriority
	}
	if o.Priority < 1 || o.Priority+Span >= 32766 {
		return o, fmt.Errorf("host: rule priority %d is out of range: take 1 to %d, so that all rules come before the main table's",
			o.Priority, 32765-Span)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Host holds what one node has changed in the kernel of its network namespace:
// the one of the thread that called Open. Methods may be called from any
// goroutine.
type Host struct {
	opt Options
	log *slog.Logger

	mu       sync.Mutex
	ns       *namespace
	nl       *netlink.Handle
	rules    *ruleSocket
	nft      func() (*nftables.Conn, error)
	conn     *nftables.Conn // nil until it is needed
	journal  *journal
	families []int
	based    bool // the rules around the rule sets are there
	loose    bool // reverse-path filters are dealt with
	routed   bool // the TUN has its default routes
	index    int  // of the TUN when it was last looked for
	addrs    []netip.Prefix
	flows    map[PolicyRule]int
	routes   map[netip.Prefix]int
	closed   bool
	unwatch  func() // ends Watch; nil without one

	filtered   bool   // the journal names our nftables table
	unfiltered bool   // there is no nf_tables, and a warning says so
	unmirrored bool   // nor any for the output chain
	mirrored   string // the chain with the policy in force
}

// Open takes the journal, undoes what a dead predecessor left in it, and returns
// a Host that has changed nothing yet. While another process holds the journal,
// it fails. Where the predecessor had the same table, priority and mark, its
// rules stay until the first SetPolicy replaces them, so that protected traffic
// is refused in between and does not leave in clear.
func Open(opt Options) (*Host, error) {
	opt, err := opt.filled()
	if err != nil {
		return nil, err
	}
	j, old, err := openJournal(opt)
	if err != nil {
		return nil, err
	}
	h := &Host{opt: opt, log: opt.Log, journal: j, flows: map[PolicyRule]int{}, routes: map[netip.Prefix]int{}}
	h.nft = h.connectNFT
	if err := h.connect(); err != nil {
		h.disconnect()
		return nil, err
	}
	if err := h.succeed(old); err != nil {
		h.disconnect()
		return nil, err
	}
	return h, nil
}

// connect opens the sockets, in the calling thread's network namespace.
func (h *Host) connect() (err error) {
	if h.ns, err = currentNamespace(); err != nil {
		return err
	}
	if h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("host: open netlink: %w", err)
	}
	if h.rules, err = openRuleSocket(); err != nil {
		return err
	}
	h.families = []int{unix.AF_INET}
	if h.ns.exists("net/ipv6") {
		h.families = append(h.families, unix.AF_INET6)
	}
	return nil
}

func (h *Host) disconnect() {
	h.hangUp()
	if h.rules != nil {
		h.rules.close()
	}
	if h.nl != nil {
		h.nl.Close()
	}
	if h.ns != nil {
		h.ns.close()
	}
	h.journal.close()
}

// Close removes everything, in reverse order of its making, and the journal. If
// something resists, the journal stays for the next Open. A second Close does
// nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	if h.unwatch != nil {
		h.unwatch()
	}
	err := h.undo(h.journal.state)
	if err == nil {
		err = h.journal.remove()
	}
	h.disconnect()
	return err
}

var errClosed = errors.New("host: closed")
