package lab

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Config is a warren configuration to be written for one node. It holds what
// labs vary; what is left empty is left out, so that warren's defaults hold.
type Config struct {
	Name       string
	Tun        []string // addresses of the TUN device
	Listen     string   // address of its sockets
	IKE, NATT  uint16   // and their ports
	Metrics    string   // host:port
	ID         string   // the node's identity towards everybody
	PSK        string   // and its secret, for peers and entries without their own
	Identities []Identity
	Peers      []Peer
	Transport  []TransportRule
	Tunnel     []TunnelRule
	Default    string // bypass or discard
	Accept     []Accept
	Forwarding bool
	Mode       Mode
	Log        string // least level of its log lines; empty is info
	KeyExport  bool   // allow_key_export

	Profile    *Profile // for every peer and accept entry without its own
	Liveness   time.Duration
	Retransmit *Retransmit
	RetryMin   time.Duration // pause after a first failure
	RetryMax   time.Duration
}

// An Identity is a further one of the node, with its own way to prove itself, and
// what proves its peers: a certificate and an authority, in PEM, or PSK. As
// initiator it may prove itself by EAP instead.
type Identity struct {
	Name, ID      string
	PSK           string
	Cert, Key, CA []byte
	EAP           *EAP
}

// EAP is how an initiator proves itself: by a password, with EAP-MSCHAPv2, or by
// its certificate, with EAP-TLS.
type EAP struct {
	User, Password string // no password is EAP-TLS
}

// fields are those of an identity's eap, whose password is in a file named after it.
func (e *EAP) fields(name string) string {
	switch {
	case e == nil:
		return ""
	case e.Password == "":
		return fields("method", "tls", "user", quoted(e.User))
	}
	return fields("user", quoted(e.User), "password_file", name+".password")
}

// A Peer is a gateway or receiver that the node reaches out to.
type Peer struct {
	Name, Address, ID string
	Identity          string // the name of one of Identities; empty means the node's
	PSK               string // its own secret; empty means the identity's
	VirtualIP         string // true, an address, or empty
	Encap             string // auto, udp, esp, or empty
	RemoteTS          []string
	Profile           *Profile // its own; nil means the node's
	PPK               *PPK
	Childless         string // never, prefer, force, or empty
	IKEPort, NATTPort uint16 // 0 means the usual ones
}

// A PPK is a post-quantum pre-shared key.
type PPK struct {
	ID, Secret string
	Optional   bool
}

// fields are those of a peer's ppk, whose secret is in a file named after it.
func (p *PPK) fields(name string) string {
	if p == nil {
		return ""
	}
	return fields("id", p.ID, "file", name+".ppk", "required", fmt.Sprint(!p.Optional))
}

// A TransportRule is a line of rules.transport.
type TransportRule struct {
	Name   string
	Match  string // "dst: bob, proto: tcp"
	Action string
	Peer   string
	Start  string
	Idle   time.Duration
}

// A TunnelRule is a line of rules.tunnel.
type TunnelRule struct{ Match, Via string }

// Accept is what a gateway or receiver answers.
type Accept struct {
	Name       string
	Identity   string // the name of one of Identities; empty means the node's
	IDs        []string
	Pool       []string
	Local      []string
	Modes      []string
	MOBIKE     string   // true, false, or empty
	Resumption string   // the same
	Profile    *Profile // its own; nil means the node's
	PPK        *PPK     // that peers may come with
	User       *EAP     // who may come in, by EAP-MSCHAPv2
}

// A Profile is one set of algorithms and lifetimes.
type Profile struct {
	IKE, ESP             []string
	RekeyIKE, RekeyChild time.Duration
	Reauth               time.Duration
}

// Retransmit is how often an unanswered IKE request is sent, and when.
type Retransmit struct {
	Tries int
	Base  time.Duration
}

// A writer builds YAML: block style outside, one flow mapping per entry.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// fields joins "key: value" pairs and leaves out those without a value.
func fields(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, pairs[i]+": "+pairs[i+1])
		}
	}
	return "{" + strings.Join(out, ", ") + "}"
}

