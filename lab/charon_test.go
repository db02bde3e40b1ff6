package lab

import (
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"
)

// TestCharonTunnel proves the strongSwan scaffolding without warren: charon at
// the sender asks charon at sg1 for a virtual IP, and reaches the receiver
// through the tunnel.
func TestCharonTunnel(t *testing.T) {
	n, ctx := figure2(t, 3)
	if err := HasCharon(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	sg1 := n.Gateways[0]
	if err := sg1.Forward(ctx); err != nil {
		t.Fatal(err)
	}
	gw, err := sg1.StartCharon(ctx, CharonConfig{LocalID: "sg1.example", RemoteID: "%any", PSK: "open sesame", Local: sg1.Addr.String(),
		Pools: []string{sg1.Pool.String()}, LocalTS: []string{"0.0.0.0/0", "::/0"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := n.Sender.StartCharon(ctx, CharonConfig{LocalID: "alice.example", RemoteID: "sg1.example", PSK: "open sesame",
		Local: n.SenderAddr.String(), Remote: sg1.Addr.String(), VirtIPs: []string{"0.0.0.0"}, RemoteTS: []string{"0.0.0.0/0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Initiate(ctx); err != nil {
		t.Fatalf("%v\ngateway:\n%s", err, gw.Tail(30))
	}
	// The clear ping would work too: only what leaves the sender tells them apart.
	clear, err := n.Sender.Capture(Device(n.Router), "icmp")
	if err != nil {
		t.Fatal(err)
	}
	st, err := n.Sender.Ping(ctx, n.ReceiverAddr, 5, 20*time.Millisecond)
	if err != nil || st.Lost() != 0 {
		t.Errorf("ping through the tunnel: %+v, %v", st, err)
	}
	if err := clear.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := countPackets(t, clear.File); got != 0 {
		t.Errorf("%d ICMP packets left the sender in clear", got)
	}
	sas, err := gw.SAs(ctx)
	if err != nil || len(sas) != 1 || Installed(sas) != 1 || sas[0].State != "ESTABLISHED" || sas[0].RemoteID != "alice.example" {
		t.Errorf("gateway's SAs: %+v, %v; want one IKE SA and one child SA", sas, err)
	}
	if err := client.Terminate(ctx); err != nil {
		t.Error(err)
	}
	if sas, err := gw.SAs(ctx); err != nil || len(sas) != 0 {
		t.Errorf("gateway's SAs after DELETE: %+v, %v; want none", sas, err)
	}
}

func TestParseListSAs(t *testing.T) {
	const raw = `list-sa event {lab {uniqueid=2 version=2 state=ESTABLISHED local-id=sg1.example remote-id=alice.example encr-alg=AES_GCM_16 encr-keysize=128 prf-alg=PRF_HMAC_SHA2_256 dh-group=CURVE_25519 remote-vips=[10.99.1.1] tasks-active=[IKE_DELETE] child-sas {net-3 {name=net uniqueid=3 state=INSTALLED spi-in=c0ffee01 spi-out=0badcafe encr-alg=AES_CBC encr-keysize=256 integ-alg=HMAC_SHA2_256_128 local-ts=[0.0.0.0/0 ::/0] remote-ts=[10.99.1.1/32]} net-2 {name=net state=DELETED spi-in=1 spi-out=2}}}}
list-sa event {lab {uniqueid=3 state=CONNECTING child-sas {}}}
list-sas reply {}`
	want := []CharonSA{
		{ID: "2", State: "ESTABLISHED", RemoteID: "alice.example",
			Suite: "AES_GCM_16-128-PRF_HMAC_SHA2_256-CURVE_25519", Children: []CharonChild{
				{"net", "INSTALLED", "c0ffee01", "0badcafe", "AES_CBC-256-HMAC_SHA2_256_128"}, {"net", "DELETED", "1", "2", ""}},
			VirtualIP: netip.MustParseAddr("10.99.1.1")},
		{ID: "3", State: "CONNECTING"},
	}
	got := parseListSAs(raw)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parseListSAs = %+v, want %+v", got, want)
	}
	if Installed(got) != 1 {
		t.Errorf("Installed = %d, want 1", Installed(got))
	}
}
