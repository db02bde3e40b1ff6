package itest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warren/lab"
)

// The address plan of a part: the initiator has one address of each family, the
// responder two for each row, with a target behind them and a pool to lease from.
func interopInitiator(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8::1")
	}
	return netip.MustParseAddr("192.0.2.1")
}

func interopResponder(n int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(100 + n)})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)})
}

func interopTarget(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 0, byte(n)}) }
func interopPool(n int) string       { return fmt.Sprintf("10.99.%d.0/29", n) }

// onLink is an address with the prefix of the link between the two ends.
func onLink(a netip.Addr) netip.Prefix {
	if a.Is6() {
		return netip.PrefixFrom(a, 64)
	}
	return netip.PrefixFrom(a, 24)
}

// interopMoved is where the initiator moves to.
const interopMoved = "192.0.2.2"

// idOf is the identity of the initiator of a row, and gatewayOf that of its responder.
func idOf(name string) string      { return name + ".example" }
func gatewayOf(name string) string { return "gw-" + name + ".example" }

// A part of the matrix is its rows with one initiator and one strongSwan: two hosts
// with a daemon each.
type part struct {
	*lab.Lab
	from, to             *lab.Node
	initiator, responder end
	warren               warrenEnd
	charon               charonEnd
	rows                 []row
}

// newPart builds the hosts of a part and starts the daemons.
func newPart(ctx context.Context, t *testing.T, rows []row) *part {
	t.Helper()
	binary, err := warrenBinary()
	must(t, err)
	l, err := lab.New(lab.Options{Dir: scratch, Warren: binary, Mode: mode(t)})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range l.Processes() {
				t.Logf("last words of %s:\n%s", p.Name, p.Tail(60))
			}
		}
		must(t, l.Close())
		if left := l.Left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	p := &part{Lab: l, rows: rows}
	must(t, p.build(ctx))
	must(t, p.start(ctx))
	return p
}

// nameOf is the name of the connections, chains and entries of the n-th row,
// counted from 1.
func nameOf(n int) string { return fmt.Sprintf("row%d", n) }

func (p *part) build(ctx context.Context) (err error) {
	if p.from, err = p.AddNode("initiator"); err != nil {
		return err
	}
	if p.to, err = p.AddNode("responder"); err != nil {
		return err
	}
	near := lab.End{Node: p.from, Addrs: []netip.Prefix{onLink(interopInitiator(false)), onLink(interopInitiator(true))}}
	far := lab.End{Node: p.to}
	var targets []string
	for i := range p.rows {
		far.Addrs = append(far.Addrs, onLink(interopResponder(i+1, false)), onLink(interopResponder(i+1, true)))
		targets = append(targets, fmt.Sprintf("addr add %v/32 dev lo", interopTarget(i+1)))
	}
	if err := p.Link(ctx, near, far); err != nil {
		return err
	}
	if err := p.to.IP(ctx, targets...); err != nil {
		return err
	}
	return p.from.Route(ctx, interopResponder(1, false), netip.MustParsePrefix("0.0.0.0/0"))
}

// start runs warren at one end and strongSwan at the other, with what each row
// needs at either.
func (p *part) start(ctx context.Context) error {
	w := lab.Config{Name: "gw", Default: "bypass", Forwarding: true}
	// Each swanctl that waits holds a thread.
	s := lab.StrongSwan{Settings: []string{fmt.Sprintf("threads = %d", 16+3*rowsAtOnce)}}
	wn, sn := p.to, p.from
	if p.rows[0].initiator == byWarren {
		wn, sn = p.from, p.to
		w.Name, w.Forwarding, w.Tun = "alice", false, []string{"10.200.0.1/32"}
	}
	if p.rows[0].beside == asOld {
		s.Settings = append(s.Settings, "signature_authentication = no")
	}
	creds, err := newCredentials()
	if err != nil {
		return err
	}
	for i, r := range p.rows {
		initiator, responder, err := creds.of(r, nameOf(i+1))
		if err != nil {
			return err
		}
		if r.initiator == byWarren {
			r.warrenAsks(&w, i+1, initiator)
			s.Connections = append(s.Connections, r.charonAnswers(i+1, responder))
		} else {
			s.Connections = append(s.Connections, r.charonAsks(i+1, initiator))
			r.warrenAnswers(&w, i+1, responder)
		}
	}
	if p.warren.Warren, err = wn.StartWarren(ctx, w); err != nil {
		return err
	}
	if p.charon.Charon, err = sn.StartStrongSwan(ctx, s); err != nil {
		return err
	}
	p.initiator, p.responder = p.charon, p.warren
	if p.rows[0].initiator == byWarren {
		p.initiator, p.responder = p.warren, p.charon
	}
	return nil
}

