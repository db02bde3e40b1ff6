package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const (
	charonPath = "/usr/lib/ipsec/charon"
	viciSocket = "/run/charon.vici" // in the node's own /run
)

// A CharonConfig makes one strongSwan daemon with one connection, "lab", and
// one child, "net". It is a gateway that
// answers and leases, or where Remote is set an initiator that asks.
type CharonConfig struct {
	LocalID, RemoteID string // RemoteID may be "%any"
	PSK               string
	Local             string // own address
	Remote            string // the gateway's address; empty answers anyone

	Pools    []string // prefixes to lease from, one per family
	VirtIPs  []string // addresses to ask for, "0.0.0.0" and "::" for any
	LocalTS  []string // empty means "dynamic": the virtual IP or own address
	RemoteTS []string // the same

	IKE, ESP string // proposals; empty means AES-128-GCM with X25519

	RekeyIKE, RekeyChild time.Duration // zero: never
	Reauth               time.Duration // the same
	BreakBeforeMake      bool          // when it authenticates anew
	DPD                  time.Duration // zero: off
	MOBIKE               bool
	PPK                  *PPK
	Childless            bool // only IKE SAs that begin without a child SA
	AnyPPK               bool // peers may name others than that
}

// A Charon is strongSwan's IKE daemon in a node, with ESP in userspace
// (kernel-libipsec): ESP in UDP only, tunnel mode only, no ESN.
type Charon struct {
	*Process

	node *Node
	env  []string
}

