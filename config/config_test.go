package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/packet"
	"warren/policy"
)

// marker is a secret that must never be seen.
const marker = "MARKER0secret0MARKER"

const good = `node: {name: alice}
tun: {name: warren0, address: [10.200.0.1/32, "fd00::1"]}
identities:
  outer: {id: alice.example, psk_file: outer.psk}
profiles:
  fast: {ike: [aes128gcm16-prfsha256-x25519], esp: [aes128gcm16-esn], rekey: {time: 1h, ike: 4h, reauth: 24h, bytes: 64GiB, packets: 1000000}}
peers:
  sg1: {address: 192.0.2.1, id: sg1.example, identity: outer, profile: fast, virtual_ip: true, childless: prefer, encap: auto}
  sg2: {address: 198.51.100.1, id: sg2.example, virtual_ip: [10.99.2.2, ipv6], liveness: 10s, replay_window: 128}
  bob: {address: [203.0.113.77, "2001:db8::77"], id: bob.example, encap: esp, mobike: false, resumption: false, remote_ts: 203.0.113.0/24}
rules:
  transport:
    - {name: web, match: {dst: bob, proto: [tcp, 17], dport: [443, 5000-5999], sport: 1024-65535}, action: protect, peer: bob, start: now, idle: 10m}
    - {name: rest, match: {dst: 203.0.113.0/24}, action: plain}
  tunnel:
    - {match: {dst: 203.0.113.0/24}, via: sg2}
    - {match: {dst: sg2}, via: sg1}
  default: bypass
accept:
  - {name: road, ids: "*.example", pool: [10.99.1.0/24, "fd99:1::/64"], modes: tunnel, secrets_file: clients.psk}
forwarding: true
liveness: 1m
`

// write puts a configuration and its secrets into a folder, readable by the
// owner only.
func write(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"alice.yaml":  text,
		"outer.psk":   marker + "\n",
		"clients.psk": "# road warriors\ncarol.example: " + marker + "\n\n\"dave@example\": '" + marker + "2'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "alice.yaml")
}

func TestLoad(t *testing.T) {
	c, err := Load(write(t, good))
	if err != nil {
		t.Fatal(err)
	}
	sg1, sg2, bob := c.Peer("sg1"), c.Peer("sg2"), c.Peer("bob")
	web := c.Transport[0]
	checks := map[string]bool{
		"node":            c.Node == "alice" && c.Forwarding && c.Default == policy.Bypass,
		"tun":             fmt.Sprint(c.Tun.Addresses) == "[10.200.0.1/32 fd00::1/128]",
		"default socket":  c.Control.Socket == "/run/warren/alice.sock",
		"default ports":   c.Listen.IKE == 500 && c.Listen.NATT == 4500,
		"workers":         c.Limits.Workers == 0 && c.Offloads == allOffloads,
		"default limits":  c.Limits.Depth == 8 && c.Limits.Flows == 1<<20 && c.Limits.QueueBytes == 256<<10,
		"profile":         sg1.Profile.Name == "fast" && sg1.Profile.Suite().String() == "aes128gcm16-esn",
		"default profile": sg2.Profile.Name == "default" && len(sg2.Profile.IKE) > 0,
		"rekey":           sg1.Profile.Rekey == Rekey{4 * time.Hour, 24 * time.Hour, time.Hour, 64 << 30, 1000000},
		"virtual ip":      sg1.VirtualIP4 && sg1.VirtualIP6 && !sg1.Want4.IsValid(),
		"wanted ip":       sg2.VirtualIP4 && sg2.VirtualIP6 && sg2.Want4 == netip.MustParseAddr("10.99.2.2") && !sg2.Want6.IsValid(),
		"no virtual ip":   !bob.VirtualIP4 && !bob.VirtualIP6,
		"encap":           sg1.Encap == EncapAuto && bob.Encap == EncapESP,
		"childless":       sg1.Childless == ChildlessPrefer && sg2.Childless == ChildlessNever,
		"mobike":          sg1.MOBIKE && !bob.MOBIKE && c.Accept[0].MOBIKE,
		"resumption":      sg1.Resumption && !bob.Resumption && c.Accept[0].Resumption,
		"liveness":        sg1.Liveness == time.Minute && sg2.Liveness == 10*time.Second,
		"window":          sg1.ReplayWindow == 4096 && sg2.ReplayWindow == 128,
		"remote ts":       policy.FormatSelectors(bob.RemoteTS) == "203.0.113.0/24" && len(sg1.RemoteTS) == 2,
		"peer in match":   fmt.Sprint(web.Match.Dst) == "[203.0.113.77/32 2001:db8::77/128]",
		"protocols":       slices.Equal(web.Match.Proto, []uint8{6, 17}),
		"ports":           fmt.Sprint(web.Match.DstPorts, web.Match.SrcPorts) == "[443 5000-5999] [1024-65535]",
		"start and idle":  web.Start == policy.Now && web.Idle == 10*time.Minute && web.Peer == "bob",
		"position":        strings.HasSuffix(web.Pos, "alice.yaml:13:7"),
		"only identity":   sg2.Identity.Name == "outer" && string(sg2.PSK) == marker,
		"accept":          len(c.Accept) == 1 && c.Accept[0].Tunnel && !c.Accept[0].Transport && len(c.Accept[0].Pool) == 2,
		"quoted secret":   string(c.Accept[0].Secrets["dave@example"]) == marker+"2",
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("%s is not as written", name)
		}
	}
	if _, ok := c.Accept[0].Secret("eve.example"); ok {
		t.Error("an identity without a line in secrets_file has a secret")
	}
}

