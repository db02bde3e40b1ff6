package config

import (
	"crypto/x509"
	"net/netip"
	"time"

	"warren/ike/crypt"
	"warren/ike/trust"
	"warren/policy"
)

// Config is a whole configuration, checked, with every default filled in and
// every name resolved. It is not changed after Load.
type Config struct {
	Path string // of the file, as it was given

	Node       string // the node's name
	Tun        Tun
	Listen     Listen
	Control    Control
	Limits     Limits
	Offloads   Offloads
	Retransmit Retransmit
	Retry      Retry
	Identities []*Identity // in the order of the file
	Profiles   []*Profile  // the same, without the built-in one
	Peers      []*Peer
	Transport  []policy.TransportRule
	Tunnel     []policy.TunnelRule
	Default    policy.Action // Bypass or Discard
	Accept     []*Accept
	Forwarding bool

	// AllowKeyExport lets whoever may use the control socket have the keys of SAs.
	AllowKeyExport    bool
	AllowKeyExportPos string // where the file says so, or may

	Liveness     time.Duration // where peer and accept entry say nothing; 0 is off
	ReplayWindow int           // the same

	Warnings Problems // what is doubtful, but no error

	at map[any]map[string]place // keys of a *Peer, *Accept, *Profile or the name of a rule
}

// Tun is the device that applications see.
type Tun struct {
	Name      string
	Addresses []netip.Prefix // may be empty for a mere gateway
}

// Listen is where the node's own sockets are bound.
type Listen struct {
	Addresses []netip.Addr // unspecified addresses of both families if nothing was said
	IKE       uint16       // 500
	NATT      uint16       // 4500
}

// Control is the way to talk to the node.
type Control struct {
	Socket  string // path
	Metrics string // host:port; empty is off
}

// Limits bound what traffic can make the node remember.
type Limits struct {
	Workers         int           // threads that move packets; 0 is as many as do good here
	Depth           int           // tunnels in one chain
	Flows           int           // entries of the flow caches
	QueueBytes      int           // held packets while a chain is built
	QueuePackets    int           // the same, in packets
	QueueTTL        time.Duration // how long a held packet is worth sending
	HalfOpen        int           // IKE SAs that peers have begun and not finished
	CookieThreshold int           // half-open IKE SAs from which on cookies are asked for
	InitRate        int           // new sessions a second that one address may ask for without a cookie
}

// Retransmit is how often an unanswered IKE request is repeated: the first time
// after Base, then after Factor times as long as before.
type Retransmit struct {
	Tries  int // sent in all
	Base   time.Duration
	Factor float64
}

// Retry is how long a failed chain waits: Min, doubling up to Max.
type Retry struct{ Min, Max time.Duration }

// Identity is who this node is towards some of its peers.
type Identity struct {
	Name string
	ID   string
	PSK  Secret // nil if each peer or accept entry brings its own
	Pos  string // file:line:column, as in every type here
	PPK  *PPK   // nil without; peers may have their own
	EAP  *EAP   // how it proves itself as initiator; nil is by certificate or pre-shared key

	Cert  *trust.Credential   // its certificate and key; nil without, or if secrets were not read
	Chain []*x509.Certificate // the certificate, and those above it
	Trust *trust.Options      // what proves peers; nil without ca
	Files []CertFile          // where all that is from

	hasSecret bool // one was written, readable or not
	hasCert   bool
	hasCA     bool
}

// HasCert reports whether the identity proves itself with a certificate. If not,
// it does with a pre-shared key.
func (id *Identity) HasCert() bool { return id.hasCert }

// HasCA reports whether the identity's peers must prove themselves with
// certificates. If not, they do with a pre-shared key.
func (id *Identity) HasCA() bool { return id.hasCA }

// opensByPSK reports whether one of the two sides of a session that the identity
// opens uses a pre-shared key.
func (id *Identity) opensByPSK() bool { return !id.hasCA || !id.hasCert && id.EAP == nil }

// needsPSK reports whether one of the two sides of a session that a answers does.
func (a *Accept) needsPSK() bool {
	return !a.Identity.hasCert || !a.Identity.hasCA && a.Users == nil
}

// A FileKind is what a file is to an identity.
type FileKind string

