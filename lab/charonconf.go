package lab

import (
	"fmt"
	"strings"
	"time"
)

// StrongSwan is what one strongSwan daemon runs with.
type StrongSwan struct {
	Connections []CharonConfig
	Settings    []string // further lines of charon's own settings: "cookie_threshold = 1"; they go before others
}

// A CharonConfig makes one connection of a strongSwan daemon, with one child,
// "net". It is a gateway that answers and leases, or where Remote is set an
// initiator that asks.
type CharonConfig struct {
	Name              string // empty means "lab"
	LocalID, RemoteID string // RemoteID may be "%any"
	Local             string // own address
	Remote            string // the gateway's address; empty answers anyone

	// What each side proves itself by: a certificate where there is one, in PEM,
	// else PSK. CA is what the peer's must come from.
	PSK           string
	Cert, Key, CA []byte
	EAP           *EAP // by which the initiator does, strongSwan or its peer

	Pools    []string // prefixes to lease from, one per family
	VirtIPs  []string // addresses to ask for, "0.0.0.0" and "::" for any
	LocalTS  []string // empty means "dynamic": the virtual IP or own address
	RemoteTS []string // the same

	IKE, ESP string // proposals; empty means AES-128-GCM with X25519

	RekeyIKE, RekeyChild time.Duration // zero: never
	Reauth               time.Duration // the same
	BreakBeforeMake      bool          // when it authenticates anew; so do the daemon's others then
	DPD                  time.Duration // zero: off
	MOBIKE               bool
	Fragmentation        bool
	PPK                  *PPK
	AnyPPK               bool // peers may name others than that
	Childless            bool // only IKE SAs that begin without a child SA
}

const (
	charonName  = "lab" // of a connection without a name
	charonChild = "net"

	defaultIKE, defaultESP = "aes128gcm16-prfsha256-x25519", "aes128gcm16"
)

// strongswanConf loads kernel-libipsec before kernel-netlink: the first one to
// offer ESP wins, and the second keeps addresses and routes. The mark keeps
// charon's own packets out of its tunnels, so that a tunnel may carry
// everything. With fewer than 16 threads kernel-libipsec's readers leave none
// to answer vici.
const strongswanConf = `charon {
  load_modular = no
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm ccm chapoly curve25519 gmp pem pkcs1 pkcs8 pubkey x509 constraints eap-identity eap-mschapv2 eap-tls kernel-libipsec kernel-netlink socket-default vici
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
%s}
swanctl {
  load = random nonce openssl pem pkcs1 pkcs8 pubkey x509
}
`

// files maps the names of the daemon's files to what they hold.
func (s StrongSwan) files() map[string]string {
	settings, makeFirst := "", true
	for _, line := range s.Settings {
		settings += "  " + line + "\n"
	}
	var conns, pools, secrets strings.Builder
	files := make(map[string]string)
	for _, c := range s.Connections {
		c.Name = orDefault(c.Name, charonName)
		c.connection(&conns)
		c.pools(&pools)
		c.secrets(&secrets)
		makeFirst = makeFirst && !c.BreakBeforeMake
		for name, content := range map[string][]byte{c.certFile(): c.Cert, c.keyFile(): c.Key, c.caFile(): c.CA} {
			if len(content) > 0 {
				files["swanctl/"+name] = string(content)
			}
		}
	}
	files["strongswan.conf"] = fmt.Sprintf(strongswanConf, yesNo(makeFirst), settings)
	files["swanctl/swanctl.conf"] = fmt.Sprintf("connections {\n%s}\npools {\n%s}\nsecrets {\n%s}\n", &conns, &pools, &secrets)
	return files
}

func (c CharonConfig) certFile() string { return "x509/" + c.Name + ".pem" }
func (c CharonConfig) keyFile() string  { return "private/" + c.Name + ".pem" }
func (c CharonConfig) caFile() string   { return "x509ca/" + c.Name + ".pem" }

