package ike

import (
	"fmt"
	"strings"
	"time"

	"warren/esp"
	"warren/ike/message"
	"warren/policy"
)

// The stages at which a session or child fails, as in [Error] and
// [SessionFailed].
const (
	StageInit         = "IKE_SA_INIT"
	StageIntermediate = "IKE_INTERMEDIATE"
	StageAuth         = "IKE_AUTH"
	StageCreateChild  = "CREATE_CHILD_SA"
	StageFollowup     = "IKE_FOLLOWUP_KE"
)

// An Error says why a session or a child SA did not come to be.
type Error struct {
	Peer   string // name of the PeerConfig or AcceptConfig, or an address
	Stage  string
	Reason string
	Notify message.NotifyType // what the peer was told or said; 0 for none
}

func (e *Error) Error() string {
	if e.Notify == 0 {
		return fmt.Sprintf("ike: %s: %s: %s", e.Peer, e.Stage, e.Reason)
	}
	return fmt.Sprintf("ike: %s: %s: %v: %s", e.Peer, e.Stage, e.Notify, e.Reason)
}

// refusal is why a request is answered with an error notify.
type refusal struct {
	notify message.NotifyType
	child  esp.SPI // in the peer's words, where the notify is about one child SA
	data   []byte
	reason string
}

func refuse(n message.NotifyType, format string, args ...any) *refusal {
	return &refusal{notify: n, reason: fmt.Sprintf(format, args...)}
}

func (r *refusal) payload() message.Payload {
	n := &message.Notify{Kind: r.notify, Data: r.data}
	if r.child != 0 { // RFC 7296, Section 3.10.1
		n.Protocol, n.SPI = message.ProtoESP, spiBytes(r.child)
	}
	return n
}

// see points to a, after a reason.
func (a *AcceptConfig) see() string {
	if a.Where == "" {
		return ""
	}
	return fmt.Sprintf(" (see accept %s at %s)", a.Name, a.Where)
}

// notFound refuses the rekey of a child SA that there is not. What names none at
// all is not sent back.
func notFound(rekey *message.Notify) *refusal {
	no := refuse(message.ChildSANotFound, "no such child SA")
	if rekey.Protocol == message.ProtoESP {
		no.child = notifySPI(rekey)
	}
	return no
}

func tsText(ts []policy.Selector) string {
	if len(ts) == 0 {
		return "nothing"
	}
	parts := make([]string, len(ts))
	for i, s := range ts {
		parts[i] = s.String()
	}
	return strings.Join(parts, ", ")
}

func proposalText(ps []Proposal) string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.String()
	}
	return strings.Join(parts, ", ")
}

// noAnswer is the reason of a time-out.
func noAnswer(p Path, tries int, d time.Duration) string {
	return fmt.Sprintf("no answer from %v after %d tries in %v", p.Remote, tries, d.Round(100*time.Millisecond))
}