// TestOffloads reads the ways to write them.
func TestOffloads(t *testing.T) {
	for text, want := range map[string]Offloads{
		"all": allOffloads, "none": {}, "[]": {}, "gso": {GSO: true},
		"[tso, gro]": {TSO: true, GRO: true}, "[tso, uso, gso, gro]": {TSO: true, USO: true, GSO: true, GRO: true}, "io_uring": {Ring: true},
	} {
		c, err := Load(write(t, good+"offloads: "+text+"\nlimits: {workers: 3}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Offloads != want || c.Limits.Workers != 3 {
			t.Errorf("offloads: %s is %+v with %d workers, want %+v", text, c.Offloads, c.Limits.Workers, want)
		}
	}
}

// TestResolver: the rules of a configuration lead where they say.
func TestResolver(t *testing.T) {
	c, err := Load(write(t, good))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Resolver().Resolve(packet.Flow{Src: netip.MustParseAddr("10.200.0.1"), Dst: netip.MustParseAddr("203.0.113.77"),
		Proto: 6, SrcPort: 40000, DstPort: 443})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range res.Pending.Actions() {
		got = append(got, a.Peer)
	}
	if strings.Join(got, " ") != "sg1 sg2 bob" {
		t.Errorf("pending stack is %v, want sg1 sg2 bob", got)
	}
}

// edit is good with old replaced by new.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if !strings.Contains(good, old) {
		t.Fatalf("%q is not in the good configuration", old)
	}
	return strings.Replace(good, old, new, 1)
}

