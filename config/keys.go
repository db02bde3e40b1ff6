package config

import (
	"fmt"
	"strings"
)

// A Key is one line of the configuration reference. The same table says which
// keys are known, so the reference is complete.
type Key struct {
	Section string // "" is the top; "peers.*" a member of peers; "accept[]" an entry of accept
	Name    string
	Value   string // what to write, in short
	Default string
	Text    string
}

// Reference lists every key of a configuration.
func Reference() []Key {
	return append(append(append(nodeKeys(), identityKeys()...), peerKeys()...), ruleKeys()...)
}

func nodeKeys() []Key {
	return []Key{
		{"", "node", "mapping", "", "who this is"},
		{"", "tun", "mapping", "", "the device that applications see"},
		{"", "listen", "mapping", "", "the node's own sockets"},
		{"", "control", "mapping", "", "how to talk to the node"},
		{"", "limits", "mapping", "", "what traffic may make the node remember"},
		{"", "retransmit", "mapping", "", "how often an unanswered IKE request is repeated"},
		{"", "retry", "mapping", "", "how long a failed chain waits"},
		{"", "identities", "mapping", "", "by name: who this node is, and its secrets"},
		{"", "profiles", "mapping", "", "by name: algorithms and lifetimes; one called `default` is for all that name none"},
		{"", "peers", "mapping", "", "by name: gateways and receivers"},
		{"", "rules", "mapping", "", "what happens to which packet"},
		{"", "accept", "list", "", "what this node answers as a gateway or receiver"},
		{"", "offloads", "all, none, or a list of tso, uso, gso, gro, io_uring", "all", "which helps of the kernel may be used where they are there: TCP and UDP super-packets on the TUN, runs of UDP datagrams sent and received at once, several packets read from the TUN at once"},
		{"", "forwarding", "true or false", "false", "a gateway: let the kernel forward between its interfaces"},
		{"", "allow_key_export", "true or false", "false", "for debugging only: let whoever may use the control socket have the keys of SAs (`warren show keys`), and core dumps hold them"},
		{"", "liveness", "duration, 0 is off", "30s", "silence after which a peer is asked whether it is there"},
		{"", "replay_window", "64 to 65536", "4096", "replay window in packets"},

		{"node", "name", "name", "needed", "the node's name"},

		{"tun", "name", "name", "warren0", "of the device, at most 15 characters"},
		{"tun", "address", "address or prefix, or a list", "", "the addresses that applications bind to; they never change"},

		{"listen", "address", "address, or a list", "all", "where the sockets are bound"},
		{"listen", "ike", "port", "500", "for IKE, inside of layers as well"},
		{"listen", "nat_t", "port", "4500", "for ESP in UDP and IKE beside it, likewise"},

		{"control", "socket", "path", "/run/warren/NAME.sock", "the control socket"},
		{"control", "metrics", "host:port", "off", "where Prometheus finds /metrics"},

		{"limits", "workers", "1 to 64", "one per CPU, at most 4", "threads that move packets, each with queues of its own; what one peer sends is always one worker's"},
		{"limits", "depth", "1 to 8", "8", "tunnels in one chain"},
		{"limits", "flows", "number", "1048576", "entries of the flow caches"},
		{"limits", "queue", "size", "256KiB", "packets held while chains are built"},
		{"limits", "queue_packets", "number", "1024", "the same, in packets"},
		{"limits", "queue_ttl", "duration", "5s", "how long a held packet is worth sending"},
		{"limits", "half_open", "number", "4096", "sessions that peers have begun and not finished"},
		{"limits", "cookie_threshold", "number", "64", "half-open sessions from which on cookies are asked for"},
		{"limits", "init_rate", "number", "64", "requests for a session that are answered in a second to one address or IPv6 /64 that returns no cookie"},

		{"retransmit", "tries", "1 to 20", "5", "how often a request is sent in all"},
		{"retransmit", "base", "duration", "500ms", "wait after the first time"},
		{"retransmit", "factor", "1 to 10", "2", "each further wait is so many times longer"},

		{"retry", "min", "duration", "1s", "wait after the first failure"},
		{"retry", "max", "duration", "1m", "the longest wait; it doubles up to here"},
	}
}

