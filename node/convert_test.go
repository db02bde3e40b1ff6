package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"warren/config"
	"warren/nest"
	"warren/policy"
)

// TestConvert: nothing of what a peer or an accept entry says is lost on the way to
// the engine.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"ppks": "mine: b9S0Yt8W0F2i8Jm0lHf5o1cLw7b1kS2dXo3eUqRzTn4=\n", "w.yaml": `
node: {name: alice}
identities:
  self: {id: alice.example, psk: "the secret of the group"}
profiles:
  all: {rekey: {time: 1h, ike: 2h, reauth: 3h, bytes: 1GiB, packets: 100000}}
peers:
  sg1: {address: 192.0.2.1, id: sg1.example, profile: all, encap: esp, childless: force, liveness: 5s, replay_window: 128,
    virtual_ip: [10.99.1.7, "fd99::7"], ppk: {id: x, secret: "b9S0Yt8W0F2i8Jm0lHf5o1cLw7b1kS2dXo3eUqRzTn4="}}
rules:
  tunnel: [{match: {dst: 203.0.113.0/24}, via: sg1}]
accept:
  - {name: site, ids: "*.example", profile: all, pool: 10.99.2.0/24, local: 10.1.0.0/16, remote: 10.2.0.0/16, modes: tunnel,
    ppk_file: ppks, liveness: 5s, replay_window: 128}
`} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	cfg, err := config.Load(filepath.Join(dir, "w.yaml"))
	must(t, err)
	n := &Node{cfg: cfg}
	s, err := n.setUp(cfg)
	must(t, err)
	filled(t, s.accept[0], "Cert", "Trust", "Users", "Addresses")

	all := netip.MustParsePrefix("203.0.113.0/24")
	node := &nest.Node{ID: 7, Action: nest.Action{Peer: "sg1", Addr: netip.MustParseAddr("192.0.2.1")},
		LocalTS: []policy.Selector{policy.PrefixSelector(all)}, RemoteTS: []policy.Selector{policy.PrefixSelector(all)}}
	c, err := n.peerConfig(node, cfg.Peer("sg1"), netip.MustParseAddr("192.0.2.9"))
	must(t, err)
	filled(t, c, "Via", "Cert", "Trust", "EAP", "Mode", "NoInitialContact")
}

// filled wants every field of a struct to be set, but those named.
func filled(t *testing.T, v any, but ...string) {
	t.Helper()
	for f, x := range reflect.ValueOf(v).Fields() {
		if x.IsZero() != slices.Contains(but, f.Name) {
			t.Errorf("%T: %s is %v", v, f.Name, x)
		}
	}
}
