package host

import "net/netip"

// Verdict is what the kernel does with a packet that matches a PolicyRule.
type Verdict uint8

const (
	ToTUN  Verdict = iota // route it into the TUN, or refuse it while there is none
	Bypass                // leave it to the rules and routes of the system
	Block                 // refuse it
)

func (v Verdict) String() string { return [...]string{"to-tun", "bypass", "block"}[v] }

// Ports is a range, both ends included. The zero value means any, as {0, 65535} does.
type Ports struct{ Lo, Hi uint16 }

// Any reports whether the range excludes nothing.
func (p Ports) Any() bool { return p == Ports{} || p == Ports{0, 65535} }

// PolicyRule is one line of an ordered rule set: the first that matches decides.
// Zero fields match everything. A rule without prefixes concerns both IP versions.
type PolicyRule struct {
	Verdict            Verdict
	Src, Dst           netip.Prefix
	Proto              uint8
	SrcPorts, DstPorts Ports
}
