package itest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"warren/control"
	"warren/lab"
)

// An end is one of the two daemons of a part.
type end interface {
	up(ctx context.Context, name string) error
	down(ctx context.Context, name string) error

	// session is the one of a row, if there is exactly one that is up, with one
	// child SA.
	session(ctx context.Context, name string) (session, error)

	// remote is the address of the peer of the row's session.
	remote(ctx context.Context, name string) (string, error)
}

// A session is what an end says of one.
type session struct {
	ike           string // changes when the IKE SA is rekeyed
	in, out       string // SPIs of the child SA
	suite, child  string // of the IKE SA, and of the child SA, in strongSwan's words
	vip           netip.Addr
	none, settled bool // there is none; all is as it should be
}

type charonEnd struct{ *lab.Charon }

func (e charonEnd) up(ctx context.Context, name string) error   { return e.Initiate(ctx, name) }
func (e charonEnd) down(ctx context.Context, name string) error { return e.Terminate(ctx, name) }

func (e charonEnd) session(ctx context.Context, name string) (session, error) {
	sas, err := e.SAs(ctx, name)
	if err != nil || len(sas) == 0 {
		return session{none: true}, err
	}
	s := session{ike: sas[0].ID, suite: sas[0].Suite, vip: sas[0].VirtualIP}
	installed := 0
	for _, c := range sas[0].Children {
		if c.State == "INSTALLED" {
			installed++
			s.in, s.out, s.child = c.SPIIn, c.SPIOut, c.Suite
		}
	}
	s.settled = len(sas) == 1 && sas[0].State == "ESTABLISHED" && installed == 1
	return s, nil
}

type warrenEnd struct{ *lab.Warren }

func (e warrenEnd) up(ctx context.Context, name string) error { return e.Client().Up(ctx, name, nil) }
func (e warrenEnd) down(ctx context.Context, name string) error {
	return e.Client().Down(ctx, name, nil)
}

func (e warrenEnd) session(ctx context.Context, name string) (session, error) {
	st, err := e.Client().Status(ctx)
	if err != nil {
		return session{}, err
	}
	sas, err := e.Client().IKE(ctx)
	if err != nil {
		return session{}, err
	}
	s := session{none: true}
	count := 0
	for _, a := range st.Accepted {
		if a.Peer == idOf(name) {
			count++
			s = warrenSession(a.SPIIn, a.SPIOut, a.Suite, a.VirtualIP)
		}
	}
	for _, c := range st.Chains {
		if c.Name == name && c.State == control.StateUp && len(c.Layers) == 1 {
			count++
			s = warrenSession(c.Layers[0].SPIIn, c.Layers[0].SPIOut, c.Layers[0].Suite, c.Layers[0].VirtualIP)
		}
	}
	up := 0
	for _, i := range sas {
		if i.LocalID == idOf(name) || i.RemoteID == idOf(name) {
			up++
			s.ike, s.suite = i.SPIInitiator+i.SPIResponder, charonWords(i.Proposal)
		}
	}
	s.none = up == 0 && count == 0
	s.settled = up == 1 && count == 1
	return s, nil
}

func warrenSession(in, out, suite, vip string) session {
	s := session{in: strings.TrimPrefix(in, "0x"), out: strings.TrimPrefix(out, "0x"), child: charonWords(suite)}
	s.vip, _ = netip.ParseAddr(vip)
	return s
}

// same says in what the views of the two ends differ.
func (s session) same(o session) error {
	if !s.settled || !o.settled {
		return fmt.Errorf("the one has %+v, the other %+v", s, o)
	}
	if s.in != o.out || s.out != o.in || s.suite != o.suite || s.vip != o.vip {
		return fmt.Errorf("%+v here is %+v there", s, o)
	}
	return nil
}

func (e charonEnd) remote(ctx context.Context, name string) (string, error) {
	sas, err := e.SAs(ctx, name)
	if err != nil || len(sas) != 1 {
		return "", fmt.Errorf("%+v, %w", sas, err)
	}
	return sas[0].Remote, nil
}

func (e warrenEnd) remote(ctx context.Context, name string) (string, error) {
	st, err := e.Client().Status(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range st.Accepted {
		if a.Peer == idOf(name) {
			return a.Remote, nil
		}
	}
	return "", fmt.Errorf("no session of %s among %+v", name, st.Accepted)
}
