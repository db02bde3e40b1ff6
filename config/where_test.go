package config

import (
	"strings"
	"testing"
)

func TestWhere(t *testing.T) {
	c, problems := parse("warren.yaml", []byte(strings.TrimLeft(`
node: {name: alice}
identities:
  self: {id: alice.example, psk: "not much of a secret"}
profiles:
  old:
    ike: [aes256-sha384-ecp384]
peers:
  sg1:
    address: 192.0.2.1
    id: sg1.example
    profile: old
  sg2: {address: 192.0.2.2, id: sg2.example}
`, "\n")), 0o600, Options{})
	if err := problems.err(); err != nil {
		t.Fatal(err)
	}
	sg1, sg2 := c.Peer("sg1"), c.Peer("sg2")
	for _, tt := range []struct {
		of        any
		key, want string
	}{
		{sg1, "address", "warren.yaml:9:5"},
		{sg1, "remote_ts", "warren.yaml:8:3"}, // of the peer
		{sg2, "id", "warren.yaml:12:29"},
		{sg1.Profile, "ike", "warren.yaml:6:5"},
		{sg1.Profile, "esp", "warren.yaml:5:3"},
		{sg2.Profile, "ike", ""}, // the default one
		{nil, "ike", ""},
	} {
		if got := c.Where(tt.of, tt.key); got != tt.want {
			t.Errorf("%T %s: %q, want %q", tt.of, tt.key, got, tt.want)
		}
	}
}
