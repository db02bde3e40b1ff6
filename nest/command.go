package nest

import (
	"warren/esp"
	"warren/sa"
)

// A Command is what the Manager wants done. It is one of the types below.
type Command interface{ command() }

type (
	// Publish says that View has changed. It comes before the other commands
	// of its Take, so that what they start finds its way.
	Publish struct{}

	// Establish asks for the action of a node: an IKE exchange carried by
	// View.Bundle(Node.Via()). It is answered by Done or Failed.
	Establish struct{ Node *Node }

	// TearDown asks for the end of a node: an IKE DELETE through the layers
	// outside it, or the end of the exchange that was to establish it. It is
	// answered by Gone, once, whatever state the session was in. Without
	// Reachable no packet gets to the peer, so there is no answer to wait for;
	// the same node may be torn down a second time to say so.
	TearDown struct {
		Layer     sa.Layer
		Peer      string
		Reachable bool
	}

	// Release asks for the packets held for a chain to be sent.
	Release struct{ Key Key }

	// Refuse asks for the packets held for a chain to be answered with ICMP
	// unreachable.
	Refuse struct{ Key Key }

	// Event tells people what happened.
	Event struct {
		Kind          EventKind
		Chain         string
		Layer         int // depth, 1 is outermost; 0: the chain as a whole
		ID            sa.Layer
		Peer          string
		Mode          esp.Mode
		State         State
		Reason        string
		SPIIn, SPIOut esp.SPI
	}
)

func (Publish) command()   {}
func (Establish) command() {}
func (TearDown) command()  {}
func (Release) command()   {}
func (Refuse) command()    {}
func (Event) command()     {}

// An EventKind is the word for what happened.
type EventKind string

// The kinds of events. A layer is reported once, under the chain that had it
// built, however many share it.
const (
	LayerStart  EventKind = "layer-start" // its exchange begins
	LayerRetry  EventKind = "layer-retry" // and has no answer yet: the reason
	LayerUp     EventKind = "layer-up"
	LayerDown   EventKind = "layer-down"
	ChainUp     EventKind = "chain-up"
	ChainDown   EventKind = "chain-down"   // lost, or taken down as was wanted
	ChainFailed EventKind = "chain-failed" // and nothing of it is left
	Rollback    EventKind = "rollback"     // a layer failed: the layer, peer and reason
	Rekey       EventKind = "rekey"
	Moved       EventKind = "moved" // its outer addresses changed: the reason says to what

	Reauth       EventKind = "reauth"        // it has another session, authenticated anew
	ReauthFailed EventKind = "reauth-failed" // it keeps the one it has: the reason
)
