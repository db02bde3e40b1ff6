package node

import (
	"fmt"
	"time"

	"warren/control"
	"warren/ike"
	"warren/ike/trust"
)

// IKE implements control.Backend.
func (b *backend) IKE() []control.IKE {
	return ask(b.n, func() []control.IKE {
		now, depth := time.Now(), b.n.depths()
		out := []control.IKE{}
		for _, s := range b.n.ike.Sessions() {
			e := describeIKE(s, now)
			if own := b.n.sessions[s.ID]; own != nil {
				e.Layer = depth[own.via] + 1
			}
			out = append(out, e)
		}
		return out
	})
}

// describeIKE is s as if it were of the first layer.
func describeIKE(s ike.SessionInfo, now time.Time) control.IKE {
	e := control.IKE{
		Peer: s.Name, Layer: 1, Role: "responder", State: s.State,
		Local: s.Path.Local.String(), Remote: s.Path.Remote.String(),
		LocalID: s.Local.String(), RemoteID: s.Remote.String(),
		LocalProof: s.OwnProof, RemoteProof: s.PeerProof,
		SPIInitiator: hex64(s.SPIi), SPIResponder: hex64(s.SPIr),
		Proposal: s.Suite, NAT: s.NATT, MOBIKE: s.MOBIKE, PPK: s.PPK, Resumed: s.Resumed, Fragments: s.Fragments,
		Rekeys: uint64(s.Rekeys), Reauths: uint64(s.Reauths),
		RekeySeconds: until(s.RekeyAt, now), ReauthSeconds: until(s.ReauthAt, now),
		Children: len(s.Children), ChildSAs: []control.ChildSA{},
	}
	if s.Initiator {
		e.Role = "initiator"
	}
	if s.Certificate != nil {
		e.RemoteSubject = trust.Subject(s.Certificate)
	}
	if !s.Established.IsZero() {
		e.AgeSeconds = now.Sub(s.Established).Seconds()
	}
	for _, c := range s.Children {
		e.ChildSAs = append(e.ChildSAs, control.ChildSA{
			SPIIn: spi(c.SPIIn), SPIOut: spi(c.SPIOut), Mode: c.Mode.String(), State: c.State, Rekeys: uint64(c.Rekeys),
		})
	}
	return e
}

// until is the seconds to at, none where that is past or never.
func until(at, now time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(now).Seconds(), 0)
}

// hex64 is an IKE SPI with all its digits.
func hex64(v uint64) string { return fmt.Sprintf("0x%016x", v) }