// TestProblems makes one mistake after another, and asks for the place, the
// message and the way out of each.
func TestProblems(t *testing.T) {
	tests := map[string]struct {
		old, new string
		at       string // what the caret is below, to the end of the line or shorter
		message  string
		fix      string
	}{
		"unknown key":            {"virtual_ip: true", "virtual_iq: true", "virtual_iq: true", `unknown key "virtual_iq" in peer sg1`, `write "virtual_ip"`},
		"unknown top key":        {"forwarding: true", "fowarding: true", "fowarding: true", `unknown key "fowarding"`, `write "forwarding"`},
		"key of another place":   {"encap: auto", "mtu: 1400", "mtu: 1400", `unknown key "mtu"`, "computed"},
		"id of a daemon":         {"encap: auto", "remote_id: gw", "remote_id: gw", `unknown key "remote_id"`, `write "id"`},
		"own id in a peer":       {"encap: auto", "local_id: me", "local_id: **", `unknown key "local_id"`, "identity: NAME"},
		"key twice":              {"forwarding: true", "forwarding: true\nforwarding: false", "forwarding: false", "second time; the first is on line 21", "keep one"},
		"no node name":           {"{name: alice}", "{}", "{}", "node has no name", "name: NAME"},
		"mapping expected":       {"node: {name: alice}", "node: alice", "alice", "node is text where a mapping is expected", "key: value"},
		"empty value":            {"forwarding: true", "forwarding:", "forwarding:", "forwarding is empty", "write a value"},
		"address":                {"address: 192.0.2.1", "address: 192.0.2.300", "192.0.2.300", `"192.0.2.300", not an IP address`, "like 192.0.2.1"},
		"host name":              {"address: 192.0.2.1", "address: sg1.example", "sg1.example", "not an IP address", "names are not looked up"},
		"no address":             {"address: 192.0.2.1, ", "", "{id: sg1.example, iden", "peer sg1 has no address", "add address"},
		"no id":                  {"id: sg1.example, ", "", "{address: 192.0.2.1, i", "peer sg1 has no id", "id: sg1.example"},
		"unknown identity":       {"identity: outer", "identity: oter", "oter", `"oter", which is not there`, "write outer"},
		"unknown profile":        {"profile: fast", "profile: slow", "slow", `"slow", which is not there`, "fast, or add slow"},
		"certificate":            {"psk_file: outer.psk}", "psk_file: outer.psk, cert: a.crt}", "a.crt", "a.crt: cannot read it: no such file", "in PEM or DER"},
		"distinguished name":     {"id: alice.example", `id: "XX=alice"`, `"XX=alice"`, "no attribute type", "write a name"},
		"proposal":               {"esp: [aes128gcm16-esn]", "esp: [aes128cbc]", "aes128cbc", `unknown algorithm "aes128cbc"`, "dashes"},
		"weak cipher of esp":     {"esp: [aes128gcm16-esn]", "esp: [3des-sha1]", "3des-sha1", "\"3des\" is not implemented: it is weak", "aes128-sha256 for old peers"},
		"weak hash of esp":       {"esp: [aes128gcm16-esn]", "esp: [aes128gcm16, aes128-sha1]", "aes128-sha1", "\"sha1\" is not implemented", "old peers"},
		"duration without unit":  {"time: 1h", "time: 3600", "3600", `"3600", not a duration`, "like 3600s"},
		"size":                   {"64GiB", "64 lots", "64 lots", "not a size", "64GiB"},
		"encap":                  {"encap: auto", "encap: upd", "upd", `"upd"`, "write udp"},
		"small window":           {"replay_window: 128", "replay_window: 32", "32", "32, out of range", "64 to 65536"},
		"unknown peer in match":  {"dst: bob", "dst: bop", "bop", `"bop", an unknown peer`, "write bob"},
		"prefix with host bits":  {"match: {dst: 203.0.113.0/24}, action", "match: {dst: 203.0.113.7/24}, action", "203.0.113.7/24", "bits set after the prefix", "203.0.113.0/24 or 203.0.113.7"},
		"not a prefix":           {"match: {dst: 203.0.113.0/24}, action", "match: {dst: 203.0.113.0/42}, action", "203.0.113.0/42", "neither a prefix nor", "write a prefix"},
		"protocol":               {"[tcp, 17]", "[tpc, 17]", "tpc", `"tpc", not an IP protocol`, "tcp"},
		"ports without protocol": {"[tcp, 17]", "icmp", "[443", "it has no ports", "delete the ports"},
		"port":                   {"5000-5999", "5000-99999", "5000-99999", "not a port", "range"},
		"port range backwards":   {"5000-5999", "5999-5000", "5999-5000", "ends before it begins", "5000-5999"},
		"action":                 {"action: plain", "action: plan", "plan", `"plan"`, "write plain"},
		"protect without a peer": {"peer: bob, ", "", "{name: web, match: {ds", "does not say with which peer", "add peer"},
		"peer without protect":   {"action: plain", "action: plain, peer: bob", "bob", "no meaning with action plain", "delete it"},
		"start without a chain":  {"action: plain", "action: bypass, start: now", "now", "there is no chain", "delete it"},
		"unknown gateway":        {"via: sg2", "via: sg9", "sg9", `"sg9", an unknown peer`, "write sg1"},
		"rule twice":             {"name: rest", "name: web", "web", "web is here a second time", "another name"},
		"rule called all":        {"name: rest", "name: all", "all", "all chains", "another name"},
		"protect others":         {"dst: bob, proto", "dst: [bob, 203.0.113.78], proto", "match: {dst: [bob", "that are not bob's", "dst: bob"},
		"unreachable rule":       {"    - {name: rest,", "    - {name: wide, action: plain}\n    - {name: rest,", "{name: rest, match: {d", "unreachable: wide on line 14", "move it above"},
		"cycle":                  {"via: sg1}", "via: sg1}\n    - {match: {dst: sg1}, via: sg2}", "{match: {dst: sg1}, vi", "gateway sg2 would be reached through itself", "narrow"},
		"selectors":              {"profile: fast", "profile: fast, remote_ts: [10.0.0.0/8]", "remote_ts: [10.0.0.0/8", "does not cover 198.51.100.1", "add 198.51.100.1/32"},
		"pool overlap":           {"\nforwarding", "\n  - {name: two, ids: x, pool: 10.99.1.128/25}\nforwarding", "pool: 10.99.1.128/25", "overlaps pool 10.99.1.0/24 of road", "of its own"},
		"accept twice":           {"\nforwarding", "\n  - {name: road, ids: x}\nforwarding", "road", "second time", "another name"},
		"pattern":                {`ids: "*.example"`, `ids: "[x"`, `"[x"`, "not a pattern", "*.example"},
		"no secrets file":        {"clients.psk", "none.psk", "none.psk", "none.psk: cannot read it: no such file", "mode 0600"},
		"metrics":                {"tun: {", "control: {metrics: 9466}\ntun: {", "9466", `"9466"`, "127.0.0.1:9466"},
		"device name":            {"name: warren0", "name: a-name-that-is-too-long", "a-name-that-is-too-long", "too long for a device", "15"},
		"source of other family": {"encap: auto", "source: fd00::7", "source: fd00::7", "source of peer sg1 is fd00::7", "family of 192.0.2.1"},
		"several addresses":      {"address: 192.0.2.1", "address: [192.0.2.1, 192.0.2.2]", "[192.0.2.1", "several addresses of one family", "keep one"},
		"not yaml":               {"node: {name: alice}", "node: {name: alice", "tun: {name: warren0", "not YAML", "brackets"},
		"alias":                  {"forwarding: true", "forwarding: *yes", "*yes", "anchors", "itself"},
		"depth":                  {"tun: {", "limits: {depth: 1}\ntun: {", "{match: {dst: sg2}, vi", "more than 1 tunnels", "limits.depth"},
		"no worker":              {"tun: {", "limits: {workers: 0}\ntun: {", "0", "out of range", "1 to 64"},
		"unknown offload":        {"tun: {", "offloads: [tso, lro]\ntun: {", "lro", `"lro"`, "write"},
		"all among others":       {"tun: {", "offloads: [tso, all]\ntun: {", "all", `"all"`, "write"},
		"uso without tso":        {"tun: {", "offloads: [uso, gso]\ntun: {", "[uso", "uso without tso", "add tso"},
		"path of the socket":     {"tun: {", "control: {socket: /" + strings.Repeat("x", 120) + "}\ntun: {", "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "at most 107", "shorter"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := Check(write(t, edit(t, tt.old, tt.new)), Options{})
			i := slices.IndexFunc(problems, func(p Problem) bool { return strings.Contains(p.Message, tt.message) })
			if i < 0 {
				t.Fatalf("nothing says %q:\n%s", tt.message, problems.Detail())
			}
			p := problems[i]
			if at := string([]rune(p.Source)[p.Column-1:]); !strings.HasPrefix(at, tt.at) {
				t.Errorf("the caret is below %q, want %q", at, tt.at)
			}
			if !strings.Contains(p.Fix, tt.fix) {
				t.Errorf("the way out is %q, want %q", p.Fix, tt.fix)
			}
			if p.Severity != SeverityError {
				t.Errorf("it is a %s", p.Severity)
			}
			if errs := problems.Errors(); len(errs) > 1 && name != "certificate" && name != "unreachable rule" && name != "cycle" {
				t.Errorf("one mistake, %d errors:\n%s", len(errs), problems.Detail())
			}
		})
	}
}