// The kinds of files.
const (
	OwnFile FileKind = "own" // its certificate, and those above it
	CAFile  FileKind = "ca"
	CRLFile FileKind = "crl"
)

// A CertFile is a file of certificates, or of a revocation list.
type CertFile struct {
	Kind  FileKind
	Path  string
	Certs []*x509.Certificate
	CRL   *x509.RevocationList
}

// Profile is a choice of algorithms, the most wanted first, and lifetimes.
type Profile struct {
	Name  string
	IKE   []crypt.Proposal
	ESP   []crypt.Proposal
	Rekey Rekey
	Pos   string
}

// Rekey says when SAs are replaced. Zero is never, for bytes, packets and reauthentication only.
type Rekey struct {
	IKE     time.Duration // age of an IKE SA
	Reauth  time.Duration // age of a session that this node opened
	Child   time.Duration // age of a child SA
	Bytes   uint64        // of a child SA, one direction
	Packets uint64
}

// Encap is how ESP travels to a peer.
type Encap uint8

// The ways of encapsulation.
const (
	EncapAuto Encap = iota // UDP unless both ends and the path allow raw ESP
	EncapUDP               // always in UDP
	EncapESP               // never in UDP
)

// Childless is whether the first child SA gets an exchange of its own (RFC 6023).
type Childless uint8

// The ways to begin.
const (
	ChildlessNever  Childless = iota
	ChildlessPrefer           // where the peer supports it
	ChildlessForce            // and else there is no session
)

// Peer is a gateway or a receiver that this node may reach out to.
type Peer struct {
	Name         string
	Addrs        []netip.Addr // at least one; at most one per family
	ID           string       // what it must prove to be
	Identity     *Identity    // who this node is to it
	PSK          Secret       // its own or the identity's; nil if neither side uses one, or secrets were not read
	PPK          *PPK         // its own or the identity's; nil without
	Profile      *Profile
	VirtualIP4   bool       // ask for a virtual IPv4 address
	VirtualIP6   bool       // the same for IPv6
	Want4, Want6 netip.Addr // ask for this very address; invalid for any
	Source       netip.Addr // where packets to it come from; invalid for the default
	RemoteTS     []policy.Selector
	Encap        Encap
	Childless    Childless
	MOBIKE       bool   // move along when this host's address changes
	Resumption   bool   // resume interrupted sessions with tickets
	IKE          uint16 // its ports: 500
	NATT         uint16 // and 4500
	Liveness     time.Duration
	ReplayWindow int
	Pos          string
}

// Accept is one way for peers to open sessions with this node.
type Accept struct {
	Name         string
	Identity     *Identity
	IDs          []string          // patterns: * stands for anything
	Secrets      map[string]Secret // by identity, from secrets_file; nil without one
	PSK          Secret            // the identity's own, for identities without an entry
	Users        map[string]Secret // passwords of peers that prove themselves by EAP-MSCHAPv2; nil if none does
	PPKs         map[string]Secret // by their identifiers; nil without
	PPKRequired  bool              // nobody comes in without one
	Profile      *Profile
	Pool         []netip.Prefix
	Local        []policy.Selector // what peers may reach
	Remote       []policy.Selector // what a peer without a lease may be; nil is the address it comes from
	Tunnel       bool              // modes that it accepts
	Transport    bool
	MOBIKE       bool // peers may change their address
	Resumption   bool // and resume interrupted sessions with tickets
	Liveness     time.Duration
	ReplayWindow int
	Pos          string
}

// Peer returns the peer with this name, or nil.
func (c *Config) Peer(name string) *Peer {
	for _, p := range c.Peers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Entry returns the accept entry with this name, or nil.
func (c *Config) Entry(name string) *Accept {
	for _, a := range c.Accept {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Tables are the rules, ready for look-ups.
func (c *Config) Tables() *policy.Tables {
	return policy.NewTables(c.Transport, c.Tunnel, c.Default)
}

// Secret looks up what the peer that says it is id must know: its own line of
// secrets_file, else the identity's secret unless there is a secrets_file.
func (a *Accept) Secret(id string) (Secret, bool) {
	if a.Secrets != nil {
		s, ok := a.Secrets[id]
		return s, ok
	}
	return a.PSK, len(a.PSK) > 0
}
