package control

import "time"

// Status is the node seen from outside: its chains, the sessions it answers,
// and what it refused.
type Status struct {
	Node          string            `json:"node"`
	Version       string            `json:"version"`
	UptimeSeconds float64           `json:"uptime_seconds"`
	Tun           Tun               `json:"tun"`
	Dataplane     Dataplane         `json:"dataplane"`
	Chains        []Chain           `json:"chains"`
	Accepted      []Accepted        `json:"accepted"`
	Drops         map[string]uint64 `json:"drops"`

	// Traffic counts packets by the point of the data path where they were
	// seen: "from-tun", "to-network", "from-network", "to-tun", "to-control",
	// "control" (IKE of this node), "fragments" (beyond the first of a packet)
	// and "held" (now). What went in came out, is held, or was dropped.
	Traffic map[string]uint64 `json:"traffic"`

	// CoreDumps says that the daemon's memory, with its keys, gets into core files
	// and may be read by its user's debuggers, KeyExport that `show keys` tells
	// the keys of SAs.
	CoreDumps bool `json:"core_dumps"`
	KeyExport bool `json:"key_export"`

	// Warnings say what will go wrong if nobody does anything about it:
	// certificates that are about to end.
	Warnings []string `json:"warnings"`

	// IKE counts IKE messages that were refused, by reason.
	IKE map[string]uint64 `json:"ike"`
}

// Tun is the node's device.
type Tun struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	MTU       int      `json:"mtu"`
}

// Dataplane is how packets are moved.
type Dataplane struct {
	Workers       int      `json:"workers"`        // threads, each with a queue of the TUN
	WorkersWanted int      `json:"workers_wanted"` // by the configuration or the number of CPUs
	Sockets       int      `json:"sockets"`        // that share the port for ESP in UDP
	TunOffloads   []string `json:"tun_offloads"`   // in use: "tso", "uso", "io_uring"
	UDPGSO        bool     `json:"udp_gso"`
	UDPGRO        bool     `json:"udp_gro"`
	Cipher        string   `json:"cipher"` // what runs AES-GCM

	// Notes say why the above is not more: what is missing, what that means, and
	// what to do about it.
	Notes []string `json:"notes"`
}

// The words for the state of a chain and of a layer, and the only ones.
const (
	StateIdle         = "idle"
	StatePending      = "pending"
	StateEstablishing = "establishing"
	StateUp           = "up"
	StateDegraded     = "degraded"
	StateRollingBack  = "rolling-back"
	StateFailed       = "failed"
)

// States lists those words.
func States() []string {
	return []string{
		StateIdle, StatePending, StateEstablishing, StateUp, StateDegraded, StateRollingBack, StateFailed,
	}
}

// Chain is one path of tunnels, outermost first. A transport association is its
// last layer, with the mode "transport".
type Chain struct {
	Name        string  `json:"name"`
	Rule        string  `json:"rule"`
	State       string  `json:"state"`
	Wanted      bool    `json:"wanted"`       // `start: now`, `up`, or traffic asked for it
	Reason      string  `json:"reason"`       // of the last failure, until the chain is up
	FailedLayer int     `json:"failed_layer"` // 0: none
	MTU         int     `json:"mtu"`          // the largest packet it carries whole
	Layers      []Layer `json:"layers"`
}

// Layer is one tunnel or transport association of a chain. A tunnel that two
// chains share is listed in both, with the same counters.
type Layer struct {
	Layer      int    `json:"layer"` // 1 is the outermost
	Peer       string `json:"peer"`
	Mode       string `json:"mode"` // "tunnel" or "transport"
	State      string `json:"state"`
	Reason     string `json:"reason"` // why it could not be authenticated anew, while it stands as it was
	Local      string `json:"local"`
	Remote     string `json:"remote"`
	VirtualIP  string `json:"virtual_ip"`
	VirtualIP6 string `json:"virtual_ip6"`
	SPIIn      string `json:"spi_in"`
	SPIOut     string `json:"spi_out"`
	Suite      string `json:"suite"`
	Encap      string `json:"encap"` // "udp" or "esp"
	MTU        int    `json:"mtu"`   // the largest inner packet of this layer
	PacketsIn  uint64 `json:"packets_in"`
	BytesIn    uint64 `json:"bytes_in"`
	PacketsOut uint64 `json:"packets_out"`
	BytesOut   uint64 `json:"bytes_out"`
	Rekeys     uint64 `json:"rekeys"`
	Reauths    uint64 `json:"reauths"` // sessions that another one took the place of
}

// Accepted is one session that a peer opened with this node.
type Accepted struct {
	Layer      int    `json:"layer"`  // 1 is the outermost
	Outer      string `json:"outer"`  // spi_in of the layer that it came through; empty: the network
	Peer       string `json:"peer"`   // the identity it proved
	Accept     string `json:"accept"` // the entry of the config that let it in
	Mode       string `json:"mode"`
	State      string `json:"state"`
	Local      string `json:"local"`
	Remote     string `json:"remote"`
	VirtualIP  string `json:"virtual_ip"`
	VirtualIP6 string `json:"virtual_ip6"`
	SPIIn      string `json:"spi_in"`
	SPIOut     string `json:"spi_out"`
	Suite      string `json:"suite"`
	Encap      string `json:"encap"`
	MTU        int    `json:"mtu"`
	PacketsIn  uint64 `json:"packets_in"`
	BytesIn    uint64 `json:"bytes_in"`
	PacketsOut uint64 `json:"packets_out"`
	BytesOut   uint64 `json:"bytes_out"`
	Rekeys     uint64 `json:"rekeys"`
}