func (c CharonConfig) connection(b *strings.Builder) {
	w := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	w(" %s {\n  version = 2\n  mobike = %s\n  fragmentation = %s", c.Name, yesNo(c.MOBIKE), yesNo(c.Fragmentation))
	w("  encap = yes\n  reauth_time = %ds\n  rand_time = 0\n  over_time = 30s", int(c.Reauth.Seconds()))
	w("  local_addrs = %s", c.Local)
	if c.Remote != "" {
		w("  remote_addrs = %s", c.Remote)
	}
	w("  proposals = %s", orDefault(c.IKE, defaultIKE))
	w("  rekey_time = %ds\n  dpd_delay = %ds", int(c.RekeyIKE.Seconds()), int(c.DPD.Seconds()))
	list(b, "  pools", c.poolNames())
	list(b, "  vips", c.VirtIPs)
	if c.Childless {
		w("  childless = force")
	}
	if p := c.PPK; p != nil {
		if !c.AnyPPK {
			w("  ppk_id = %s", p.ID)
		}
		w("  ppk_required = %s", yesNo(!p.Optional))
	}
	w("  local {\n   id = %s\n   auth = %s", c.LocalID, c.authBy(c.Cert, c.Remote != ""))
	c.user(w, c.Remote != "")
	if len(c.Cert) > 0 {
		w("   certs = %s.pem", c.Name)
	}
	w("  }\n  remote {\n   id = %s\n   auth = %s", c.RemoteID, c.authBy(c.CA, c.Remote == ""))
	c.user(w, c.Remote == "")
	if len(c.CA) > 0 {
		w("   cacerts = %s.pem", c.Name)
	}
	w("  }\n  children {\n   %s {", charonChild)
	w("    mode = tunnel\n    esp_proposals = %s", orDefault(c.ESP, defaultESP))
	// Without a life time charon starts no timer, and never rekeys.
	w("    rekey_time = %ds\n    rand_time = 0\n    life_time = %ds", int(c.RekeyChild.Seconds()), int(3*c.RekeyChild.Seconds()))
	list(b, "    local_ts", c.LocalTS)
	list(b, "    remote_ts", c.RemoteTS)
	w("   }\n  }\n }")
}

// authBy is how a side with this certificate, or none, proves itself.
func (c CharonConfig) authBy(pem []byte, opens bool) string {
	switch {
	case opens && c.EAP != nil && c.EAP.Password == "":
		return "eap-tls"
	case opens && c.EAP != nil:
		return "eap-mschapv2"
	case len(pem) > 0:
		return "pubkey"
	}
	return "psk"
}

// user names the user of a side that proves itself by EAP.
func (c CharonConfig) user(w func(format string, args ...any), opens bool) {
	if opens && c.EAP != nil {
		w("   eap_id = %s", c.EAP.User)
	}
}

func (c CharonConfig) pools(b *strings.Builder) {
	for i, p := range c.Pools {
		fmt.Fprintf(b, " %s {\n  addrs = %s\n }\n", c.poolNames()[i], p)
	}
}

func (c CharonConfig) poolNames() []string {
	var names []string
	for i := range c.Pools {
		names = append(names, fmt.Sprintf("%s-pool%d", c.Name, i))
	}
	return names
}

// secrets writes the connection's own; charon finds them by the identities.
func (c CharonConfig) secrets(b *strings.Builder) {
	if c.PSK != "" {
		fmt.Fprintf(b, " ike-%s {\n  secret = \"%s\"\n  id-local = %s\n", c.Name, c.PSK, c.LocalID)
		if c.RemoteID != "%any" {
			fmt.Fprintf(b, "  id-remote = %s\n", c.RemoteID)
		}
		b.WriteString(" }\n")
	}
	if e := c.EAP; e != nil && e.Password != "" {
		fmt.Fprintf(b, " eap-%s {\n  id = %s\n  secret = \"%s\"\n }\n", c.Name, e.User, e.Password)
	}
	if p := c.PPK; p != nil {
		fmt.Fprintf(b, " ppk-%s {\n  id = %s\n  secret = \"%s\"\n }\n", c.Name, p.ID, p.Secret)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
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
