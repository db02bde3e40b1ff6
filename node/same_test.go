package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/config"
	"warren/ike/trust"
)

const sameBase = `node: {name: alice}
listen: {ike: 500}
identities:
  outer: {id: alice.example, psk: "a secret of thirty-two octets yes"}
profiles:
  fast: {ike: [aes128gcm16-prfsha256-x25519], esp: [aes128gcm16], rekey: {time: 1h}}
peers:
  sg1: {address: 192.0.2.1, id: sg1.example, profile: fast}
  sg2: {address: 192.0.2.2, id: sg2.example, psk: "another secret of thirty-two octets"}
accept:
  - {name: road, ids: ["*.example"], pool: [10.99.1.0/24], profile: fast, secrets_file: users.psk}
`

const sameUsers = "bob.example: bob's secret of thirty-two octets\ncarol.example: carol's secret of thirty-two octets\n"

func loadSame(t *testing.T, text, users string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "users.psk"), []byte(users), 0o600))
	c, err := config.Load(filepath.Join(dir, "a.yaml"))
	must(t, err)
	c.Control.Socket = "" // it would be beside the file
	return c
}

// TestWhatIsTheSame changes one thing at a time.
func TestWhatIsTheSame(t *testing.T) {
	old := loadSame(t, sameBase, sameUsers)
	for name, tt := range map[string]struct {
		old, new string
		restart  string
		changed  string // peers and entries
	}{
		"nothing":      {"", "", "", ""},
		"a comment":    {"node:", "# hello\n\nnode:", "", ""},
		"name":         {"name: alice", "name: alicia", "node", ""},
		"listen":       {"ike: 500", "ike: 501", "listen", ""},
		"limits":       {"listen:", "limits: {flows: 100}\nlisten:", "limits", ""},
		"key export":   {"listen:", "allow_key_export: true\nlisten:", "allow_key_export", ""},
		"two":          {"listen: {ike: 500}", "offloads: none\nforwarding: true", "offloads, forwarding", ""},
		"retransmit":   {"listen:", "retransmit: {tries: 3}\nlisten:", "", ""},
		"address":      {"192.0.2.1,", "192.0.2.7,", "", "sg1"},
		"id of a peer": {"sg2.example", "sg3.example", "", "sg2"},
		"its secret":   {"another secret of", "quite another secret of", "", "sg2"},
		"identity":     {"id: alice.example", "id: alicia.example", "", "sg1 sg2 road"},
		"its psk":      {"\"a secret", "\"no secret", "", "sg1"},
		"profile":      {"time: 1h", "time: 2h", "", "sg1 road"},
		"liveness":     {"listen:", "liveness: 5s\nlisten:", "", "sg1 sg2 road"},
		"no peer":      {"  sg1: {address: 192.0.2.1, id: sg1.example, profile: fast}\n", "", "", "sg1"},
		"pool":         {"10.99.1.0/24", "10.99.2.0/24", "", "road"},
		"ids":          {`"*.example"`, `"*.example", x.org`, "", "road"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(sameBase, tt.old) {
				t.Fatalf("%q is not in it", tt.old)
			}
			next := loadSame(t, strings.Replace(sameBase, tt.old, tt.new, 1), sameUsers)
			if name != "name" && next.Node != old.Node {
				t.Fatal("another node")
			}
			if got := needsRestart(old, next); got != tt.restart {
				t.Errorf("a restart is needed for %q, want %q", got, tt.restart)
			}
			var changed []string
			for _, p := range old.Peers {
				if !samePeer(p, next.Peer(p.Name)) {
					changed = append(changed, p.Name)
				}
			}
			if !sameAccept(old.Entry("road"), next.Entry("road")) {
				changed = append(changed, "road")
			}
			if got := strings.Join(changed, " "); got != tt.changed {
				t.Errorf("changed are %q, want %q", got, tt.changed)
			}
		})
	}
	if a, b := *old.Entry("road"), *old.Entry("road"); true {
		a.Users, b.Users = map[string]config.Secret{"carol": nil}, map[string]config.Secret{"dave": nil}
		if !sameAccept(&a, &b) || sameAccept(&a, old.Entry("road")) {
			t.Error("users are the entry's, or EAP is not")
		}
	}
	if !sameAccept(old.Entry("road"), loadSame(t, sameBase, "bob.example: other secret of thirty-two octets\n").Entry("road")) {
		t.Error("the secrets of peers are the entry's")
	}
}

// TestSameTrust: authorities, lists and what is made of them count, and nothing
// else of an identity.
func TestSameTrust(t *testing.T) {
	a, _ := certNode(t, new(bytes.Buffer))
	b, _ := certNode(t, new(bytes.Buffer)) // with an authority of its own
	id := a.cfg.Identities[0]
	with := func(change func(o *trust.Options)) *config.Identity {
		o := *id.Trust
		change(&o)
		return &config.Identity{Trust: &o}
	}
	for name, tt := range map[string]struct {
		other *config.Identity
		want  bool
	}{
		"itself":            {id, true},
		"another key":       {with(func(*trust.Options) {}), true},
		"another authority": {b.cfg.Identities[0], false},
		"one more":          {with(func(o *trust.Options) { o.Anchors = append(o.Anchors[:1:1], b.cfg.Identities[0].Trust.Anchors...) }), false},
		"another list":      {with(func(o *trust.Options) { o.CRLs = b.cfg.Identities[0].Trust.CRLs }), false},
		"no list":           {with(func(o *trust.Options) { o.CRLs = nil }), false},
		"strict":            {with(func(o *trust.Options) { o.Revocation = trust.Strict }), false},
		"none":              {&config.Identity{}, false},
	} {
		if got := sameTrust(id, tt.other); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !sameTrust(&config.Identity{}, &config.Identity{}) {
		t.Error("two that trust nobody are not the same")
	}
}
