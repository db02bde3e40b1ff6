package ike

import (
	"errors"
	"net/netip"
	"path"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/ike/trust"
	"warren/policy"
	"warren/sa"
)

// A Proposal is a set of algorithms that a peer may choose from.
type Proposal = crypt.Proposal

// A SessionID names an IKE session of one Engine. It stays the same when the
// IKE SA is rekeyed, and is never used again.
type SessionID uint64

// A Path is where the messages of a session go: through which layer, and
// between which addresses. A message for a session is accepted only if it came
// through the session's Via.
type Path struct {
	Via           sa.Layer
	Local, Remote netip.AddrPort
}

// A Datagram is one IKE message on its way. NATT says that it travels with the
// non-ESP marker of port 4500, which the edge adds and strips.
type Datagram struct {
	Path Path
	NATT bool
	Data []byte
}

// Encap is how ESP is to be carried.
type Encap uint8

const (
	EncapAuto Encap = iota // like EncapUDP where the peer knows NAT traversal, else raw ESP
	EncapUDP               // always ESP in UDP: feigns a NAT (RFC 7296, Section 2.23)
	EncapESP               // raw ESP; a NAT in between is an error
)

func (e Encap) String() string {
	switch e {
	case EncapUDP:
		return "udp"
	case EncapESP:
		return "esp"
	default:
		return "auto"
	}
}

// Childless is whether IKE_AUTH leaves the first child SA to a CREATE_CHILD_SA of
// its own (RFC 6023).
type Childless uint8

const (
	ChildlessNever  Childless = iota
	ChildlessPrefer           // where the responder supports it
	ChildlessForce            // and else there is no session
)

// Rekey says when SAs are replaced. Zero means never. Bytes and packets are
// counted by the caller, which calls RekeyChild when the soft limit is reached.
type Rekey struct {
	// IKE is the age at which the IKE SA is rekeyed. An IKE SA that could not
	// be rekeyed is deleted when it is a quarter older than that.
	IKE time.Duration

	// Child is the lifetime of each child SA. At its SoftTime the child is
	// rekeyed, at its HardTime deleted.
	Child sa.Lifetime

	// Jitter is the share of IKE and of the soft limits of Child by which a
	// rekey comes earlier, at random: up to a quarter of it where the peer opened
	// the session, between half of it and all where this node did, so that both
	// ends rarely rekey at once. Zero means 0.1, negative none.
	Jitter float64

	// Reauth is the age at which this node, if it opened the session, opens
	// another one in its place. That happens before a certificate ends, too.
	Reauth time.Duration
}

// A PeerConfig is one session to be initiated.
type PeerConfig struct {
	Name       string
	Layer, Via sa.Layer // the layer that its child SAs get, and the layer that carries it

	Local, Remote         netip.AddrPort // for IKE_SA_INIT: port 500 usually
	LocalNATT, RemoteNATT uint16         // zero means 4500

	LocalID, RemoteID ID
	IKE, ESP          []Proposal // best first

	// Cert is how this node proves itself, and Trust what the peer's certificate
	// must prove it to. Where one is nil, that side uses PSK.
	Cert  *trust.Credential
	Trust *trust.Store
	PSK   []byte

	// EAP is how this node proves itself, in place of Cert or PSK. Nil means not
	// so.
	EAP *eap.Account

	PPK PPK // none where it has no ID

	Mode             esp.Mode
	LocalTS          []policy.Selector // empty means the virtual IP or Local
	RemoteTS         []policy.Selector // empty means everything
	VirtualIP4       bool              // ask for a virtual address
	VirtualIP6       bool
	Want4, Want6     netip.Addr // the virtual address to ask for; invalid means any
	Encap            Encap
	Childless        Childless
	Rekey            Rekey
	Liveness         time.Duration // zero means no liveness checks
	Window           int           // replay window, passed on in Child
	NoInitialContact bool
	Resumption       bool // ask for tickets, and resume with them (RFC 5723)

	// Again gives the configuration of a session that takes the place of this one
	// (RFC 7296, Section 2.8.3). Nil means that none does.
	Again func() (PeerConfig, error)

	MOBIKE bool // move along when the addresses change (RFC 4555); of tunnels only
}

