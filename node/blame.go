package node

import (
	"errors"
	"fmt"

	"warren/ike"
	"warren/ike/message"
)

// A blamed error names the line of the configuration that it is about.
type blamed struct {
	error
	key, at string
}

func (b blamed) Error() string { return fmt.Sprintf("%v (see %s at %s)", b.error, b.key, b.at) }
func (b blamed) Unwrap() error { return b.error }

// blame finds the line of the configuration that decides about what went wrong
// with a peer.
func (n *Node) blame(err error) error {
	var e *ike.Error
	if !errors.As(err, &e) {
		return err
	}
	p := n.cfg.Peer(e.Peer)
	if p == nil {
		return err
	}
	var of any = p
	entry, key := "peers."+p.Name, blamedKey(e)
	if key == "ike" || key == "esp" {
		of, entry = p.Profile, "profiles."+p.Profile.Name
	}
	at := n.cfg.Where(of, key)
	if at == "" { // the built-in profile: the peer may name another one
		at, entry, key = n.cfg.Where(p, ""), "peers."+p.Name, "profile"
	}
	if key != "" {
		key = "." + key
	}
	return blamed{err, entry + key, at}
}

// blamedKey is the key of a peer, or of its profile, that an error is about;
// empty if it may be several.
func blamedKey(e *ike.Error) string {
	early := e.Stage == ike.StageInit || e.Stage == ike.StageIntermediate
	switch e.Notify {
	case message.NoProposalChosen, message.InvalidKEPayload:
		if early {
			return "ike"
		}
		return "esp"
	case message.TSUnacceptable:
		return "remote_ts"
	case message.InternalAddressFailure:
		return "virtual_ip"
	case 0:
		if early {
			return "address"
		}
	}
	return ""
}
