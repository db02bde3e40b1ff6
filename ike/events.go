package ike

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"warren/esp"
	"warren/ike/trust"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// An Event tells the caller what became of a session. It is one of the types
// below. Events must be applied in the order they come in.
type Event interface{ event() }

// A Child is one pair of ESP SAs. The keys belong to who receives the event;
// the engine keeps no copy.
type Child struct {
	Layer, Via     sa.Layer
	SPIIn, SPIOut  esp.SPI
	Suite          esp.Suite
	KeyIn, KeyOut  []byte `json:"-"`
	Mode           esp.Mode
	Encap          packet.Encap
	Path           Path // where its ESP goes: the session's path
	LocalTS        []policy.Selector
	RemoteTS       []policy.Selector
	Lease4, Lease6 netip.Addr // ours as a client, the client's as responder
	Remote         ID
	Name           string      // of the PeerConfig or AcceptConfig
	Initiator      bool        // this node initiated the session
	Lifetime       sa.Lifetime // the hard time is with Options.Linger
	Window         int
	Born           time.Time
}

// String describes c without its keys.
func (c Child) String() string {
	return fmt.Sprintf("%s layer %d via %d in %v out %v %v %v mode encap %v local %s remote %s lease %v %v",
		c.Name, c.Layer, c.Via, c.SPIIn, c.SPIOut, c.Suite, c.Mode, c.Encap,
		tsText(c.LocalTS), tsText(c.RemoteTS), c.Lease4, c.Lease6)
}

// Format is String for every verb, so that none shows the keys.
func (c Child) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

type (
	// SessionUp says that both ends are authenticated. The first ChildUp
	// follows it at once, if the child was agreed on.
	SessionUp struct {
		ID        SessionID
		Name      string
		Initiator bool
		Remote    ID
		Path      Path
		Resumed   bool // by a ticket, in place of a key exchange and credentials

		// Certificate is the peer's; nil where it has shown none.
		Certificate *x509.Certificate `json:"-"`
	}

	// ChildUp brings a new pair of SAs: install both, and use them.
	ChildUp struct {
		Session SessionID
		Child   Child
	}

	// ChildAdded brings the pair that replaces the one with inbound SPI
	// Replaces, perhaps of another session. Install its inbound SA now; send on its outbound SA only if
	// UseOutbound is set, else when OutboundSwitched says so.
	ChildAdded struct {
		Session     SessionID
		Child       Child
		Replaces    esp.SPI
		UseOutbound bool
	}

	// OutboundSwitched says to send on the outbound SA of the pair with
	// inbound SPI SPIIn from now on, and no longer on its predecessor.
	OutboundSwitched struct {
		Session SessionID
		SPIIn   esp.SPI
		SPIOut  esp.SPI
	}

	// ChildRemoved says to remove a pair of SAs. Down says that no other pair
	// took its place, so that its traffic has nowhere to go.
	ChildRemoved struct {
		Session SessionID
		SPIIn   esp.SPI
		SPIOut  esp.SPI
		Layer   sa.Layer
		Down    bool
		ByPeer  bool
		Reason  string
	}

	// ChildFailed says that a child asked for with CreateChild was refused; on
	// a responder's side, that it refused the first child of a session.
	ChildFailed struct {
		Session SessionID
		Layer   sa.Layer
		Err     error
	}

	// SessionFailed ends a session that was never up. Err is an *Error. A
	// responder says so of a peer that failed to authenticate.
	SessionFailed struct {
		ID         SessionID
		Name       string
		Stage      string // "IKE_SA_INIT" or "IKE_AUTH"
		Err        error
		PeerReason string // the notify that was sent or received, such as "NO_PROPOSAL_CHOSEN"
	}

	// SessionDown ends a session; the ChildRemoved of its children came
	// before it.
	SessionDown struct {
		ID     SessionID
		Name   string
		Remote ID
		Reason string
		ByPeer bool
	}

	// PathChanged says that the session, and its ESP, use another path now.
	PathChanged struct {
		ID    SessionID
		Path  Path
		NATT  bool
		Encap packet.Encap
	}

	// SessionRekeyed says that the session has a new IKE SA.
	SessionRekeyed struct {
		ID         SessionID
		SPIi, SPIr uint64
	}

	// ReauthStarted says that the session Successor was begun, to take the place of
	// the session ID. Its own events follow: as the last a ChildAdded, with which
	// it does, and a SessionDown of the old one. If it fails, ReauthFailed follows.
	ReauthStarted struct {
		ID, Successor SessionID
	}

	// ReauthFailed says that a session stays as it is, for now, and why.
	ReauthFailed struct {
		ID    SessionID
		Err   error
		Again time.Time // when it is tried again
	}

	// CRLWanted asks for revocation lists: fetch each of URLs, hand what comes
	// to Trust.Fetched, and then, if Waits is set, call Resume. Only what
	// trusted certificates name is asked for.
	CRLWanted struct {
		Session SessionID
		Trust   *trust.Store
		URLs    []string
		Waits   bool // IKE_AUTH stands still
	}

	// Retransmitted says that a request has no answer yet and is sent again.
	Retransmitted struct {
		ID    SessionID
		Stage string // the exchange, such as "IKE_SA_INIT"
		Path  Path
		Try   int // which one this is, from 2
		Tries int // after so many the session has failed
	}
)

func (SessionUp) event()        {}
func (ChildUp) event()          {}
func (ChildAdded) event()       {}
func (OutboundSwitched) event() {}
func (ChildRemoved) event()     {}
func (ChildFailed) event()      {}
func (SessionFailed) event()    {}
func (SessionDown) event()      {}
func (PathChanged) event()      {}
func (SessionRekeyed) event()   {}
func (Retransmitted) event()    {}
func (CRLWanted) event()        {}
func (ReauthStarted) event()    {}
func (ReauthFailed) event()     {}

// Output is what the engine wants done: events first, in order, then messages.
type Output struct {
	Send   []Datagram
	Events []Event
}

// SessionInfo describes a session for people.
type SessionInfo struct {
	ID          SessionID
	Name        string
	Initiator   bool
	State       string // "connecting", "half-open", "up", "closing"
	Local       ID
	Remote      ID
	Path        Path
	NATT        bool
	Encap       packet.Encap
	SPIi, SPIr  uint64
	Suite       string
	Lease4      netip.Addr
	Lease6      netip.Addr
	Established time.Time
	Rekeys      int
	Reauths     int       // sessions that this one took the place of, one after the other
	MOBIKE      bool      // both ends know it
	Fragments   bool      // both ends take messages in fragments
	Resumed     bool      // it goes on where another one was interrupted
	PPK         bool      // a post-quantum pre-shared key is in its keys
	RekeyAt     time.Time // when this node replaces the IKE SA; zero is never
	ReauthAt    time.Time // when it replaces the session; zero is never
	Children    []ChildInfo

	// How each side has proven who it is, and the certificate that the peer has
	// shown; nil where it has shown none.
	OwnProof, PeerProof string
	Certificate         *x509.Certificate
}

// ChildInfo describes a child SA for people.
type ChildInfo struct {
	Layer             sa.Layer
	SPIIn, SPIOut     esp.SPI
	Suite             esp.Suite
	Mode              esp.Mode
	LocalTS, RemoteTS []policy.Selector
	State             string // "up", "rekeying", "replaced", "closing", "redundant", "lingering"
	Born              time.Time
	Rekeys            int
}