func flow(values []string) string {
	if len(values) == 0 {
		return ""
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func number(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// YAML is the configuration file. Secrets and certificates are in files beside it,
// see files.
func (c Config) YAML(socket string) string {
	w := &writer{}
	w.line("node: {name: %s}", c.Name)
	w.line("tun: %s", fields("name", "warren0", "address", flow(c.Tun)))
	if listen := fields("address", quoted(c.Listen), "ike", number(c.IKE), "nat_t", number(c.NATT)); listen != "{}" {
		w.line("listen: %s", listen)
	}
	w.line("control: %s", fields("socket", socket, "metrics", c.Metrics))
	if c.Mode.Workers != 0 {
		w.line("limits: {workers: %d}", c.Mode.Workers)
	}
	if len(c.Mode.Offloads) > 0 {
		w.line("offloads: %s", flow(c.Mode.Offloads))
	}
	if c.Liveness != 0 {
		w.line("liveness: %v", c.Liveness)
	}
	if r := c.Retransmit; r != nil {
		w.line("retransmit: {tries: %d, base: %v}", r.Tries, r.Base)
	}
	if c.RetryMin != 0 {
		w.line("retry: {min: %v, max: %v}", c.RetryMin, max(c.RetryMin, c.RetryMax))
	}
	c.identities(w)
	c.profiles(w)
	c.peers(w)
	c.rules(w)
	c.accept(w)
	if c.KeyExport {
		w.line("allow_key_export: true")
	}
	if c.Forwarding {
		w.line("forwarding: true")
	}
	return w.String()
}

func (c Config) identities(w *writer) {
	w.line("identities:")
	for _, id := range append([]Identity{{Name: "self", ID: c.ID, PSK: c.PSK}}, c.Identities...) {
		if id.ID != "" {
			w.line("  %s: %s", id.Name, fields("id", fmt.Sprintf("%q", id.ID), "psk_file", fileOf(id.Name, "psk", []byte(id.PSK)),
				"cert", fileOf(id.Name, "crt", id.Cert), "key", fileOf(id.Name, "key", id.Key), "ca", fileOf(id.Name, "ca", id.CA), "eap", id.EAP.fields(id.Name)))
		}
	}
}

// profiles writes the node's, and those that peers and accept entries have to
// themselves.
func (c Config) profiles(w *writer) {
	own := map[string]*Profile{"lab": c.Profile}
	for _, p := range c.Peers {
		own["peer-"+p.Name] = p.Profile
	}
	for _, a := range c.Accept {
		own["accept-"+a.Name] = a.Profile
	}
	maps.DeleteFunc(own, func(_ string, p *Profile) bool { return p == nil })
	if len(own) == 0 {
		return
	}
	w.line("profiles:")
	for _, name := range slices.Sorted(maps.Keys(own)) {
		w.line("  %s: %s", name, own[name].fields())
	}
}

// profile names the profile that is p, or else the node's.
func (c Config) profile(name string, p *Profile) string {
	switch {
	case p != nil:
		return name
	case c.Profile != nil:
		return "lab"
	}
	return ""
}

func (p Profile) fields() string {
	rekey := fields("ike", duration(p.RekeyIKE), "time", duration(p.RekeyChild), "reauth", duration(p.Reauth))
	if rekey == "{}" {
		rekey = ""
	}
	return fields("ike", flow(p.IKE), "esp", flow(p.ESP), "rekey", rekey)
}

func (c Config) peers(w *writer) {
	if len(c.Peers) == 0 {
		return
	}
	w.line("peers:")
	for _, p := range c.Peers {
		w.line("  %s: %s", p.Name, fields("address", fmt.Sprintf("%q", p.Address), "id", fmt.Sprintf("%q", p.ID),
			"identity", orDefault(p.Identity, "self"), "psk_file", fileOf(p.Name, "psk", []byte(p.PSK)), "profile", c.profile("peer-"+p.Name, p.Profile), "virtual_ip", p.VirtualIP, "encap", p.Encap,
			"remote_ts", flow(p.RemoteTS), "ppk", p.PPK.fields(p.Name), "childless", p.Childless,
			"ike", number(p.IKEPort), "nat_t", number(p.NATTPort)))
	}
}

func (c Config) rules(w *writer) {
	if len(c.Transport)+len(c.Tunnel) == 0 && c.Default == "" {
		return
	}
	w.line("rules:")
	if len(c.Transport) > 0 {
		w.line("  transport:")
	}
	for _, r := range c.Transport {
		w.line("    - %s", fields("name", r.Name, "match", "{"+r.Match+"}", "action", r.Action, "peer", r.Peer,
			"start", r.Start, "idle", duration(r.Idle)))
	}
	if len(c.Tunnel) > 0 {
		w.line("  tunnel:")
	}
	for _, r := range c.Tunnel {
		w.line("    - %s", fields("match", "{"+r.Match+"}", "via", r.Via))
	}
	if c.Default != "" {
		w.line("  default: %s", c.Default)
	}
}

func (c Config) accept(w *writer) {
	if len(c.Accept) == 0 {
		return
	}
	w.line("accept:")
	for _, a := range c.Accept {
		ppks, required := "", ""
		if a.PPK != nil {
			ppks, required = a.Name+".ppk", fmt.Sprint(!a.PPK.Optional)
		}
		users := ""
		if a.User != nil {
			users = a.Name + ".users"
		}
		w.line("  - %s", fields("name", a.Name, "identity", orDefault(a.Identity, "self"), "ids", flow(a.IDs), "pool", flow(a.Pool),
			"local", flow(a.Local), "modes", flow(a.Modes), "mobike", a.MOBIKE, "resumption", a.Resumption, "profile", c.profile("accept-"+a.Name, a.Profile),
			"ppk_file", ppks, "ppk_required", required, "users_file", users))
	}
}

// fileOf is the name of the file for something, or nothing without it.
func fileOf(name, kind string, content []byte) string {
	if len(content) == 0 {
		return ""
	}
	return name + "." + kind
}

// files maps the names of the files beside the configuration to what they hold.
func (c Config) files() map[string]string {
	files := make(map[string]string)
	add := func(name, kind string, content []byte) {
		if len(content) > 0 {
			files[fileOf(name, kind, content)] = string(content)
		}
	}
	add("self", "psk", []byte(c.PSK))
	for _, id := range c.Identities {
		add(id.Name, "psk", []byte(id.PSK))
		add(id.Name, "crt", id.Cert)
		add(id.Name, "key", id.Key)
		add(id.Name, "ca", id.CA)
		if id.EAP != nil {
			add(id.Name, "password", []byte(id.EAP.Password))
		}
	}
	for _, p := range c.Peers {
		add(p.Name, "psk", []byte(p.PSK))
		if p.PPK != nil {
			add(p.Name, "ppk", []byte(p.PPK.Secret+"\n"))
		}
	}
	for _, a := range c.Accept {
		if a.PPK != nil {
			add(a.Name, "ppk", []byte(a.PPK.ID+": "+a.PPK.Secret+"\n"))
		}
		if a.User != nil {
			add(a.Name, "users", []byte(a.User.User+": "+a.User.Password+"\n"))
		}
	}
	return files
}
