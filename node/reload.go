package node

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"time"

	"warren/config"
	"warren/control"
	"warren/ike"
	"warren/nest"
)

// Reload reads the configuration anew and goes by it. Chains and sessions that
// would be the same stay as they are. If something is wrong, nothing changes.
func (n *Node) Reload() (control.Reloaded, error) {
	out, err := n.tryReload()
	if err != nil {
		n.log.Error("not reloaded, nothing has changed", "err", err)
		return control.Reloaded{}, err
	}
	n.log.Info("reloaded", "kept", len(out.Kept), "again", out.Again, "gone", out.Gone, "new", out.New, "ended", out.Ended)
	for _, w := range out.Warnings {
		n.log.Warn(w)
	}
	n.events.Publish(control.Event{Kind: control.EventReload, Reason: out.String()})
	return out, nil
}

// Reload implements control.Backend.
func (b *backend) Reload() (control.Reloaded, error) { return b.n.Reload() }

// tryReload reads files and makes keys ready outside of the loop, which goes on
// meanwhile. One reload is under way at a time.
func (n *Node) tryReload() (out control.Reloaded, err error) {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	cfg, err := n.opt.Load()
	if err != nil {
		return out, err
	}
	if stopped := n.do(func(now time.Time) { out, err = n.reload(cfg, now) }); stopped != nil {
		return out, stopped
	}
	for _, w := range cfg.Warnings {
		out.Warnings = append(out.Warnings, w.OneLine())
	}
	return out, err
}

// reload goes by cfg from now on, in full or not at all.
func (n *Node) reload(cfg *config.Config, now time.Time) (control.Reloaded, error) {
	if n.parting {
		return control.Reloaded{}, errStopped
	}
	if keys := needsRestart(n.cfg, cfg); keys != "" {
		return control.Reloaded{}, fmt.Errorf("node: %s: the new %s takes a restart; put it back to reload the rest", cfg.Path, keys)
	}
	next, err := n.setUp(cfg)
	if err != nil {
		return control.Reloaded{}, err
	}
	// The kernel first: what is to be protected from now on goes to the TUN, where
	// it is refused until the tree knows of it, and held until its chain is up.
	if err := n.host.SetPolicy(policyRules(cfg.Transport)); err != nil {
		return control.Reloaded{}, err
	}
	if err := n.ike.SetAccept(next.accept, now); err != nil {
		return control.Reloaded{}, errors.Join(err, n.host.SetPolicy(policyRules(n.cfg.Transport)))
	}
	old := n.cfg
	n.cfg, n.stores, n.pools = cfg, next.stores, next.pools
	n.ike.SetRetransmit(retransmitOf(cfg))
	changed := n.changedPeers(old, now)
	chains := n.nest.Reload(nest.Change{
		Resolver: cfg.Resolver(), PathMTU: n.pathMTU(), Backoff: backoffOf(cfg),
		Changed: func(peer string) bool { return changed[peer] },
	}, now)
	ended := n.endChanged(old, now)
	n.knowCerts(now)
	return control.Reloaded{Kept: chains.Kept, Again: chains.Again, Gone: chains.Gone, New: chains.New, Ended: ended}, nil
}

// changedPeers names those that sessions are to be made anew with: their part of
// the configuration is another one, or their certificate is not good any more.
func (n *Node) changedPeers(old *config.Config, now time.Time) map[string]bool {
	changed := make(map[string]bool)
	for _, p := range old.Peers {
		changed[p.Name] = !samePeer(p, n.cfg.Peer(p.Name))
	}
	for _, s := range n.ike.Sessions() {
		was, p := old.Peer(s.Name), n.cfg.Peer(s.Name)
		if !s.Initiator || was == nil || p == nil || changed[p.Name] || sameTrust(was.Identity, p.Identity) {
			continue
		}
		err := n.ike.Recheck(s.ID, n.stores[p.Identity], now)
		if err == nil && s.State == "connecting" {
			err = errors.New("it is about to be judged by what was trusted before")
		}
		if err != nil {
			n.log.Warn("peer is to prove itself anew", "peer", p.Name, "id", s.Remote.String(), "err", err)
			changed[p.Name] = true
		}
	}
	return changed
}

// endChanged ends the sessions that peers have opened and would not be let in
// with now, or not in the same way, and names their peers.
func (n *Node) endChanged(old *config.Config, now time.Time) (ended []string) {
	var ids []ike.SessionID
	for _, info := range n.ike.Sessions() {
		s := n.sessions[info.ID]
		if info.Initiator || s == nil || s.leaving {
			continue
		}
		if err := n.stillAccepted(info, old, now); err != nil {
			n.log.Info("session ends", "peer", info.Remote.String(), "entry", info.Name, "reason", err)
			ended, ids = append(ended, info.Remote.String()), append(ids, info.ID)
		}
	}
	n.dismiss(ids, now)
	return ended
}

// stillAccepted says why a session that a peer has opened would not be the same
// now, nil if it would.
func (n *Node) stillAccepted(s ike.SessionInfo, old *config.Config, now time.Time) error {
	was, is := old.Entry(s.Name), n.cfg.Entry(s.Name)
	switch {
	case is == nil:
		return errors.New("there is no such entry any more")
	case was == nil || !sameAccept(was, is):
		return errors.New("the entry has changed")
	}
	id := s.Remote.String()
	before, _ := secretOf(was, id)
	after, known := secretOf(is, id)
	_, user := was.Users[id]
	switch {
	case !user && was.Users != nil && s.Certificate == nil && !reflect.DeepEqual(was.Users, is.Users): // its name is written in another way
		return errors.New("users have changed")
	case len(before) > 0 && !known:
		return errors.New("its secret was deleted")
	case !bytes.Equal(before, after):
		return errors.New("its secret has changed")
	case s.PPK && !reflect.DeepEqual(was.PPKs, is.PPKs): // which one it uses is not kept
		return errors.New("post-quantum pre-shared keys have changed")
	case sameTrust(was.Identity, is.Identity):
		return nil
	}
	return n.ike.Recheck(s.ID, n.stores[is.Identity], now)
}

// secretOf is what a peer must know that comes in by an entry.
func secretOf(a *config.Accept, id string) (config.Secret, bool) {
	if password, ok := a.Users[id]; ok {
		return password, true
	}
	return a.Secret(id)
}
