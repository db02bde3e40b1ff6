package host

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// tablePrefix begins the name of every nftables table of ours.
const tablePrefix = "warren-"

// tableName names the node's one nftables table, in the inet family. Nodes that
// share a network namespace need names of their own.
func (o Options) tableName() string {
	name := o.Name
	if name == "" {
		name = o.TUN
	}
	return tablePrefix + name
}

func (o Options) table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: o.tableName()}
}

// A table is the node's nftables table, about to be changed in one transaction:
// all that is added takes effect at commit, or nothing does.
type table struct {
	*nftables.Conn
	t   *nftables.Table
	err error // what could not be said to the kernel
}

// keep keeps the first error.
func (t *table) keep(err error) { t.err = cmp.Or(t.err, err) }

// table begins a transaction that creates the table if it is not there.
func (h *Host) table() (*table, error) {
	c, err := h.nft()
	if err != nil {
		return nil, err
	}
	t := c.AddTable(h.opt.table())
	return &table{Conn: c, t: t}, nil
}

// connectNFT opens the socket for all transactions: to close one, the kernel waits
// until no processor can see any more what the last of them removed.
func (h *Host) connectNFT() (*nftables.Conn, error) {
	if h.conn != nil {
		return h.conn, nil
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(h.ns.f.Fd())), nftables.AsLasting())
	h.conn = c
	return c, err
}

// commit ends a transaction. Where it fails, answers may be left in the socket: the
// next one gets another.
func (h *Host) commit(t *table) error {
	err := t.err
	if err == nil {
		err = t.Flush()
	}
	if err != nil {
		h.hangUp()
	}
	return err
}

func (h *Host) hangUp() {
	if h.conn != nil {
		_ = h.conn.CloseLasting()
		h.conn = nil
	}
}

// chain adds an empty chain, or empties the one that is there.
func (t *table) chain(c *nftables.Chain) *nftables.Chain {
	c.Table = t.t
	t.AddChain(c)
	t.FlushChain(c)
	return c
}

// nftMissing reports whether err says that this kernel has no nf_tables, or not
// the parts that are needed, or that this process may not use it.
func nftMissing(err error) bool {
	return slices.ContainsFunc([]error{
		unix.EPERM, unix.EACCES, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP, unix.ENOENT, unix.EINVAL,
	}, func(e error) bool { return errors.Is(err, e) })
}

// evades says what is open where the output chain cannot be.
const evades = "IPv4 sockets bound to an interface can evade the policy on the link"

// withTable notes the table in the journal, then lets fill change it.
func (h *Host) withTable(fill func(*table)) error {
	if !h.filtered {
		if err := h.journal.note(change{NFTable: h.opt.tableName()}); err != nil {
			return err
		}
		h.filtered = true
	}
	t, err := h.table()
	if err == nil {
		fill(t)
		err = h.commit(t)
	}
	if err != nil {
		return fmt.Errorf("host: nftables table %s: %w", h.opt.tableName(), err)
	}
	return nil
}

// dropTable removes a table of ours; one that is gone is fine, and where there
// is no nf_tables there is no table.
func (h *Host) dropTable(name string) error {
	c, err := h.nft()
	if err == nil {
		t := &table{Conn: c, t: c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})}
		t.DelTable(t.t) // in one transaction, so that it is there to be removed
		err = h.commit(t)
	}
	if err != nil && !nftMissing(err) {
		return fmt.Errorf("host: remove nftables table %s: %w", name, err)
	}
	return nil
}

// nftLines is the part of a snapshot that lists tables, chains and their rules,
// without counters. Where nothing can be read there is nothing.
func (h *Host) nftLines() ([]string, error) {
	c, err := h.connectNFT()
	if err != nil {
		return nil, nil
	}
	defer h.hangUp()
	tables, err := c.ListTables()
	if err != nil {
		return nil, nil
	}
	var out []string
	for _, t := range tables {
		out = append(out, fmt.Sprintf("nftables table %d %s", t.Family, t.Name))
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("host: list nftables chains: %w", err)
	}
	for _, chain := range chains {
		line := fmt.Sprintf("nftables chain %d %s %s:", chain.Table.Family, chain.Table.Name, chain.Name)
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			line += " unreadable" // an expression of somebody else that the library does not know
		}
		for _, r := range rules {
			line += " " + describe(r)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out, nil
}

// describe names a rule by the kinds of its expressions: enough to see that one
// came or went.
func describe(r *nftables.Rule) string {
	var kinds []string
	for _, e := range r.Exprs {
		kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr."))
	}
	return "[" + strings.Join(kinds, " ") + "]"
}
