package itest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"warren/lab"
)

// TestWiresharkReadsAll captures how a chain of three tunnels and a transport
// association, each with other algorithms, comes up and carries pings, on the
// sender's link, and has tshark decrypt it with the keys that the sender's daemon
// tells.
func TestWiresharkReadsAll(t *testing.T) {
	need(t, "tshark")
	w := newWorld(t, 3)
	profiles := map[string]*lab.Profile{
		"sg1": {IKE: []string{"aes256gcm16-prfsha384-x25519"}, ESP: []string{"aes256gcm16-esn"}},
		"sg2": {IKE: []string{"aes128-sha256-prfsha256-x25519"}, ESP: []string{"aes256-sha512-esn"}},
		"sg3": {IKE: []string{"aes128gcm8-prfsha256-x25519"}, ESP: []string{"aes128gcm8"}},
		"bob": {IKE: []string{"aes256-sha512-prfsha512-ecp256"}, ESP: []string{"aes128-sha256"}},
	}
	plain := lab.Mode{Offloads: []string{"none"}} // or a capture may show several packets as one
	for _, g := range w.Gateways {
		c := w.GatewayConfig(g)
		c.Profile, c.Mode = profiles[g.Name], plain
		w.start(g.Node, c)
	}
	bob := w.ReceiverConfig()
	bob.Profile, bob.Mode = profiles["bob"], plain
	w.start(w.Receiver, bob)
	c := w.SenderConfig(3, true)
	c.KeyExport, c.Mode = true, plain
	for i := range c.Peers {
		c.Peers[i].Profile = profiles[c.Peers[i].Name]
	}
	alice := w.start(w.Sender, c)
	link, err := w.Sender.Capture(lab.Device(w.Router))
	must(t, err)
	const pings = 5
	st, err := w.Sender.Ping(w.ctx, w.ReceiverAddr, pings, 50*time.Millisecond, "-p", pingPattern)
	must(t, err)
	if st.Lost() != 0 {
		t.Fatalf("%d pings were lost", st.Lost())
	}
	dir := w.Sender.Path("keys")
	w.command(alice, "show", "keys", "--dir", dir)
	must(t, link.Stop())

	pingsSeen, ids := 0, 0
	for i, got := range w.tshark(link.File, dir) {
		if got["_ws.malformed"] != "" {
			t.Errorf("packet %d is malformed: %v", i, got)
		}
		if got["isakmp.exchangetype"] == "35" && got["isakmp.id.data"] != "" {
			ids++
		}
		if got["icmp.type"] == "" {
			continue
		}
		pingsSeen++
		if strings.Count(got["esp.spi"], "0x") != 4 || strings.Count(got["ip.src"], ".") != 4*3 || !strings.Contains(got["data.data"], pingPattern[:16]) {
			t.Errorf("ICMP packet %d shows %v, want 4 SPIs, 4 sources and the payload", i, got)
		}
	}
	if pingsSeen != 2*pings || ids != 2*4 {
		t.Errorf("%d pings and %d IKE_AUTH messages are decrypted, want %d and 8", pingsSeen, ids, 2*pings)
	}
	for i, got := range w.tshark(link.File, t.TempDir()) {
		if got["icmp.type"]+got["isakmp.id.data"] != "" {
			t.Errorf("without keys packet %d shows %v", i, got)
		}
	}
}

// tshark is what it sees in each packet of a capture, with the keys in dir.
func (w *world) tshark(file, dir string) []map[string]string {
	w.t.Helper()
	names := []string{"esp.spi", "ip.src", "icmp.type", "data.data", "isakmp.exchangetype", "isakmp.id.data", "_ws.malformed"}
	args := []string{"-n", "-r", file, "-o", "esp.enable_encryption_decode:TRUE", "-T", "fields"}
	for _, n := range names {
		args = append(args, "-e", n)
	}
	cmd := exec.CommandContext(w.ctx, "tshark", args...)
	cmd.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("tshark: %v\n%s", err, &stderr)
	}
	var packets []map[string]string
	for line := range strings.Lines(string(out)) {
		p := make(map[string]string)
		for i, v := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			p[names[i]] = v
		}
		packets = append(packets, p)
	}
	return packets
}

// TestKeysAreKept: who does not allow it, does not tell keys.
func TestKeysAreKept(t *testing.T) {
	w := newWorld(t, 1)
	alice := w.start(w.Sender, w.SenderConfig(1, false))
	out, err := alice.Command(w.ctx, "show", "keys")
	if err == nil || !strings.Contains(err.Error(), "allow_key_export: true at "+alice.File) {
		t.Errorf("show keys says %s, %v", out, err)
	}
}
