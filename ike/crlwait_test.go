package ike

import (
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"warren/ike/trust"
	"warren/pki"
)

const crlURL = "http://crl.example/root.crl"

// crlPair is certPair with a URL of a revocation list in one side's certificate,
// which the other checks.
func crlPair(t *testing.T, policy trust.Revocation, ofInitiator bool) (PeerConfig, AcceptConfig, *pki.Pair) {
	pk := thePKI()
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	url := func(t *pki.Template) { t.CRLURLs = []string{crlURL} }
	s := store(t, trust.Options{Revocation: policy}, pk.root)
	if ofInitiator {
		own := issue(pk.root, "ecdsa-p256", "alice.example", url)
		c.Cert, a.Trust = credential(t, own), s
		return c, a, own
	}
	own := issue(pk.root, "ecdsa-p256", "sg1.example", url)
	a.Cert, c.Trust = credential(t, own), s
	return c, a, own
}

// TestRevocation holds IKE_AUTH until the list is there, in either role.
func TestRevocation(t *testing.T) {
	pk := thePKI()
	list := func(serials ...*big.Int) []byte {
		return must(pk.root.CRL(pki.CRL{Revoked: serials, From: start.Add(-time.Hour), To: start.Add(time.Hour)}))
	}
	tests := map[string]struct {
		policy trust.Revocation
		answer func(own *x509.Certificate) ([]byte, error)
		want   string // the reason of the refusal
	}{
		"clean, soft":       {trust.Soft, func(*x509.Certificate) ([]byte, error) { return list(), nil }, ""},
		"clean, strict":     {trust.Strict, func(*x509.Certificate) ([]byte, error) { return list(), nil }, ""},
		"revoked, soft":     {trust.Soft, func(c *x509.Certificate) ([]byte, error) { return list(c.SerialNumber), nil }, "was revoked on 2025-12-31"},
		"revoked, strict":   {trust.Strict, func(c *x509.Certificate) ([]byte, error) { return list(c.SerialNumber), nil }, "was revoked"},
		"not found, soft":   {trust.Soft, func(*x509.Certificate) ([]byte, error) { return nil, errors.New("404") }, ""},
		"not found, strict": {trust.Strict, func(*x509.Certificate) ([]byte, error) { return nil, errors.New("404") }, "no current list of C=CH, O=Example, CN=root is known"},
		"junk, strict":      {trust.Strict, func(*x509.Certificate) ([]byte, error) { return []byte("<html>"), nil }, "no revocation list in it"},
		"off":               {trust.Off, nil, ""},
	}
	for name, tt := range tests {
		for _, ofInitiator := range []bool{true, false} {
			t.Run(name+map[bool]string{true: " of initiator", false: " of responder"}[ofInitiator], func(t *testing.T) {
				c, a, own := crlPair(t, tt.policy, ofInitiator)
				p := newPair(t, a)
				if _, err := p.i.e.Initiate(c, p.now); err != nil {
					t.Fatal(err)
				}
				p.settle()
				checks, proves := p.r, p.i
				if !ofInitiator {
					checks, proves = p.i, p.r
				}
				if tt.answer != nil {
					p.answerCRL(t, checks, func() ([]byte, error) { return tt.answer(own.Cert) })
				}
				if tt.want == "" {
					if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
						t.Fatalf("not up: %s %s", dump(p.i.events), dump(p.r.events))
					}
					p.agree()
					p.close()
					return
				}
				f, ok := last[SessionFailed](checks)
				if !ok || !strings.Contains(f.Err.Error(), tt.want) || count[SessionUp](checks) != 0 {
					t.Errorf("want %q: %s", tt.want, dump(checks.events))
				}
				if f, ok := last[SessionFailed](proves); ofInitiator && (!ok || f.PeerReason != "AUTHENTICATION_FAILED") {
					t.Errorf("the initiator hears %s", dump(proves.events))
				}
				p.empty()
			})
		}
	}
}

// answerCRL fetches what n wants, after some time in which nothing may move.
func (p *pair) answerCRL(t *testing.T, n *end, answer func() ([]byte, error)) {
	t.Helper()
	want, ok := last[CRLWanted](n)
	if !ok || !want.Waits || len(want.URLs) != 1 || want.URLs[0] != crlURL {
		t.Fatalf("it wants %+v", want)
	}
	p.advance(3 * time.Second) // with every repetition of the request
	if count[SessionUp](n) != 0 || count[CRLWanted](n) != 1 {
		t.Fatalf("it did not wait: %s", dump(n.events))
	}
	data, err := answer()
	_ = want.Trust.Fetched(crlURL, data, err, p.now)
	n.e.Resume(want.Session, p.now)
	n.e.Resume(want.Session, p.now) // a second time does nothing
	p.settle()
}