// StartCharon runs strongSwan in the node and loads the connection.
func (n *Node) StartCharon(ctx context.Context, c CharonConfig) (*Charon, error) {
	for _, d := range []string{"swanctl/conf.d", "swanctl/x509", "swanctl/private"} {
		if err := os.MkdirAll(n.Path(d), 0o700); err != nil {
			return nil, fmt.Errorf("lab: %s: %w", n.Name, err)
		}
	}
	if err := n.WriteFile("strongswan.conf", c.strongswanConf()); err != nil {
		return nil, err
	}
	if err := n.WriteFile("swanctl/swanctl.conf", c.swanctlConf()); err != nil {
		return nil, err
	}
	ch := &Charon{node: n, env: []string{"STRONGSWAN_CONF=" + n.Path("strongswan.conf"), "SWANCTL_DIR=" + n.Path("swanctl")}}
	var err error
	ch.Process, err = n.Start(Spec{Name: "charon", Args: []string{charonPath}, Env: ch.env, Ready: ch.listens})
	if err != nil {
		return nil, err
	}
	if out, err := ch.Swanctl(ctx, "--load-all", "--noprompt"); err != nil {
		ch.Kill()
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return ch, nil
}

func (ch *Charon) listens() error {
	c, err := net.Dial("unix", ch.node.Outside(viciSocket))
	if err != nil {
		return err
	}
	return c.Close()
}

// Swanctl runs swanctl against the daemon.
func (ch *Charon) Swanctl(ctx context.Context, args ...string) (string, error) {
	full := append([]string{"env"}, ch.env...)
	return ch.node.Run(ctx, append(append(full, "swanctl"), args...)...)
}

// Initiate brings the connection up.
func (ch *Charon) Initiate(ctx context.Context) error {
	_, err := ch.Swanctl(ctx, "--initiate", "--child", "net", "--timeout", "20")
	return err
}

// Terminate takes the connection down.
func (ch *Charon) Terminate(ctx context.Context) error {
	_, err := ch.Swanctl(ctx, "--terminate", "--ike", "lab", "--timeout", "10")
	return err
}

// SAs lists the daemon's IKE SAs with their child SAs.
func (ch *Charon) SAs(ctx context.Context) ([]CharonSA, error) {
	out, err := ch.Swanctl(ctx, "--list-sas", "--raw")
	if err != nil {
		return nil, err
	}
	return parseListSAs(out), nil
}

func (c CharonConfig) strongswanConf() string {
	return fmt.Sprintf(strongswanConf, yesNo(!c.BreakBeforeMake))
}

// strongswanConf loads kernel-libipsec before kernel-netlink: the first one to
// offer ESP wins, and the second keeps addresses and routes. The mark keeps
// charon's own packets out of its tunnels, so that a tunnel may carry
// everything. With fewer than 16 threads kernel-libipsec's readers leave none
// to answer vici.
const strongswanConf = `charon {
  load_modular = no
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm ccm chapoly curve25519 gmp pem pkcs1 pubkey x509 constraints kernel-libipsec kernel-netlink socket-default vici
  threads = 16
  retransmit_tries = 3
  retransmit_timeout = 1.0
  delete_rekeyed_delay = 3
  make_before_break = %s
  plugins {
    kernel-libipsec {
      allow_peer_ts = yes
    }
    socket-default {
      fwmark = 0x42
    }
    kernel-netlink {
      fwmark = !0x42
    }
  }
  filelog {
    stderr {
      default = 1
      ike = 2
      knl = 1
      flush_line = yes
      time_format = %%T
    }
  }
}
swanctl {
  load = random nonce openssl pem pkcs1 pubkey x509
}
`

const defaultIKE, defaultESP = "aes128gcm16-prfsha256-x25519", "aes128gcm16"

func (c CharonConfig) swanctlConf() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("connections {\n lab {")
	w("  version = 2\n  mobike = %s\n  fragmentation = no\n  encap = yes\n  reauth_time = %ds\n  rand_time = 0\n  over_time = 30s",
		yesNo(c.MOBIKE), int(c.Reauth.Seconds()))
	w("  local_addrs = %s", c.Local)
	if c.Remote != "" {
		w("  remote_addrs = %s", c.Remote)
	}
	w("  proposals = %s", orDefault(c.IKE, defaultIKE))
	w("  rekey_time = %ds\n  dpd_delay = %ds", int(c.RekeyIKE.Seconds()), int(c.DPD.Seconds()))
	list(&b, "  pools", poolNames(c.Pools))
	list(&b, "  vips", c.VirtIPs)
	if c.Childless {
		w("  childless = force")
	}
	if p := c.PPK; p != nil {
		if !c.AnyPPK {
			w("  ppk_id = %s", p.ID)
		}
		w("  ppk_required = %s", yesNo(!p.Optional))
	}
	w("  local {\n   auth = psk\n   id = %s\n  }", c.LocalID)
	w("  remote {\n   auth = psk\n   id = %s\n  }", c.RemoteID)
	w("  children {\n   net {")
	w("    mode = tunnel\n    esp_proposals = %s", orDefault(c.ESP, defaultESP))
	// Without a life time charon starts no timer, and never rekeys.
	w("    rekey_time = %ds\n    rand_time = 0\n    life_time = %ds", int(c.RekeyChild.Seconds()), int(3*c.RekeyChild.Seconds()))
	list(&b, "    local_ts", c.LocalTS)
	list(&b, "    remote_ts", c.RemoteTS)
	w("   }\n  }\n }\n}")
	w("pools {")
	for i, p := range c.Pools {
		w(" %s {\n  addrs = %s\n }", poolNames(c.Pools)[i], p)
	}
	w("}\nsecrets {\n ike-lab {\n  secret = \"%s\"\n }", c.PSK)
	if p := c.PPK; p != nil {
		w(" ppk-lab {\n  id = %s\n  secret = \"%s\"\n }", p.ID, p.Secret)
	}
	w("}")
	return b.String()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func poolNames(pools []string) []string {
	var names []string
	for i := range pools {
		names = append(names, fmt.Sprintf("pool%d", i))
	}
	return names
}

func list(b *strings.Builder, key string, values []string) {
	if len(values) > 0 {
		fmt.Fprintf(b, "%s = %s\n", key, strings.Join(values, ", "))
	}
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// WriteFile writes a file of the node that only root may read.
func (n *Node) WriteFile(name, content string) error {
	err := os.WriteFile(n.Path(name), []byte(content), 0o600)
	if err == nil {
		err = os.Chmod(n.Path(name), 0o600) // also where it was there already
	}
	if err != nil {
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	return nil
}
