package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"warren/esp"
	"warren/ike"
	"warren/ike/crypt"
	"warren/sa"
)

// The ports of the target, and those of the crowd, which may be on the same host.
const (
	portIKE  = 500
	portNATT = 4500
	ownIKE   = 10500
	ownNATT  = 14500
)

// A Target is the responder that the crowd goes to.
type Target struct {
	Addr     netip.Addr
	ID       string // what it proves to be
	PSK      string
	IKE, ESP string // proposals
}

// peer is the n-th session.
func (t Target) peer(local netip.Addr, n int) (ike.PeerConfig, error) {
	c := ike.PeerConfig{
		Name: fmt.Sprintf("c%d", n), Layer: sa.Layer(n), PSK: []byte(t.PSK),
		Local: netip.AddrPortFrom(local, ownIKE), Remote: netip.AddrPortFrom(t.Addr, portIKE),
		LocalNATT: ownNATT, RemoteNATT: portNATT,
		Mode: esp.Tunnel, VirtualIP4: true,
	}
	ikeProposal, err1 := crypt.ParseIKE(t.IKE)
	espProposal, err2 := crypt.ParseESP(t.ESP)
	localID, err3 := ike.ParseID(c.Name + ".example")
	remoteID, err4 := ike.ParseID(t.ID)
	c.IKE, c.ESP, c.LocalID, c.RemoteID = []ike.Proposal{ikeProposal}, []ike.Proposal{espProposal}, localID, remoteID
	return c, errors.Join(err1, err2, err3, err4)
}

// newEngine makes an engine that hands out SPIs and forgets them.
func newEngine() (*ike.Engine, error) {
	const first = 0x10000
	last := esp.SPI(first)
	return ike.New(ike.Options{
		AllocSPI: func() (esp.SPI, error) { last++; return last, nil },
		FreeSPI:  func(esp.SPI) {},
	})
}

// Request is an IKE_SA_INIT request to the target, whose answer nobody waits for:
// each with an SPI and a nonce of its own.
func (t Target) Request(local netip.Addr) ([]byte, error) {
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	c, err := t.peer(local, 1)
	if err != nil {
		return nil, err
	}
	if _, err := e.Initiate(c, time.Now()); err != nil {
		return nil, err
	}
	return e.Take().Send[0].Data, nil
}
