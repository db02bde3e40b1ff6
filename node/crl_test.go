package node

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/ike"
	"warren/ike/trust"
	"warren/pki"
)

// TestFetch takes what a server gives, within bounds.
func TestFetch(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("list")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, trust.MaxCRL+1)) })
	server := httptest.NewServer(mux)
	defer server.Close()
	f := newFetcher()
	defer func() { must(t, f.close()) }()
	for path, want := range map[string]string{"/good": "", "/moved": "", "/loop": "too many redirects", "/large": "larger than", "/none": `"404 Not Found"`} {
		data, err := f.fetch(server.URL + path)
		if want == "" && (err != nil || string(data) != "list") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

// TestCRLsAreFetchedOnce: two sessions that want the same list wait for one
// download, and it is asked for in the loop.
func TestCRLsAreFetchedOnce(t *testing.T) {
	requests := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests <- struct{}{} }))
	defer server.Close()
	n, err := New(&config.Config{}, Options{})
	must(t, err)
	n.fetcher = newFetcher()
	ca, err := pki.NewAuthority(pki.Template{Subject: "CN=root"})
	must(t, err)
	s, err := trust.New(trust.Options{Anchors: []*x509.Certificate{ca.Cert}})
	must(t, err)
	n.ike, err = ike.New(ike.Options{AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release})
	must(t, err)
	for id := range ike.SessionID(2) {
		n.wantCRLs(ike.CRLWanted{Session: id + 1, Trust: s, URLs: []string{server.URL, server.URL}, Waits: true})
	}
	n.wantCRLs(ike.CRLWanted{Session: 3, Trust: s, URLs: []string{server.URL}})
	if waiters := n.fetches[crlSource{s, server.URL}]; len(waiters) != 2 {
		t.Errorf("%d sessions wait", len(waiters))
	}
	(<-n.calls)(time.Now())
	if len(n.fetches) != 0 || len(requests) != 1 {
		t.Errorf("%d downloads are left, %d were made", len(n.fetches), len(requests))
	}
	close(n.stopped)
	must(t, n.fetcher.close())
}