// TestCRLNeverComes: whoever waits gives up, with a reason, and keeps nothing.
func TestCRLNeverComes(t *testing.T) {
	for _, ofInitiator := range []bool{true, false} {
		c, a, _ := crlPair(t, trust.Soft, ofInitiator)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.advance(9 * time.Second)
		checks := p.i
		if ofInitiator {
			checks = p.r
		}
		f, ok := last[SessionFailed](checks)
		if !ok || !strings.Contains(f.Err.Error(), "no revocation list came from "+crlURL+" in 8s") {
			t.Errorf("%s", dump(checks.events))
		}
		w, _ := last[CRLWanted](checks)
		checks.e.Resume(w.Session, p.now) // too late
		p.advance(20 * time.Second)
		checks.empty()
	}
}

// TestCVE_2022_40617: no list is asked for before the signature is checked, so
// that a certificate alone, which is no secret, opens no connection.
func TestCVE_2022_40617(t *testing.T) {
	for _, initiator := range []bool{true, false} {
		for name, change := range map[string]func(*claim){
			"signature of another key": func(c *claim) {
				c.as(&pki.Pair{Cert: issue(thePKI().root, "ecdsa-p256", c.name, withURL).Cert, Key: must(pki.NewKey("ecdsa-p256"))})
			},
			"unknown authority": func(c *claim) { c.as(issue(thePKI().other, "ecdsa-p256", c.name, withURL)) },
			"another name":      func(c *claim) { c.as(issue(thePKI().root, "ecdsa-p256", "mallory.example", withURL)) },
		} {
			var engines []*end
			forgeWith(t, initiator, change, func(p *pair) { engines = []*end{p.i, p.r} })
			for _, n := range engines {
				if w, ok := last[CRLWanted](n); ok {
					t.Errorf("%s: %s wants %v", name, n.name, w.URLs)
				}
			}
		}
	}
}

func withURL(t *pki.Template) { t.CRLURLs = []string{crlURL} }

// TestDeletedWhileWaiting takes a session away that waits for a list.
func TestDeletedWhileWaiting(t *testing.T) {
	c, a, _ := crlPair(t, trust.Soft, false)
	p := newPair(t, a)
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		t.Fatal(err)
	}
	p.settle()
	if err := p.i.e.Delete(id, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	w, _ := last[CRLWanted](p.i)
	p.i.e.Resume(w.Session, p.now)
	p.settle()
	if count[SessionUp](p.i) != 0 {
		t.Errorf("it comes up all the same: %s", dump(p.i.events))
	}
	p.empty()
}

// TestForgedAnswerWhileWaiting: another answer to IKE_SA_INIT does not take the
// place of one that proved to be the peer's.
func TestForgedAnswerWhileWaiting(t *testing.T) {
	c, a, _ := crlPair(t, trust.Soft, false)
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	request := p.wire[0]
	p.settle()
	q := newPair(t, a)
	q.hand(flight{request.from, q.r, request.d})
	forged := q.r.take()[0]
	p.hand(flight{p.r, p.i, forged})
	p.settle()
	w, _ := last[CRLWanted](p.i)
	_ = w.Trust.Fetched(crlURL, nil, errors.New("gone"), p.now)
	p.i.e.Resume(w.Session, p.now)
	p.settle()
	if count[SessionUp](p.i) != 1 {
		t.Errorf("%s", dump(p.i.events))
	}
	p.close()
}

// TestRefreshWaitsForNobody: a list that ages is asked for again beside IKE_AUTH.
func TestRefreshWaitsForNobody(t *testing.T) {
	c, a, _ := crlPair(t, trust.Strict, true)
	der := must(thePKI().root.CRL(pki.CRL{From: start.Add(-time.Hour), To: start.Add(time.Hour)}))
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	w, _ := last[CRLWanted](p.r)
	if err := w.Trust.Fetched(crlURL, der, nil, p.now); err != nil {
		t.Fatal(err)
	}
	p.r.e.Resume(w.Session, p.now)
	p.settle()
	p.advance(45 * time.Minute)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if w, _ := last[CRLWanted](p.r); w.Waits || len(w.URLs) != 1 || count[SessionUp](p.r) != 2 {
		t.Errorf("%+v %s", w, dump(p.r.events))
	}
}
