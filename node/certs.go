package node

import (
	"crypto/x509"
	"fmt"
	"time"

	"warren/config"
	"warren/control"
	"warren/ike"
	"warren/ike/trust"
)

// Certificates implements control.Backend.
func (b *backend) Certificates() []control.Certificate {
	return ask(b.n, func() []control.Certificate { return b.n.certificates(time.Now(), false) })
}

// certificates lists what the configuration names, what was fetched, and what
// peers have shown; of that, which may be thousands, with ending only what is
// about to end.
func (n *Node) certificates(now time.Time, ending bool) []control.Certificate {
	out := []control.Certificate{}
	for _, id := range n.cfg.Identities {
		for _, f := range id.Files {
			out = append(out, fileCerts(id.Name, f, now)...)
		}
		if s := n.stores[id]; s != nil {
			out = append(out, fetchedLists(id.Name, s, now)...)
		}
	}
	depth := n.depths()
	for _, s := range n.ike.Sessions() {
		own := n.sessions[s.ID]
		if own != nil && s.Certificate != nil && (!ending || trust.TermOf(s.Certificate).Level(now) > 0) {
			c := n.peerCert(peerOf{s.Name, s.Remote, s.Initiator}, s.Certificate, now)
			c.Layer = depth[own.via] + 1
			out = append(out, c)
		}
	}
	return out
}

// fileCerts is what is in a file of an identity.
func fileCerts(identity string, f config.CertFile, now time.Time) []control.Certificate {
	var out []control.Certificate
	for i, cert := range f.Certs {
		c := describeCert(cert, now)
		c.Kind, c.Identity, c.File = string(f.Kind), identity, f.Path
		if f.Kind == config.OwnFile && i > 0 {
			c.Kind = "issuer"
		}
		out = append(out, warned(c, trust.TermOf(cert), now))
	}
	if f.CRL != nil {
		l := trust.FetchedList{Term: trust.ListTerm(f.CRL), Issuer: trust.ListIssuer(f.CRL)}
		if f.CRL.Number != nil {
			l.Number = f.CRL.Number.String()
		}
		c := describeList(l, now)
		c.Identity, c.File = identity, f.Path
		out = append(out, warned(c, l.Term, now))
	}
	return out
}

// fetchedLists are without warnings: their successors are fetched when they are
// wanted.
func fetchedLists(identity string, s *trust.Store, now time.Time) []control.Certificate {
	var out []control.Certificate
	for _, l := range s.FetchedLists() {
		c := describeList(l, now)
		c.Identity, c.File = identity, l.URL
		out = append(out, c)
	}
	return out
}

// A peerOf is whose certificate it is.
type peerOf struct {
	name      string // of the peer, or of the accept entry
	id        ike.ID
	initiator bool // this node opened the session
}

func (n *Node) peerCert(p peerOf, cert *x509.Certificate, now time.Time) control.Certificate {
	c := describeCert(cert, now)
	c.Kind, c.Peer, c.PeerID, c.Accepted = "peer", p.name, p.id.String(), !p.initiator
	c.Identity = n.identityTo(p)
	return warned(c, trust.TermOf(cert), now)
}

// identityTo names who this node is to a peer.
func (n *Node) identityTo(p peerOf) string {
	if peer := n.cfg.Peer(p.name); p.initiator && peer != nil {
		return peer.Identity.Name
	}
	if a := n.cfg.Entry(p.name); !p.initiator && a != nil {
		return a.Identity.Name
	}
	return ""
}

func describeCert(c *x509.Certificate, now time.Time) control.Certificate {
	return control.Certificate{
		Subject: trust.Subject(c), Issuer: trust.Issuer(c), SANs: trust.AltNames(c), Serial: fmt.Sprintf("%x", c.SerialNumber),
		Key: trust.KeyKind(c), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		DaysLeft: trust.TermOf(c).DaysLeft(now), SecondsLeft: c.NotAfter.Sub(now).Seconds(),
	}
}

func describeList(l trust.FetchedList, now time.Time) control.Certificate {
	return control.Certificate{
		Kind: string(config.CRLFile), Issuer: l.Issuer, SANs: []string{}, Serial: l.Number, NotBefore: l.From.UTC(), NotAfter: l.Until.UTC(),
		DaysLeft: l.DaysLeft(now), SecondsLeft: l.Until.Sub(now).Seconds(),
	}
}

// warned is c with a warning, where it is about to end.
func warned(c control.Certificate, term trust.Term, now time.Time) control.Certificate {
	if term.Level(now) == 0 {
		return c
	}
	what := map[string]string{"own": "certificate of identity " + c.Identity, "issuer": "issuer of the certificate of identity " + c.Identity,
		"ca": "authority of identity " + c.Identity, "crl": "revocation list of identity " + c.Identity, "peer": "certificate of peer " + c.Peer}[c.Kind]
	if c.Accepted {
		what = "certificate of " + c.PeerID
	}
	who := c.Subject
	if c.Kind == "crl" {
		who = c.Issuer
	}
	c.Warning = fmt.Sprintf("%s %s: %s", what, term.Left(now), who)
	if c.File != "" {
		c.Warning += ", " + c.File
	}
	return c
}

// certWarnings are the warnings for the status.
func (n *Node) certWarnings(now time.Time) []string {
	out := []string{}
	for _, c := range n.certificates(now, true) {
		if c.Warning != "" {
			out = append(out, c.Warning)
		}
	}
	return out
}