// SA is one direction of a child SA, as the dataplane uses it.
type SA struct {
	SPI          string   `json:"spi"`
	Direction    string   `json:"direction"` // "in" or "out"
	Peer         string   `json:"peer"`
	Layer        int      `json:"layer"` // 1 is the outermost
	Mode         string   `json:"mode"`
	Suite        string   `json:"suite"`
	Encap        string   `json:"encap"`
	Local        string   `json:"local"`
	Remote       string   `json:"remote"`
	LocalTS      []string `json:"local_ts"`
	RemoteTS     []string `json:"remote_ts"`
	Packets      uint64   `json:"packets"`
	Bytes        uint64   `json:"bytes"`
	Sequence     uint64   `json:"sequence"` // last number sent, or the highest received
	Window       int      `json:"window"`   // replay window, inbound only
	AgeSeconds   float64  `json:"age_seconds"`
	RekeySeconds float64  `json:"rekey_seconds"` // until the soft limit; 0: none
}

// IKE is one IKE SA.
type IKE struct {
	Peer          string    `json:"peer"`
	Layer         int       `json:"layer"`
	Role          string    `json:"role"` // "initiator" or "responder"
	State         string    `json:"state"`
	Local         string    `json:"local"`
	Remote        string    `json:"remote"`
	LocalID       string    `json:"local_id"`
	RemoteID      string    `json:"remote_id"`
	LocalProof    string    `json:"local_proof"` // such as "pre-shared key"; empty before IKE_AUTH
	RemoteProof   string    `json:"remote_proof"`
	RemoteSubject string    `json:"remote_subject"` // of its certificate
	SPIInitiator  string    `json:"spi_initiator"`
	SPIResponder  string    `json:"spi_responder"`
	Proposal      string    `json:"proposal"`
	NAT           bool      `json:"nat"`
	MOBIKE        bool      `json:"mobike"`    // the addresses may change
	Resumed       bool      `json:"resumed"`   // it goes on where another session was interrupted
	PPK           bool      `json:"ppk"`       // a post-quantum pre-shared key is in its keys
	Fragments     bool      `json:"fragments"` // long messages go in fragments
	Children      int       `json:"children"`
	ChildSAs      []ChildSA `json:"child_sas"`
	AgeSeconds    float64   `json:"age_seconds"`
	Rekeys        uint64    `json:"rekeys"`
	Reauths       uint64    `json:"reauths"`
	RekeySeconds  float64   `json:"rekey_seconds"`  // until this node replaces the IKE SA; 0: never
	ReauthSeconds float64   `json:"reauth_seconds"` // until it replaces the session; 0: never
}

// ChildSA is a pair of child SAs of an IKE SA.
type ChildSA struct {
	SPIIn  string `json:"spi_in"`
	SPIOut string `json:"spi_out"`
	Mode   string `json:"mode"`
	State  string `json:"state"` // "up", "rekeying", "replaced", "closing", "redundant" or "lingering"
	Rekeys uint64 `json:"rekeys"`
}

// Rule is one line of the rule tables, in the order they are tried.
type Rule struct {
	Table    string `json:"table"` // "transport", "tunnel" or "default"
	Name     string `json:"name"`
	Match    string `json:"match"`
	Action   string `json:"action"` // protect, plain, bypass, discard, or "via"
	Peer     string `json:"peer"`   // protect: the receiver; via: the gateway
	Start    string `json:"start"`
	Position string `json:"position"` // file:line:column
}

// Lease is one virtual address: given to a peer, or got from one.
type Lease struct {
	Address   string `json:"address"`
	Peer      string `json:"peer"`
	Pool      string `json:"pool"`      // the accept entry; empty for one we hold ourselves
	Direction string `json:"direction"` // "given" or "got"
	Active    bool   `json:"active"`
}

// Route is one kernel route or policy rule that the node installed.
type Route struct {
	Kind   string `json:"kind"` // "route" or "rule"
	Family string `json:"family"`
	Text   string `json:"text"` // as ip(8) would write it
	Table  int    `json:"table"`
}

// Version says what is running.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Ciphers string `json:"ciphers"` // what runs AES-GCM
	Node    string `json:"node"`
	PID     int    `json:"pid"`
}

// The kinds of events.
const (
	EventLayerStart   = "layer-start" // its exchange begins
	EventLayerRetry   = "layer-retry" // and has no answer yet; the reason says from where
	EventLayerUp      = "layer-up"
	EventLayerDown    = "layer-down"
	EventChainUp      = "chain-up"
	EventChainDown    = "chain-down"
	EventChainFailed  = "chain-failed"
	EventRollback     = "rollback"
	EventRekey        = "rekey"
	EventReauth       = "reauth"        // another session, authenticated anew
	EventReauthFailed = "reauth-failed" // the session stays as it is; the reason
	EventMoved        = "moved"         // other outer addresses; the reason says which
	EventAcceptedUp   = "accepted-up"
	EventAcceptedDown = "accepted-down"
	EventReload       = "reload" // another configuration; the reason says what it meant
	EventMissed       = "missed" // the reader fell behind; the reason says by how much
)

// Event is one thing that happened. Seq and Time are set when it is published.
type Event struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"`
	Chain  string    `json:"chain"`
	Layer  int       `json:"layer"`
	Peer   string    `json:"peer"`
	Mode   string    `json:"mode"`
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	SPIIn  string    `json:"spi_in"`
	SPIOut string    `json:"spi_out"`
}
