package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"warren/config"
	"warren/nest"
)

// TestEAPAccounts: an identity with EAP brings an account and no certificate, and an
// entry with users lets nobody in by certificate.
func TestEAPAccounts(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"users": "alice: her password\n", "w.yaml": `
node: {name: alice}
identities:
  self: {id: alice.example, psk: "the secret of the group", eap: {user: alice, password: "her password"}}
peers:
  sg1: {address: 192.0.2.1, id: sg1.example}
rules:
  tunnel: [{match: {dst: 203.0.113.0/24}, via: sg1}]
accept:
  - {name: road, ids: "*", users_file: users}
  - {name: site, ids: "*.example"}
`} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	cfg, err := config.Load(filepath.Join(dir, "w.yaml"))
	must(t, err)
	n := &Node{cfg: cfg}
	node := &nest.Node{Action: nest.Action{Peer: "sg1", Addr: netip.MustParseAddr("192.0.2.1")}}
	c, err := n.peerConfig(node, cfg.Peer("sg1"), netip.MustParseAddr("192.0.2.9"))
	must(t, err)
	if c.EAP == nil || c.EAP.Identity != "alice" || c.Cert != nil || len(c.PSK) == 0 {
		t.Errorf("%+v", c)
	}
	s, err := n.setUp(cfg)
	must(t, err)
	accept := s.accept
	if password, ok := accept[0].Users("alice"); !ok || string(password) != "her password" {
		t.Errorf("%q %v", password, ok)
	}
	if _, ok := accept[0].Users("bob"); ok || accept[1].Users != nil {
		t.Error("nobody else is a user")
	}
}
