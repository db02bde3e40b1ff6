package ike

import (
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
	"warren/ike/trust"
	"warren/pki"
)

// TestSetAccept: sessions outlive the entry that they came by, new ones find
// another, and what is wrong changes nothing.
func TestSetAccept(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	other := acceptConfig(t)
	other.Name, other.IDs = "other", []string{"carol.example"}
	bad := acceptConfig(t)
	bad.LocalID = ID{}
	if err := p.r.e.SetAccept([]AcceptConfig{bad}, p.now); err == nil {
		t.Fatal("an entry without an id is taken")
	}
	if err := p.r.e.SetAccept([]AcceptConfig{other}, p.now); err != nil {
		t.Fatal(err)
	}
	p.rekeyChild(p.i)
	p.settle()
	p.rekeyIKE(p.r)
	p.settle()
	if s := p.r.theSession(); s.State != "up" || s.Rekeys != 1 {
		t.Errorf("the session of before is %+v", s)
	}
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if f, ok := last[SessionFailed](p.i); !ok || f.PeerReason != message.AuthenticationFailed.String() {
		t.Errorf("another one ends with %+v", f)
	}
	p.close()
}

// TestSetAcceptOfWaiting: a peer that waits for revocation lists comes in by the
// entries of then.
func TestSetAcceptOfWaiting(t *testing.T) {
	for ids, want := range map[string]bool{"alice.example": true, "carol.example": false} {
		c, a, _ := crlPair(t, trust.Soft, true)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		wanted, ok := last[CRLWanted](p.r)
		if !ok {
			t.Fatalf("it does not wait: %s", dump(p.r.events))
		}
		a.IDs = []string{ids}
		if err := p.r.e.SetAccept([]AcceptConfig{a}, p.now); err != nil {
			t.Fatal(err)
		}
		_ = wanted.Trust.Fetched(crlURL, nil, errors.New("404"), p.now)
		p.r.e.Resume(wanted.Session, p.now)
		p.settle()
		if up := count[SessionUp](p.r) == 1; up != want {
			t.Errorf("accepting %s it is up: %v", ids, up)
		}
	}
}

// TestSetAcceptEndsEAP: a user that proves himself by the entries of before does
// not come in, and may begin anew.
func TestSetAcceptEndsEAP(t *testing.T) {
	c, a := eapPair(t)
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	for p.flush(); len(p.wire) > 0 && (len(p.r.e.order) == 0 || p.r.e.order[0].eapServer == nil); p.flush() {
		p.deliver(0)
	}
	a.Users = func(string) ([]byte, bool) { return nil, false }
	if err := p.r.e.SetAccept([]AcceptConfig{a}, p.now); err != nil || len(p.r.e.order) != 0 {
		t.Errorf("%v, %d sessions are left", err, len(p.r.e.order))
	}
	p.settle()
	if count[SessionUp](p.r) != 0 {
		t.Error("he is in")
	}
}

// TestRecheck judges certificates by other stores, the responder's view and the
// initiator's.
func TestRecheck(t *testing.T) {
	pk := thePKI()
	c, a := certPair(t, "ecdsa-p256", "ed25519")
	p := newPair(t, a)
	p.establish(c)
	serial := p.r.theSession().Certificate.SerialNumber
	list := func(serials ...*big.Int) trust.Options {
		l := must(trust.ParseCRL(must(pk.sub.CRL(pki.CRL{Revoked: serials, From: start.Add(-time.Hour), To: start.AddDate(1, 0, 0)}))))
		return trust.Options{CRLs: []*x509.RevocationList{l}}
	}
	tests := map[string]struct {
		store *trust.Store
		after time.Duration
		want  string
	}{
		"as before":     {store(t, trust.Options{}, pk.root), 0, ""},
		"others":        {store(t, list(big.NewInt(12345)), pk.root), 0, ""},
		"revoked":       {store(t, list(serial), pk.root), 0, "was revoked"},
		"another root":  {store(t, trust.Options{}, pk.other), 0, "unknown authority"},
		"none":          {nil, 0, "no certificate is trusted any more"},
		"strict":        {store(t, trust.Options{Revocation: trust.Strict}, pk.root), 0, "no current list"},
		"years later":   {store(t, trust.Options{}, pk.root), 5 * 365 * 24 * time.Hour, "expired"},
		"of a stranger": {store(t, trust.Options{Anchors: []*x509.Certificate{issue(pk.root, "ed25519", "x.example").Cert}}), 0, "unknown authority"},
	}
	for name, tt := range tests {
		err := p.r.e.Recheck(p.r.theSession().ID, tt.store, p.now.Add(tt.after))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if err := p.r.e.Recheck(999, nil, p.now); err == nil {
		t.Error("an unknown session is good")
	}
	p.close()

	p = newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	if err := p.r.e.Recheck(p.r.theSession().ID, nil, p.now); err != nil {
		t.Errorf("with pre-shared keys: %v", err)
	}
	p.close()
}
