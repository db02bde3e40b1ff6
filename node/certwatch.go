package node

import (
	"strings"
	"time"

	"warren/control"
	"warren/ike/trust"
)

// certsEvery is how often the node looks whether a certificate is about to end.
const certsEvery = time.Hour

// A certKey tells apart what people are warned of.
type certKey string

func keyOf(c control.Certificate) certKey {
	return certKey(strings.Join([]string{c.Kind, c.Identity, c.Peer, c.PeerID, c.Issuer, c.Serial}, "\x00"))
}

// A certMark is the warning that people have had.
type certMark struct {
	level int
	until time.Time
}

// knowCerts takes note of what loading the configuration has warned of.
func (n *Node) knowCerts(now time.Time) {
	for _, c := range n.certificates(now, true) {
		n.markCert(c, now)
	}
	n.certsAt = now.Add(certsEvery)
}

// watchCerts logs what is about to end, once per threshold.
func (n *Node) watchCerts(now time.Time) {
	if now.Before(n.certsAt) {
		return
	}
	n.certsAt = now.Add(certsEvery)
	seen := make(map[certKey]bool)
	for _, c := range n.certificates(now, true) {
		seen[keyOf(c)] = true
		n.warnOfCert(c, now)
	}
	for key, m := range n.certMarks {
		if !seen[key] && now.After(m.until) { // until then its peer may come again
			delete(n.certMarks, key)
		}
	}
}

// warnOfCert logs the warning about c, unless it has for the same threshold.
func (n *Node) warnOfCert(c control.Certificate, now time.Time) {
	if n.markCert(c, now) {
		n.log.Warn(c.Warning, "serial", c.Serial, "until", c.NotAfter.Format(time.RFC3339))
	}
}

// markCert takes note of the warning about c, and reports whether it is news.
func (n *Node) markCert(c control.Certificate, now time.Time) bool {
	if c.Warning == "" {
		return false
	}
	level := trust.Term{From: c.NotBefore, Until: c.NotAfter}.Level(now)
	news := level > n.certMarks[keyOf(c)].level
	n.certMarks[keyOf(c)] = certMark{level, c.NotAfter}
	return news
}
