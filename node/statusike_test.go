package node

import (
	"crypto/x509"
	"reflect"
	"testing"
	"time"

	"warren/control"
	"warren/esp"
	"warren/ike"
)

// TestDescribeIKE fills every field of a session and wants every field of what
// is shown.
func TestDescribeIKE(t *testing.T) {
	now := time.Unix(10000, 0)
	s := ike.SessionInfo{
		Name: "sg1", Initiator: true, State: "up", Suite: "aes256gcm16-prfsha384-x25519", NATT: true, MOBIKE: true, PPK: true, Resumed: true,
		Fragments: true, Established: now.Add(-time.Minute), Rekeys: 2, Reauths: 3, RekeyAt: now.Add(time.Hour), ReauthAt: now.Add(2 * time.Hour),
		OwnProof: "pre-shared key", PeerProof: "certificate, Ed25519", Certificate: &x509.Certificate{RawSubject: []byte{0x30, 0}},
		Children: []ike.ChildInfo{{SPIIn: 0x1001, SPIOut: 0x2002, Mode: esp.Transport, State: "lingering", Rekeys: 4}},
	}
	got := describeIKE(s, now)
	for i, v := 0, reflect.ValueOf(got); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "RemoteSubject" { // an empty name is the shortest one
			t.Errorf("%s is not filled", name)
		}
	}
	if got.Role != "initiator" || got.AgeSeconds != 60 || got.RekeySeconds != 3600 || got.ReauthSeconds != 7200 || got.Children != 1 {
		t.Errorf("got %+v", got)
	}
	if want := (control.ChildSA{SPIIn: "0x00001001", SPIOut: "0x00002002", Mode: "transport", State: "lingering", Rekeys: 4}); got.ChildSAs[0] != want {
		t.Errorf("child is %+v, want %+v", got.ChildSAs[0], want)
	}
	if got := describeIKE(ike.SessionInfo{RekeyAt: now.Add(-time.Second)}, now); got.RekeySeconds != 0 || got.Role != "responder" || got.AgeSeconds != 0 {
		t.Errorf("a session that is due is %+v", got)
	}
}