// When warren rekeys SAs. The times are no multiples of each other: an IKE SA and
// its child SAs are not to be due at once, for one of them would be refused, and
// tried again too late.
const interopChild, interopIKE = 5 * time.Second, 8 * time.Second

func (r row) profile() *lab.Profile {
	p := &lab.Profile{IKE: []string{r.proposal()}, ESP: []string{r.espProposal()}, RekeyIKE: time.Hour, RekeyChild: time.Hour}
	if r.rekeys != byStrongSwan {
		p.RekeyIKE, p.RekeyChild = interopIKE, interopChild
	}
	return p
}

// ppk is required by both ends where there is one.
func (r row) ppk() *lab.PPK {
	if r.beside != asPPK {
		return nil
	}
	return labPPK(false)
}

// user is by which the initiator proves itself, nil if not by EAP.
func (r row) user(n int) *lab.EAP {
	switch r.auth {
	case byPassword:
		return &lab.EAP{User: idOf(nameOf(n)), Password: interopSecret}
	case byTLS:
		return &lab.EAP{User: idOf(nameOf(n))}
	}
	return nil
}

func (r row) warrenAsks(c *lab.Config, n int, id lab.Identity) {
	id.EAP = r.user(n)
	c.Identities = append(c.Identities, id)
	p := lab.Peer{Name: "to-" + nameOf(n), Address: interopResponder(n, r.beside == asIPv6).String(),
		ID: gatewayOf(nameOf(n)), Identity: id.Name, VirtualIP: "true", Profile: r.profile(), PPK: r.ppk()}
	if r.beside == asChildless {
		p.Childless = "force"
	}
	c.Peers = append(c.Peers, p)
	to := "dst: " + interopTarget(n).String()
	c.Transport = append(c.Transport, lab.TransportRule{Name: nameOf(n), Match: to, Action: "plain"})
	c.Tunnel = append(c.Tunnel, lab.TunnelRule{Match: to, Via: "to-" + nameOf(n)})
}

func (r row) warrenAnswers(c *lab.Config, n int, id lab.Identity) {
	c.Identities = append(c.Identities, id)
	c.Accept = append(c.Accept, lab.Accept{Name: nameOf(n), Identity: id.Name, IDs: []string{idOf(nameOf(n))}, Pool: []string{interopPool(n)},
		Local: []string{"0.0.0.0/0"}, Modes: []string{"tunnel"}, Profile: r.profile(), PPK: r.ppk(), User: r.user(n)})
}

func (r row) charon(n int, id lab.Identity) lab.CharonConfig {
	return lab.CharonConfig{Name: nameOf(n), LocalID: id.ID, PSK: id.PSK, Cert: id.Cert, Key: id.Key, CA: id.CA,
		IKE: r.proposal(), ESP: r.espProposal(), MOBIKE: r.beside == asMoving, Fragmentation: r.beside == asBig,
		PPK: r.ppk(), Childless: r.beside == asChildless, EAP: r.user(n)}
}

func (r row) charonAsks(n int, id lab.Identity) lab.CharonConfig {
	c, v6 := r.charon(n, id), r.beside == asIPv6
	c.RemoteID, c.Local, c.Remote = gatewayOf(nameOf(n)), interopInitiator(v6).String(), interopResponder(n, v6).String()
	if r.beside == asMoving {
		c.Local = "%any"
	}
	c.VirtIPs, c.RemoteTS = []string{"0.0.0.0"}, []string{interopTarget(n).String() + "/32"}
	return c
}

func (r row) charonAnswers(n int, id lab.Identity) lab.CharonConfig {
	c := r.charon(n, id)
	if r.auth == byPassword {
		c.CA = nil // it is for nobody
	}
	c.RemoteID, c.Local = idOf(nameOf(n)), interopResponder(n, r.beside == asIPv6).String()
	c.Pools, c.LocalTS = []string{interopPool(n)}, []string{interopTarget(n).String() + "/32"}
	return c
}