// TestSecretModes: what others may read is refused, and the way out is named.
func TestSecretModes(t *testing.T) {
	path := write(t, good)
	dir := filepath.Dir(path)
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod("alice.yaml", 0o644) // holds no secret itself
	if _, err := Load(path); err != nil {
		t.Errorf("Load = %v", err)
	}
	chmod("outer.psk", 0o640)
	chmod("clients.psk", 0o604)
	_, problems := Check(path, Options{})
	text := problems.Detail()
	for _, want := range []string{"chmod 600 " + dir + "/outer.psk", "chmod 600 " + dir + "/clients.psk", "(mode 0640)", "(mode 0604)"} {
		if !strings.Contains(text, want) {
			t.Errorf("problems lack %q:\n%s", want, text)
		}
	}
	inline := write(t, edit(t, "psk_file: outer.psk", "psk: "+marker))
	if _, err := Load(inline); err != nil {
		t.Errorf("Load = %v", err)
	}
	if err := os.Chmod(inline, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := Load(inline)
	if err == nil || !strings.Contains(err.Error(), "chmod 600 "+inline) || strings.Contains(err.Error(), marker) {
		t.Errorf("Load of a readable file with a secret = %v", err)
	}
	if _, err := LoadWith(inline, Options{NoSecrets: true}); err != nil {
		t.Errorf("without secrets it is refused: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"short secret":     {"psk_file: outer.psk", "psk: short", "shorter than 16"},
		"unused identity":  {"identities:", "identities:\n  spare: {id: x, psk: " + marker + "}", "identity spare is not used"},
		"unused profile":   {"profiles:", "profiles:\n  spare: {}", "profile spare is not used"},
		"ICV of 8 bytes":   {"esp: [aes128gcm16-esn]", "esp: [aes256gcm16, aes256gcm8-esn]", "aes256gcm8-esn has an ICV of 8 bytes, which RFC 8221 does not recommend"},
		"birthday limit":   {"esp: [aes128gcm16-esn], rekey: {time: 1h, ike: 4h, reauth: 24h, bytes: 64GiB", "esp: [aes128gcm16-esn, aes128-sha256], rekey: {bytes: 5000TiB", "replaced before they carry so much"},
		"no way in":        {"action: protect, peer: bob, start: now, idle: 10m}\n    - {name: rest, match: {dst: 203.0.113.0/24}, action: plain}", "action: bypass}", "tunnel rules are not used: no transport rule"},
		"plain for nobody": {"    - {name: rest,", "    - {name: open, match: {dst: 10.9.9.9}, action: plain}\n    - {name: rest,", "rule open is plain, but no tunnel"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := edit(t, tt.old, tt.new)
			if name == "unused identity" {
				text = strings.ReplaceAll(text, "id: sg2.example,", "id: sg2.example, identity: outer,")
				text = strings.ReplaceAll(text, "id: bob.example,", "id: bob.example, identity: outer,")
				text = strings.ReplaceAll(text, "name: road,", "name: road, identity: outer,")
			}
			c, err := Load(write(t, text))
			if err != nil {
				t.Fatalf("a warning stops: %v", err)
			}
			if !strings.Contains(c.Warnings.Detail(), tt.want) {
				t.Errorf("warnings lack %q:\n%s", tt.want, c.Warnings.Detail())
			}
		})
	}
}

// TestNoWarnings: what RFC 8221 recommends, and limits that are not too high, are
// nothing to warn of.
func TestNoWarnings(t *testing.T) {
	for _, new := range []string{
		"esp: [aes256-sha512-esn, aes128-sha256, aes192gcm12], rekey: {bytes: 4096TiB",
		"esp: [aes128gcm16-esn], rekey: {bytes: 5000TiB",
	} {
		c, err := Load(write(t, edit(t, "esp: [aes128gcm16-esn], rekey: {time: 1h, ike: 4h, reauth: 24h, bytes: 64GiB", new)))
		if err != nil || len(c.Warnings) != 0 {
			t.Errorf("%s: %v, %s", new, err, c.Warnings.Detail())
		}
	}
}

// TestProfileSuite: explain counts with the suite that is wanted most.
func TestProfileSuite(t *testing.T) {
	for list, want := range map[string]string{
		"aes128gcm16-esn":                "aes128gcm16-esn",
		"aes256-sha512-sha256-noesn-esn": "aes256-sha512",
		"aes192gcm8-aes128gcm16-esn":     "aes192gcm8-esn",
		"chacha20poly1305, aes128":       "chacha20poly1305",
		"aes128gcm12, aes128-sha384":     "aes128gcm12",
		"aes256-aes128-sha384-esn-noesn": "aes256-sha384-esn",
	} {
		c, problems := Check(write(t, edit(t, "esp: [aes128gcm16-esn]", "esp: ["+list+"]")), Options{})
		if got := c.Peer("sg1").Profile.Suite().String(); got != want {
			t.Errorf("%s: %s, want %s; %s", list, got, want, problems.Detail())
		}
	}
}

// TestSecretsStayHidden looks for a secret wherever a user or a log could see
// it, with the secret in every place where a configuration can hold it.
func TestSecretsStayHidden(t *testing.T) {
	texts := map[string]string{
		"good":          good,
		"inline":        edit(t, "psk_file: outer.psk", "nonsense: 1, psk: "+marker),
		"quoted":        edit(t, "psk_file: outer.psk", `psk: "`+marker+`", nonsense: 1`),
		"misspelt":      edit(t, "psk_file: outer.psk", "pks: "+marker),
		"other word":    edit(t, "psk_file: outer.psk", "credential: "+marker),
		"own line":      edit(t, "{id: alice.example, psk_file: outer.psk}", "\n    id: 1.2\n    bad: 1\n    psk: "+marker),
		"folded":        edit(t, "{id: alice.example, psk_file: outer.psk}", "\n    id: a\n    psk: |\n      "+marker+"\n      "+marker+"\n    bad: 1"),
		"a list":        edit(t, "psk_file: outer.psk", "psk: ["+marker+"]"),
		"not yaml":      edit(t, "psk_file: outer.psk}", "psk: "+marker),
		"open quote":    edit(t, "psk_file: outer.psk}", `psk: "`+marker),
		"peer's":        edit(t, "encap: auto", "psk: "+marker+", encap: oops"),
		"quoted key":    edit(t, "psk_file: outer.psk", `"psk": `+marker+", oops: 1"),
		"both":          edit(t, "psk_file: outer.psk", "psk: "+marker+", psk_file: outer.psk"),
		"key and colon": edit(t, "psk_file: outer.psk", "bad: 1, psk : "+marker),
		"after a map":   edit(t, "psk_file: outer.psk", "psk: {x: "+marker+"}"),
		"ppk":           edit(t, "encap: auto", "ppk: {id: x, secret: "+marker+", nonsense: 1}"),
		"eap":           edit(t, "psk_file: outer.psk", "eap: {user: x, password: "+marker+", nonsense: 1}"),
		"eap's key":     edit(t, "psk_file: outer.psk", "eap: {user: x, key: "+marker+"}"),
		"eap for psk":   edit(t, "psk_file: outer.psk", "eap: "+marker),
		"ppk for psk":   edit(t, "psk_file: outer.psk", "ppk: "+marker),
		"ppk's key":     edit(t, "encap: auto", "ppk: {id: x, key: "+marker+"}"),
		"ppk in lines":  edit(t, "{id: alice.example, psk_file: outer.psk}", "\n    id: a\n    psk_file: outer.psk\n    ppk:\n      id: 1\n      secret: "+marker+"\n      bad: 1"),
		"line of its own": edit(t, "{id: alice.example, psk_file: outer.psk}",
			"\n    id: a\n    psk:\n      "+marker+"\n    bad: 1"),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			c, problems := Check(write(t, text), Options{})
			raw, err := json.Marshal(problems)
			if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "p", problems)
			whole, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			ids := ""
			for _, id := range c.Identities {
				ids += fmt.Sprintf("%v %+v %#v %s %q %x", *id, *id, *id, id.PSK, id.PSK, id.PSK)
				ids += fmt.Sprintf("%+v %#v", id.PPK, id.PPK)
			}
			for _, p := range c.Peers {
				ids += fmt.Sprintf("%+v %#v", p.PPK, p.PPK)
			}
			for where, seen := range map[string]string{"detail": problems.Detail(), "error": problems.Error(), "json": string(raw),
				"log": log.String(), "config": string(whole), "printed": fmt.Sprintf("%+v", *c), "identities": ids} {
				if strings.Contains(seen, marker) || strings.Contains(seen, fmt.Sprintf("%x", marker)) {
					t.Errorf("%s shows the secret: %s", where, seen)
				}
			}
		})
	}
}

// TestReference: every key of the good configuration is in the table, and no
// key twice in a section.
func TestReference(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Reference() {
		name := k.Section + "." + k.Name
		if seen[name] {
			t.Errorf("%s is in the reference twice", name)
		}
		seen[name] = true
		if k.Value == "" || k.Text == "" {
			t.Errorf("%s is not described", name)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"address", "id", "identity", "virtual_ip"}
	for name, want := range map[string]string{"adress": "address", "addr": "", "Address": "address", "identiy": "identity", "di": "id", "zzz": ""} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
