package ike

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/ike/message"
)

// maxGuesses is how many wrong passwords of one source are looked at in a second.
// The others are wrong whatever they are.
const maxGuesses = 8

// An authenticator is the side of EAP to which an initiator proves itself. It is an
// eap.Server; tests have others.
type authenticator interface {
	Next(message []byte) eap.Step
	User() string
	MSK() crypt.Secret
	Reason() error
	Close()
}

// An eapServing is EAP of a responder under way (RFC 7296, Section 2.16).
type eapServing struct {
	authenticator
	configs []*AcceptConfig   // that may know the user, best first
	config  *AcceptConfig     // the one that does
	idi     *message.ID       // what the initiator called itself
	asked   []message.Payload // its first IKE_AUTH
	passed  bool              // only AUTH is missing
}

// startEAP answers an IKE_AUTH without AUTH: this node proves itself first.
func (e *Engine) startEAP(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	s := sa.sess
	v := &eapServing{idi: message.GetID(ps, false), asked: ps}
	err := v.find(e, s, message.GetID(ps, true))
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	if !fits(ps, d.Path) {
		e.denyAuthWith(sa, d, message.UnexpectedNATDetected, "a NAT is in between, and the peer allows none", now)
		return
	}
	s.localID = v.configs[0].LocalID
	auth, err := v.configs[0].credentials(s.remoteID)
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	defer auth.wipe()
	resp, err := e.ownProof(s, auth, sa.keys)
	var first []byte
	if err == nil {
		v.authenticator, first, err = eap.NewServer(e.opt.Rand, v.users(e, s, now), v.mustAsk())
	}
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	s.eapServer = v
	s.halfBy = now.Add(e.opt.HalfOpenTime) // once more, for all of EAP
	e.respond(sa, d, message.IKEAuth, append(resp, &message.EAP{Data: first}))
}

// find lists the configurations under which the peer may come in by EAP: those that
// prove this node in the same way as the first.
func (v *eapServing) find(e *Engine, s *session, idr *message.ID) error {
	var foreign error
	for i := range e.opt.Accept {
		a := &e.opt.Accept[i]
		if a.Users == nil || !a.serves(s.path.Local.Addr()) {
			continue
		}
		if err := a.wants(s, idr); err != nil {
			foreign = cmp.Or(foreign, err)
			continue
		}
		if len(v.configs) == 0 || v.configs[0].LocalID.Equal(a.LocalID) {
			v.configs = append(v.configs, a)
		}
	}
	if len(v.configs) > 0 {
		return nil
	}
	return cmp.Or(foreign, errors.New("AUTH is missing, and nobody may come in by EAP at "+s.path.Local.Addr().String()))
}

// mustAsk reports whether the initiator is to be asked for its identity, which is
// not needed where IDi tells one (RFC 7296, Section 3.16): the name of one who may
// come in. Others insist: Windows calls itself by its address, and strongSwan proves
// its eap_id only to who has asked for it.
func (v *eapServing) mustAsk() bool {
	id := idOf(v.idi)
	named := v.idi.IDType == message.IDFQDN || v.idi.IDType == message.IDEmail
	return !named || !slices.ContainsFunc(v.configs, func(a *AcceptConfig) bool { return a.admits(id) })
}

// users finds the password of a user, and the configuration that has it. Who has
// guessed too often is nobody.
func (v *eapServing) users(e *Engine, s *session, now time.Time) eap.Users {
	return func(name string) ([]byte, bool) {
		id, err := ParseID(name)
		if err != nil || e.guesses.spent(source(s.path.Remote.Addr()), now) {
			return nil, false
		}
		for _, a := range v.configs {
			if !a.admits(id) {
				continue
			}
			if password, ok := a.Users(name); ok {
				v.config = a
				return password, true
			}
		}
		return nil, false
	}
}

// eapRequest answers a further IKE_AUTH.
func (e *Engine) eapRequest(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	s := sa.sess
	v := s.eapServer
	if v.passed {
		e.authAfterEAP(sa, d, ps, now)
		return
	}
	m, ok := message.Get[*message.EAP](ps)
	if !ok {
		e.denyAuth(sa, d, "it goes on without EAP, which is not over", now)
		return
	}
	step := v.Next(m.Data)
	say := func(now time.Time) {
		e.respond(sa, d, message.IKEAuth, []message.Payload{&message.EAP{Data: step.Message}})
	}
	switch {
	case step.Slow:
		e.guesses.take(source(d.Path.Remote.Addr()), now)
		s.pause(e.opt.GuessDelay, say, now)
		return
	case step.Err != nil:
		say(now)
		e.authFailed(sa, v.reason(step.Err), message.AuthenticationFailed, now)
		return
	}
	v.passed = step.Done
	say(now)
}

// reason words why a user is refused.
func (v *eapServing) reason(err error) string {
	if v.User() == "" {
		return "EAP: " + err.Error()
	}
	return fmt.Sprintf("EAP: user %.100s: %v", printable(v.User()), err)
}

// authAfterEAP checks that the initiator has the key that EAP has brought, and lets
// it in under its user name.
func (e *Engine) authAfterEAP(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	s := sa.sess
	v := s.eapServer
	proof, ok := message.Get[*message.Auth](ps)
	if !ok {
		e.denyAuth(sa, d, "AUTH is missing after EAP", now)
		return
	}
	auth := byEAP(eap.TypeMSCHAPv2, v.MSK(), PPK{})
	defer auth.wipe()
	err := v.config.verify(e, s, auth, ps, peerProof{id: v.idi, auth: proof, in: s.half.initiatorInput(v.idi)}, now)
	if err == nil {
		s.remoteID, err = ParseID(v.User())
	}
	if err != nil {
		e.denyAuth(sa, d, v.reason(err), now)
		return
	}
	e.letIn(sa, d, v.asked, v.config, auth, now)
}

// eapInformational is all that an initiator may say besides before it has proven
// itself: that it gives up, or nothing.
func (e *Engine) eapInformational(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	e.respond(sa, d, message.Informational, nil)
	_, ends := message.Get[*message.Delete](ps)
	if ends || message.GetNotify(ps, message.AuthenticationFailed) != nil {
		v := sa.sess.eapServer
		e.authFailed(sa, v.reason(cmp.Or(v.Reason(), errors.New("the peer gives up"))), message.AuthenticationFailed, now)
	}
}