func identityKeys() []Key {
	return []Key{
		{"identities.*", "id", "identity", "needed", "name, address, user@host, distinguished name like `CN=alice`, or keyid:TEXT"},
		{"identities.*", "psk", "text", "", "pre-shared key; the file must then be readable by its owner only"},
		{"identities.*", "psk_file", "path", "", "file with the pre-shared key, from this file's folder"},
		{"identities.*", "ppk", "mapping", "", "post-quantum pre-shared key (RFC 8784) for its peers"},
		{"identities.*", "cert", "path", "", "certificate that this node proves itself with, and those above it, in PEM; without one it does with the pre-shared key"},
		{"identities.*", "key", "path", "", "its private key: PKCS #8, PKCS #1 or SEC 1 in PEM, readable by its owner only"},
		{"identities.*", "ca", "path, or a list", "", "authorities whose certificates prove peers of this identity; without one peers do with the pre-shared key"},
		{"identities.*", "crl", "path, or a list", "", "revocation lists, beside those that certificates name by URL"},
		{"identities.*", "revocation", "soft, strict or off", "soft", "what to do where no current revocation list is to be had: believe, or refuse; `off` fetches none"},

		{"identities.*", "eap", "mapping", "", "how it proves itself to the gateways of its sessions, in place of certificate or pre-shared key (RFC 7296, Section 2.16); a gateway proves itself first, by `ca` or the pre-shared key"},

		{"eap", "method", "mschapv2 or tls", "mschapv2", "EAP-MSCHAPv2 by a password, or EAP-TLS by `cert` and `key`"},
		{"eap", "user", "text", "the identity's id", "the user's name"},
		{"eap", "password", "text", "", "the user's password; the file must then be readable by its owner only"},
		{"eap", "password_file", "path", "", "file with it, from this file's folder"},
		{"eap", "server", "identity", "the peer's", "what the server of EAP-TLS must prove to be by a certificate from `ca`"},

		{"ppk", "id", "text", "needed", "by which the peer knows it"},
		{"ppk", "secret", "text", "", "the key itself, of at least 256 bits; the file must then be readable by its owner only"},
		{"ppk", "file", "path", "", "file with it, from this file's folder"},
		{"ppk", "required", "true or false", "true", "refuse a session where the peer does not use it; else it is used where both ends have it"},

		{"profiles.*", "ike", "list of proposals", "aes256gcm16, chacha20poly1305, aes128gcm16", "for the IKE SA, the most wanted first, as in aes128gcm16-prfsha256-x25519"},
		{"profiles.*", "esp", "list of proposals", "aes256gcm16, chacha20poly1305, aes128gcm16", "for child SAs, as in aes128gcm16-esn; for old peers also AES-CBC with an HMAC, as in aes256-sha512 or aes128-sha256-esn, and short ICVs, as in aes256gcm12"},
		{"profiles.*", "rekey", "mapping", "", "when SAs are replaced"},

		{"profiles.*.rekey", "time", "duration", "1h", "age of a child SA"},
		{"profiles.*.rekey", "ike", "duration", "4h", "age of an IKE SA"},
		{"profiles.*.rekey", "reauth", "duration, 0 is off", "0", "age of a session at which its initiator authenticates anew, with another session in its place; it does before a certificate ends in any case"},
		{"profiles.*.rekey", "bytes", "size", "none", "carried by a child SA in one direction"},
		{"profiles.*.rekey", "packets", "number", "none", "the same, in packets"},
	}
}

func peerKeys() []Key {
	return []Key{
		{"peers.*", "address", "address, or a list", "needed", "where it is; one of each family"},
		{"peers.*", "id", "identity", "needed", "what it must prove to be"},
		{"peers.*", "identity", "name", "the only one", "who this node is to it"},
		{"peers.*", "profile", "name", "default", "algorithms and lifetimes"},
		{"peers.*", "psk", "text", "the identity's", "pre-shared key with this peer"},
		{"peers.*", "psk_file", "path", "the identity's", "file with it"},
		{"peers.*", "ppk", "mapping", "the identity's", "post-quantum pre-shared key (RFC 8784) with this peer"},
		{"peers.*", "virtual_ip", "true, false, ipv4, ipv6, address, or a list", "false", "ask the gateway for an address: any, or this one"},
		{"peers.*", "encap", "auto, udp or esp", "auto", "how ESP travels to it"},
		{"peers.*", "childless", "never, prefer or force", "never", "open the session without a child SA, which then comes with a key exchange of its own (RFC 6023): not, where the peer supports it, or always"},
		{"peers.*", "mobike", "true or false", "true", "keep its tunnel when this host's address changes (RFC 4555)"},
		{"peers.*", "resumption", "true or false", "true", "ask for tickets, kept in memory only, and resume interrupted sessions with them, without key exchange and credentials (RFC 5723)"},
		{"peers.*", "source", "address", "", "where packets to it come from if nothing was leased"},
		{"peers.*", "remote_ts", "prefix, or a list", "everything", "what its tunnel is for"},
		{"peers.*", "ike", "port", "500", "its port for IKE"},
		{"peers.*", "nat_t", "port", "4500", "its port for ESP in UDP"},
		{"peers.*", "liveness", "duration, 0 is off", "the node's", "silence after which it is asked whether it is there"},
		{"peers.*", "replay_window", "64 to 65536", "the node's", "replay window in packets"},

		{"accept[]", "name", "name", "needed", "for status and messages"},
		{"accept[]", "identity", "name", "the only one", "who this node is to those peers"},
		{"accept[]", "ids", "pattern, or a list", "needed", "which identities may come in; * stands for anything"},
		{"accept[]", "profile", "name", "default", "algorithms and lifetimes"},
		{"accept[]", "pool", "prefix, or a list", "", "addresses to lease"},
		{"accept[]", "local", "prefix, or a list", "everything", "what peers may reach through this node"},
		{"accept[]", "remote", "prefix, or a list", "its address", "what a peer without a lease may use as its own side"},
		{"accept[]", "modes", "tunnel, transport, or a list", "both", "what peers may ask for"},
		{"accept[]", "mobike", "true or false", "true", "let a peer keep its tunnel when its address changes (RFC 4555)"},
		{"accept[]", "resumption", "true or false", "true", "give tickets to peers, and let them resume interrupted sessions with them (RFC 5723)"},
		{"accept[]", "secrets_file", "path", "", "one `id: secret` a line, instead of the identity's own"},
		{"accept[]", "users_file", "path", "", "passwords of users, one `name: password` a line: peers prove themselves by EAP-MSCHAPv2, after this node, and `ids` are for the names of users; who calls itself something that they do not match is asked for its name"},
		{"accept[]", "ppk_file", "path", "", "post-quantum pre-shared keys (RFC 8784) that peers may come with, one `id: secret` a line, instead of the identity's own"},
		{"accept[]", "ppk_required", "true or false", "true, or the identity's", "refuse peers that come without one of them"},
		{"accept[]", "liveness", "duration, 0 is off", "the node's", "silence after which a peer is asked whether it is there"},
		{"accept[]", "replay_window", "64 to 65536", "the node's", "replay window in packets"},
	}
}

