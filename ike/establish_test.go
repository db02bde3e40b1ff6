package ike

import (
	"testing"

	"warren/esp"
	"warren/ike/crypt"
	"warren/packet"
	"warren/policy"
)

func parseIKE(s string) (Proposal, error) { return crypt.ParseIKE(s) }
func parseESP(s string) (Proposal, error) { return crypt.ParseESP(s) }

func TestEstablishAndDelete(t *testing.T) {
	for name, fromI := range map[string]bool{"initiator deletes": true, "responder deletes": false} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			id := p.establish(peerConfig(t))
			up, _ := last[ChildUp](p.i)
			if up.Child.Lease4.String() != "10.99.1.2" || up.Child.Encap != packet.EncapUDP || up.Child.Layer != 7 || up.Child.Path.Remote.Port() != 4500 {
				t.Errorf("initiator's child: %+v", up.Child)
			}
			if want := []policy.Selector{policy.AddrSelector(up.Child.Lease4)}; len(up.Child.LocalTS) != 1 || up.Child.LocalTS[0] != want[0] {
				t.Errorf("local selectors %v, want %v", up.Child.LocalTS, want)
			}
			n := p.i
			if !fromI {
				n, id = p.r, p.r.theSession().ID
			}
			if err := n.e.Delete(id, p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if count[SessionDown](p.i) != 1 || count[SessionDown](p.r) != 1 {
				t.Errorf("initiator %s responder %s", dump(p.i.events), dump(p.r.events))
			}
			p.empty()
		})
	}
}

var _ = esp.Tunnel
