package ike

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// followup is what remains of a CREATE_CHILD_SA of this node when additional key
// exchanges were agreed on: as many IKE_FOLLOWUP_KE (RFC 9370, Section 2.2.4).
// Until they are over nothing has been made.
type followup struct {
	more    []message.DHGroup // those that have not taken place yet
	link    []byte            // by which the peer knows what they belong to
	ke      crypt.KeyExchange // of the one under way
	secrets []crypt.Secret    // of those that are over
}

// begin takes the answer to CREATE_CHILD_SA, which chose c.
func (f *followup) begin(c crypt.Choice, ps []message.Payload) error {
	f.more = c.More()
	return f.readLink(ps)
}

// active reports whether IKE_FOLLOWUP_KE is next, or under way.
func (f *followup) active() bool { return len(f.more) > 0 }

var errNoLink = errors.New("the answer does not say how to go on with the additional key exchanges")

func (f *followup) readLink(ps []message.Payload) error {
	n := message.GetNotify(ps, message.AdditionalKeyExchange)
	if n == nil || len(n.Data) == 0 {
		return errNoLink
	}
	f.link = slices.Clone(n.Data)
	return nil
}

// request is the next IKE_FOLLOWUP_KE.
func (f *followup) request(e *Engine) (*request, error) {
	var err error
	if f.ke, err = crypt.NewKeyExchange(f.more[0], e.opt.Rand); err != nil {
		return nil, err
	}
	return &request{kind: message.IKEFollowupKE, payloads: []message.Payload{
		&message.KE{Group: f.ke.Group(), Data: f.ke.Public()},
		&message.Notify{Kind: message.AdditionalKeyExchange, Data: f.link},
	}}, nil
}

// finish takes the answer to it. The caller has seen to error notifies.
func (f *followup) finish(ps []message.Payload) error {
	ke, ok := message.Get[*message.KE](ps)
	if !ok || ke.Group != f.ke.Group() {
		return fmt.Errorf("the answer has no key exchange for %v", f.ke.Group())
	}
	shared, err := f.ke.Finish(ke.Data)
	if err != nil {
		return err
	}
	f.ke.Wipe()
	f.secrets, f.more = append(f.secrets, shared), f.more[1:]
	if !f.active() {
		return nil
	}
	return f.readLink(ps)
}

// wipe forgets the secrets, and that anything is to follow.
func (f *followup) wipe() {
	if f.ke != nil {
		f.ke.Wipe()
	}
	for _, s := range f.secrets {
		s.Wipe()
	}
	*f = followup{}
}

// maxStateLost is how often in a row a peer may have forgotten what belongs to
// its link (RFC 9370, Section 2.2.4).
const maxStateLost = 4

// refusedFollowup counts how often the peer did, and gives it up after some times.
func (e *Engine) refusedFollowup(s *session, n message.NotifyType, now time.Time) {
	if n != message.StateNotFound {
		return
	}
	if s.stateLost++; s.stateLost >= maxStateLost {
		e.closeSession(s, ending{reason: "the peer keeps forgetting key exchanges that have begun (STATE_NOT_FOUND)"}, now)
	}
}
