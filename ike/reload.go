package ike

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/message"
	"warren/ike/trust"
)

// SetAccept puts other entries in the place of Options.Accept. Sessions that are
// up keep the entry that they came by; a peer that waits for revocation lists is
// judged by the new ones. EAP under way ends without a word: its peer begins anew.
func (e *Engine) SetAccept(list []AcceptConfig, now time.Time) error {
	list, err := checkAccept(list)
	if err != nil {
		return err
	}
	e.opt.Accept = list
	for _, s := range slices.Clone(e.order) {
		if s.state == sessionHalfOpen && s.eapServer != nil {
			e.end(s, ending{silent: true}, now)
		}
	}
	return nil
}

// checkAccept is list as the engine keeps it, or what is wrong with it.
func checkAccept(list []AcceptConfig) ([]AcceptConfig, error) {
	list = slices.Clone(list)
	for i := range list {
		a := &list[i]
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("ike: accept %q: %w", a.Name, err)
		}
		a.LocalID = exactID(a.LocalID, a.Cert)
	}
	return list, nil
}

// SetRetransmit changes how often requests are repeated from now on.
func (e *Engine) SetRetransmit(r Retransmit) { e.opt.Retransmit = r.withDefaults(defaultRetransmit()) }

// Recheck judges the certificate that a session's peer has shown as if that came
// now, by store, which is nil where none is trusted. It is nil if the peer has
// shown none. Revocation lists that are not there are asked for with CRLWanted,
// and not waited for.
func (e *Engine) Recheck(id SessionID, store *trust.Store, now time.Time) error {
	s, err := e.session(id)
	switch {
	case err != nil:
		return err
	case s.proofs.cert == nil:
		return nil
	case store == nil:
		return errors.New("no certificate is trusted any more")
	}
	peer, err := store.Verify(s.proofs.sent, &message.ID{IDType: s.remoteID.Type, Data: []byte(s.remoteID.Data)}, now)
	if err != nil {
		return err
	}
	wants, err := store.Check(peer, now)
	if urls := append(wants.Now, wants.Later...); len(urls) > 0 {
		e.emit(CRLWanted{Session: id, Trust: store, URLs: urls})
	}
	return err
}
