package packet

// A Drop says why a packet was refused. The zero value, Live, says it was not.
// Every refused packet carries exactly one Drop and is counted under it.
type Drop uint8

// The reasons for refusing a packet. Their texts are in dropNames and are used
// in JSON and metrics.
const (
	Live          Drop = iota // not refused
	Truncated                 // ends before its headers or its length field say
	Malformed                 // a header field contradicts itself
	NotIP                     // neither version 4 nor 6
	NoRoom                    // no headroom or tailroom left in the buffer
	NoSA                      // no SA for this SPI
	Replay                    // sequence number seen, or left of the window
	AuthFailed                // the integrity check value does not match
	BadPadding                // ESP padding is not 1, 2, 3, ... or too long
	BadNextHeader             // next header the mode of the SA does not allow
	Selector                  // outside the traffic selectors of its SA
	WrongLayer                // arrived through another layer than its SA's
	Depth                     // more nested layers than allowed
	Fragment                  // a fragment where only whole packets are handled
	SeqExhausted              // the SA has no sequence numbers left
	SAExpired                 // the SA is past its hard lifetime or retired
	Discard                   // a rule says discard
	BypassOnTUN               // a rule says bypass, but the packet came by the TUN
	NoRule                    // no rule matches and the default is discard
	TooBig                    // larger than the inner MTU of its chain
	QueueFull                 // pushed out of the queue of a pending chain
	QueueExpired              // too long in the queue of a pending chain
	Unreachable               // its chain failed; answered with an ICMP error
	ChainDown                 // its chain went down while it was held
	Dummy                     // an ESP dummy packet, next header 59
	TTLExpired                // hop limit used up
	SendError                 // the socket refused it
	TunError                  // the TUN device refused it
	ECN                       // congestion marked outside, not ECN-capable inside
	IKEOverload               // IKE message beyond what the control plane takes
	Runt                      // shorter than the smallest ESP packet of its SA
	Keepalive                 // a NAT keepalive, one byte 0xff
	ReservedSPI               // an SPI of 0 to 255, which names no SA
	BadSource                 // a source address no packet may have
	Multicast                 // multicast or broadcast where only unicast is carried
	NotForUs                  // a decapsulated packet this node has no use for
	Shutdown                  // the node was going down
	NumDrops                  // how many values there are
)

// dropNames gives the text of every Drop.
var dropNames = [NumDrops]string{
	Live:          "live",
	Truncated:     "truncated",
	Malformed:     "malformed",
	NotIP:         "not-ip",
	NoRoom:        "no-room",
	NoSA:          "no-sa",
	Replay:        "replay",
	AuthFailed:    "auth-failed",
	BadPadding:    "bad-padding",
	BadNextHeader: "bad-next-header",
	Selector:      "selector",
	WrongLayer:    "wrong-layer",
	Depth:         "depth",
	Fragment:      "fragment",
	SeqExhausted:  "seq-exhausted",
	SAExpired:     "sa-expired",
	Discard:       "discard",
	BypassOnTUN:   "bypass-on-tun",
	NoRule:        "no-rule",
	TooBig:        "too-big",
	QueueFull:     "queue-full",
	QueueExpired:  "queue-expired",
	Unreachable:   "unreachable",
	ChainDown:     "chain-down",
	Dummy:         "dummy",
	TTLExpired:    "ttl-expired",
	SendError:     "send-error",
	TunError:      "tun-error",
	ECN:           "ecn",
	IKEOverload:   "ike-overload",
	Runt:          "runt",
	Keepalive:     "keepalive",
	ReservedSPI:   "reserved-spi",
	BadSource:     "bad-source",
	Multicast:     "multicast",
	NotForUs:      "not-for-us",
	Shutdown:      "shutdown",
}

// String returns the text used for d in JSON, metrics and messages.
func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return "unknown"
}

// DropNames returns the texts of all values in order, Live included, so that
// DropNames()[d] is d.String().
func DropNames() []string {
	return append([]string(nil), dropNames[:]...)
}