func ruleKeys() []Key {
	return []Key{
		{"rules", "transport", "list", "", "what happens to a packet itself; first match wins"},
		{"rules", "tunnel", "list", "", "which gateway it goes through, asked again for each gateway; first match wins"},
		{"rules", "default", "discard or bypass", "discard", "for packets that no transport rule matches"},

		{"rules.transport[]", "name", "name", "needed", "chains are named after it"},
		{"rules.transport[]", "match", "mapping", "everything", "which packets"},
		{"rules.transport[]", "action", "protect, plain, bypass or discard", "needed", "ESP transport mode with `peer`; only tunnels; leave alone; drop"},
		{"rules.transport[]", "peer", "name", "", "protect: with whom"},
		{"rules.transport[]", "start", "on-demand or now", "on-demand", "build the chain for the first packet, or when the node starts"},
		{"rules.transport[]", "idle", "duration", "never", "take a chain down that was not used for so long"},

		{"rules.tunnel[]", "match", "mapping", "everything", "which packets"},
		{"rules.tunnel[]", "via", "name", "needed", "the gateway"},

		{"match", "src", "prefix, address or peer, or a list", "any", "source"},
		{"match", "dst", "prefix, address or peer, or a list", "any", "destination"},
		{"match", "proto", "name or number, or a list", "any", "IP protocol"},
		{"match", "sport", "port or range, or a list", "any", "source port"},
		{"match", "dport", "port or range, or a list", "any", "destination port"},
	}
}

// keyNames are the keys that a section knows.
func keyNames(section string) []string {
	var names []string
	for _, k := range Reference() {
		if k.Section == section {
			names = append(names, k.Name)
		}
	}
	return names
}

// keyHint is the way out for keys that people try where no key is close.
func keyHint(section, key string) string {
	switch section + "/" + key {
	case "tun/mtu", "peers.*/mtu", "/mtu":
		return "delete it: the MTU is computed from the layers; see warren explain"
	case "peers.*/port":
		return "write ike: PORT, and nat_t: PORT for ESP in UDP"
	case "peers.*/remote_id", "peers.*/peer_id", "peers.*/rightid":
		return `write "id": who the gateway has to prove to be`
	case "peers.*/local_id", "peers.*/leftid":
		return "write it into the identity, as its id, and name that by identity: NAME"
	case "listen/port":
		return "write ike: PORT, and nat_t: PORT for ESP in UDP"
	case "rules.tunnel[]/peer", "rules.tunnel[]/gateway":
		return `write "via"`
	case "rules.transport[]/via":
		return "gateways go into rules.tunnel: {match: {...}, via: NAME}"
	case "match/port", "match/ports":
		return `write "dport" or "sport"`
	case "profiles.*.rekey/child":
		return `write "time"`
	case "accept[]/ppk":
		return "put it into the identity, or into ppk_file as `id: secret`"
	case "accept[]/psk", "accept[]/psk_file":
		return "put the secret into the identity, or into secrets_file as `id: secret`"
	}
	return ""
}

// ReferenceMarkdown is the reference as a table for the documentation.
func ReferenceMarkdown() string {
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, k := range Reference() {
		name := k.Name
		if k.Section != "" {
			name = k.Section + "." + k.Name
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, k.Value, k.Default, k.Text)
	}
	return b.String()
}
