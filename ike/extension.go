package ike

import (
	"slices"

	"warren/ike/message"
)

// support is which extensions of IKEv2 both ends said to know in IKE_SA_INIT.
type support struct {
	fragments    bool // RFC 7383
	intermediate bool // RFC 9242
	ppk          bool // RFC 8784
	childless    bool // RFC 6023: the responder says so
}

// supportOf reads what the peer said.
func supportOf(ps []message.Payload) support {
	return support{
		fragments:    message.GetNotify(ps, message.FragmentationSupported) != nil,
		intermediate: message.GetNotify(ps, message.IntermediateSupported) != nil,
		ppk:          message.GetNotify(ps, message.UsePPK) != nil,
		childless:    message.GetNotify(ps, message.ChildlessIKEv2Supported) != nil,
	}
}

// notifies say the same to the peer.
func (x support) notifies() []message.Payload {
	var ps []message.Payload
	if x.fragments {
		ps = append(ps, &message.Notify{Kind: message.FragmentationSupported})
	}
	if x.intermediate {
		ps = append(ps, &message.Notify{Kind: message.IntermediateSupported})
	}
	if x.ppk {
		ps = append(ps, &message.Notify{Kind: message.UsePPK})
	}
	if x.childless {
		ps = append(ps, &message.Notify{Kind: message.ChildlessIKEv2Supported})
	}
	return ps
}

// offers is what this node says to know as initiator.
func (s *session) offers() support {
	return support{fragments: true, intermediate: slices.ContainsFunc(s.ike, Proposal.HasAddKE), ppk: s.auth.ppk.given()}
}