// check reports what makes c unusable.
func (c *PeerConfig) check() error {
	switch {
	case !c.Local.Addr().IsValid() || !c.Remote.Addr().IsValid():
		return errors.New("local or remote address is missing")
	case c.Local.Addr().Is4() != c.Remote.Addr().Is4():
		return errors.New("local and remote address are of different families")
	case c.Remote.Port() == 0:
		return errors.New("remote port is missing")
	case !c.LocalID.IsValid() || !c.RemoteID.IsValid():
		return errors.New("local or remote id is missing")
	case c.EAP != nil && c.Cert != nil:
		return errors.New("there are both a certificate and an account for EAP")
	case len(c.PSK) == 0 && (c.Trust == nil || c.Cert == nil && c.EAP == nil):
		return errors.New("pre-shared key is missing")
	case c.PPK.given() && len(c.PPK.Secret) == 0:
		return errors.New("post-quantum pre-shared key is missing")
	case len(c.IKE) == 0 || len(c.ESP) == 0:
		return errors.New("ike or esp proposal is missing")
	}
	return nil
}

// An AcceptConfig is one kind of session that this node answers.
type AcceptConfig struct {
	Name    string
	Where   string // in the configuration, for people; may be empty
	LocalID ID

	// IDs are glob patterns for the peer's id, as in path.Match. Empty
	// matches nobody.
	IDs []string

	// Cert is how this node proves itself, and Trust what the certificates of
	// peers must prove them to. Where one is nil, that side uses PSK.
	Cert  *trust.Credential
	Trust *trust.Store

	// Users says that peers prove themselves by EAP-MSCHAPv2, after this node has
	// done so by Cert or PSK, and has their passwords. IDs are then for the user
	// name, which is the peer's id; what it says in IDi counts for nothing. Nil
	// means that peers prove themselves by Trust or PSK.
	Users eap.Users

	// PSK returns the key shared with remote. It must not keep or change it.
	PSK func(remote ID) ([]byte, bool)

	// PPK returns the post-quantum pre-shared key with that identifier. It must
	// not keep or change it. Nil means that there is none. PPKRequired refuses
	// peers that come without one.
	PPK         func(id string) ([]byte, bool)
	PPKRequired bool

	// Pool gives virtual addresses. Nil means none.
	Pool *Pool

	// Local is what clients may reach in tunnel mode. Empty means this node's
	// own address. In transport mode it is always this node's own address.
	Local []policy.Selector

	// Remote is what a client without a lease may use as its own side. Empty
	// means the address it comes from.
	Remote []policy.Selector

	Modes    []esp.Mode // empty means both
	IKE, ESP []Proposal // best first; empty accepts nothing
	Rekey    Rekey
	Liveness time.Duration
	Window   int

	// MOBIKE lets peers change their address (RFC 4555).
	MOBIKE bool

	// Resumption gives tickets to peers, and lets them resume sessions (RFC 5723).
	Resumption bool

	// NextLayer gives each session's child SAs their layer.
	NextLayer func() sa.Layer

	// Addresses limits the local addresses this applies to. Empty means all.
	Addresses []netip.Prefix
}

func (a *AcceptConfig) check() error {
	switch {
	case !a.LocalID.IsValid():
		return errors.New("local id is missing")
	case a.PSK == nil && a.usesPSK():
		return errors.New("pre-shared keys are missing")
	case a.Users != nil && a.Trust != nil:
		return errors.New("peers cannot prove themselves by both certificates and EAP")
	case a.NextLayer == nil:
		return errors.New("NextLayer is missing")
	case a.PPKRequired && a.PPK == nil:
		return errors.New("post-quantum pre-shared keys are missing")
	}
	for _, p := range a.IDs {
		if _, err := path.Match(p, ""); err != nil {
			return errors.New("id pattern " + p + " is malformed")
		}
	}
	return nil
}

// usesPSK reports whether a side proves itself with a pre-shared key.
func (a *AcceptConfig) usesPSK() bool { return a.Cert == nil || a.Trust == nil && a.Users == nil }

// serves reports whether a applies to a request that came to local.
func (a *AcceptConfig) serves(local netip.Addr) bool {
	return len(a.Addresses) == 0 ||
		slices.ContainsFunc(a.Addresses, func(p netip.Prefix) bool { return p.Contains(local) })
}

// admits reports whether remote may authenticate under a (RFC 4301, Section
// 4.4.3).
func (a *AcceptConfig) admits(remote ID) bool {
	return slices.ContainsFunc(a.IDs, remote.Matches)
}

// allows reports whether a permits child SAs of mode m.
func (a *AcceptConfig) allows(m esp.Mode) bool {
	return len(a.Modes) == 0 || slices.Contains(a.Modes, m)
}

// A ChildConfig is a further child SA of a session.
type ChildConfig struct {
	Layer             sa.Layer
	Mode              esp.Mode
	LocalTS, RemoteTS []policy.Selector
}
