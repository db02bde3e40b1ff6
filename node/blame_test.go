package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/config"
	"warren/ike"
	"warren/ike/message"
)

// TestBlame: what failed with a peer points to the line that decides about it.
func TestBlame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "w.yaml")
	must(t, os.WriteFile(file, []byte(strings.TrimLeft(`
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
    remote_ts: [10.0.0.0/8]
  sg2: {address: 192.0.2.2, id: sg2.example}
`, "\n")), 0o600))
	cfg, err := config.Load(file)
	must(t, err)
	n := &Node{cfg: cfg}
	for _, tt := range []struct {
		peer, stage string
		notify      message.NotifyType
		want        string
	}{
		{"sg1", ike.StageInit, message.NoProposalChosen, "(see profiles.old.ike at w.yaml:6:5)"},
		{"sg1", ike.StageAuth, message.NoProposalChosen, "(see profiles.old.esp at w.yaml:5:3)"},
		{"sg2", ike.StageCreateChild, message.NoProposalChosen, "(see peers.sg2.profile at w.yaml:13:3)"},
		{"sg1", ike.StageInit, message.InvalidKEPayload, "(see profiles.old.ike at w.yaml:6:5)"},
		{"sg1", ike.StageInit, 0, "(see peers.sg1.address at w.yaml:9:5)"},
		{"sg1", ike.StageAuth, 0, "(see peers.sg1 at w.yaml:8:3)"},
		{"sg1", ike.StageAuth, message.AuthenticationFailed, "(see peers.sg1 at w.yaml:8:3)"},
		{"sg1", ike.StageAuth, message.TSUnacceptable, "(see peers.sg1.remote_ts at w.yaml:12:5)"},
		{"sg2", ike.StageAuth, message.InternalAddressFailure, "(see peers.sg2.virtual_ip at w.yaml:13:3)"},
		{"192.0.2.9:500", ike.StageInit, 0, ""}, // nobody of the file
	} {
		cause := &ike.Error{Peer: tt.peer, Stage: tt.stage, Notify: tt.notify, Reason: "because"}
		got := n.blame(cause)
		if want := strings.TrimSpace(cause.Error() + " " + tt.want); strings.ReplaceAll(got.Error(), file, "w.yaml") != want || !errors.Is(got, cause) {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
	if other := errors.New("no route"); n.blame(other) != other {
		t.Error("an error without a peer is not left alone")
	}
}
