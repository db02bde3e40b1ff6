package lab

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/pki"
)

// plainNetwork has the addresses of figure 2 and no namespaces.
func plainNetwork() *Network {
	n := &Network{ReceiverAddr: netip.MustParseAddr("203.0.113.77"), ReceiverAddr6: netip.MustParseAddr("2001:db8:3b::77")}
	for _, s := range gatewaySites() {
		g := Gateway{Node: &Node{Name: s.name}}
		g.Addr, g.Addr6 = s.own()
		g.Pool, g.Pool6 = netip.MustParsePrefix(s.pool), netip.MustParsePrefix(s.pool6)
		n.Gateways = append(n.Gateways, g)
	}
	return n
}

// TestConfigLoads holds what the lab writes to what warren reads.
func TestConfigLoads(t *testing.T) {
	n := plainNetwork()
	busy := n.SenderConfig(4, true)
	busy.Liveness, busy.RetryMin = time.Second, 100*time.Millisecond
	busy.Retransmit = &Retransmit{Tries: 2, Base: 300 * time.Millisecond}
	busy.Profile = &Profile{RekeyIKE: 3 * time.Second, RekeyChild: 2 * time.Second}
	busy.Mode = Mode{Workers: 3, Offloads: []string{"tso", "gro"}}
	busy.Peer("sg2").Profile = &Profile{ESP: []string{"aes256gcm16"}}
	busy.Peer("sg1").Childless = "force"
	busy.IKE, busy.NATT, busy.Peer("sg4").IKEPort, busy.Peer("sg4").NATTPort = 1500, 14500, 2500, 24500
	busy.Peer("sg3").PPK = &PPK{ID: "ppk-of-alice", Secret: strings.Repeat("0a1f", 16)}
	gateway := n.GatewayConfig(n.Gateways[0])
	gateway.Profile = &Profile{IKE: []string{"aes256gcm16-prfsha512-ecp384"}, RekeyIKE: time.Hour}
	gateway.Accept[0].PPK = &PPK{ID: "ppk-of-alice", Secret: strings.Repeat("0a1f", 16), Optional: true}
	proven := n.GatewayConfig(n.Gateways[1])
	proven.ID, proven.PSK, proven.Identities = "", "", []Identity{certified(t)}
	proven.Accept[0].Identity, proven.Accept[0].Profile = "proven", &Profile{RekeyChild: time.Minute}
	proven.Accept[0].User = &EAP{User: "alice", Password: "her password"}
	user := n.SenderConfig(1, false)
	user.Identities = []Identity{certified(t)}
	user.Identities[0].EAP = &EAP{User: "alice", Password: "her password"}
	user.Peer("sg1").Identity, user.Peer("sg1").PSK = "proven", ""
	for name, c := range map[string]Config{
		"EAP":     user,
		"gateway": gateway, "certificates": proven, "receiver": n.ReceiverConfig(),
		"no gateway": n.SenderConfig(0, true), "all knobs": busy, "ladder": n.LadderConfig(),
	} {
		t.Run(name, func(t *testing.T) {
			node := &Node{Name: "node", lab: &Lab{dir: t.TempDir(), mode: Mode{Workers: 2, Offloads: []string{"none"}}}}
			if err := os.Mkdir(node.Path(), 0o700); err != nil {
				t.Fatal(err)
			}
			file, err := node.WriteConfig(c)
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Load(file)
			if err != nil {
				t.Fatalf("%v\n%s", err, c.YAML("/s.sock"))
			}
			for _, warning := range got.Warnings {
				// Four layers leave less than IPv6 wants: the price of the figure.
				if !strings.Contains(warning.Message, "IPv6 needs 1280") {
					t.Errorf("warning: %s", warning.Message)
				}
			}
		})
	}
}

// certified is an identity with a certificate of an authority that it trusts.
func certified(t *testing.T) Identity {
	t.Helper()
	ca, err := pki.NewAuthority(pki.Template{Subject: "CN=lab"})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue(pki.Template{DNS: []string{"sg2.example"}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.KeyPEM(own.Key)
	if err != nil {
		t.Fatal(err)
	}
	return Identity{Name: "proven", ID: "sg2.example", Cert: pki.CertPEM(own.Cert), Key: key, CA: pki.CertPEM(ca.Cert)}
}

func TestSenderConfigNests(t *testing.T) {
	c := plainNetwork().SenderConfig(3, true)
	want := []TunnelRule{{"dst: bob", "sg3"}, {"dst: sg3", "sg2"}, {"dst: sg2", "sg1"}}
	if len(c.Tunnel) != len(want) {
		t.Fatalf("tunnel rules %v, want %v", c.Tunnel, want)
	}
	for i := range want {
		if c.Tunnel[i] != want[i] {
			t.Errorf("tunnel rule %d is %v, want %v", i, c.Tunnel[i], want[i])
		}
	}
}

func TestWriteConfigHidesSecrets(t *testing.T) {
	dir := t.TempDir()
	node := &Node{Name: "sender", lab: &Lab{dir: dir}}
	if err := os.Mkdir(node.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := node.WriteConfig(plainNetwork().SenderConfig(2, true))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "lab secret") {
		t.Errorf("config holds a secret (%v):\n%s", err, b)
	}
	for _, f := range []string{file, node.Path("sg2.psk")} {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", f, st, err)
		}
	}
}
