// Package underlay is the edge of the node that faces the network: the sockets
// for IKE (UDP port 500), for IKE and ESP behind NAT (UDP port 4500, RFC 3948)
// and for ESP itself (IP protocol 50), over IPv4 and IPv6.
//
// It tells ESP from IKE by port and non-ESP marker, drops NAT keepalives, knows
// the local address of every datagram and chooses it when sending, carries the
// outer TOS both ways, and batches with UDP_GRO and UDP_SEGMENT where the kernel
// has them. Package memnet is a network of such nodes in memory; both pass
// memnet.Contract.
//
// It does not look into ESP or IKE, and does not send NAT keepalives of its own.
package underlay

import (
	"net/netip"

	"warren/packet"
)

// A Reader is one source of datagrams, read by one goroutine.
type Reader interface {
	// ReadBatch fills the packets of b from the front and returns how many it
	// filled: at least one unless there is an error. It lends each its bytes,
	// until the next call, and sets Kind, Local, Remote and TOS (the outer
	// one). The window is an ESP packet or an IKE message without marker. In
	// front of it and behind it there may be no room at all, but with IPv6,
	// and without UDP, packet.IPv6HeaderLen bytes less an ESP header and IV. A
	// datagram that is neither (RFC 3948, Section 2.2) comes with its Drop
	// set. ReadBatch blocks until there is a datagram or the underlay is
	// closed; then, and only then, it returns an error, which is net.ErrClosed
	// after Close.
	ReadBatch(b packet.Batch) (int, error)

	// TryBatch is ReadBatch, but returns 0 where that would block.
	TryBatch(b packet.Batch) (int, error)

	// FD is the descriptor to poll before TryBatch. It is -1 where there is
	// none: then only ReadBatch waits.
	FD() int
}

// A Queue is the sockets that one worker reads, and sends by.
type Queue interface {
	// Readers returns the sources of datagrams: the same ones every time.
	Readers() []Reader

	// WriteBatch sends the live packets of b: an ESP packet (KindESP,
	// KindESPinUDP) or an IKE message (KindIKE), from Local to Remote with TOS.
	// An IKE message from the NAT-T port gets its non-ESP marker here. An
	// invalid or unspecified Local address lets the kernel choose. It returns
	// how many were sent; the others are marked packet.TooBig (bigger than
	// the path takes) or packet.SendError. The error is net.ErrClosed, and then
	// nothing was sent. Several goroutines may call it at once.
	WriteBatch(b packet.Batch) (int, error)
}

// An Underlay is the sockets of a node; itself it is its first queue.
type Underlay interface {
	Queue

	// Queues returns all queues: the same ones every time. Those after the
	// first have sockets of their own for ESP in UDP, between which the kernel
	// divides the peers.
	Queues() []Queue

	// PathMTU returns the largest IP packet that the path to remote takes, as
	// far as is known. It may ask the kernel: not for every packet.
	PathMTU(local, remote netip.Addr) (int, error)

	// Info says which ports, addresses and offloads are in use now.
	Info() Info

	// Close closes the sockets and ends blocked reads. A second call does
	// nothing.
	Close() error
}

// Info is what an Underlay is bound to.
type Info struct {
	Addr   netip.Addr // the configured address; unspecified: all of them
	IKE    uint16     // UDP port of plain IKE
	NATT   uint16     // UDP port of ESP and of IKE with a marker
	IPv6   bool       // whether IPv6 sockets exist
	RawESP bool       // whether IP protocol 50 sockets exist
	Queues int
	GSO    bool // whether runs are sent at once (UDP_SEGMENT)
	GRO    bool // whether the kernel coalesces what is received (UDP_GRO)

	// Notes say why something above is not what it could be: what, and what to
	// do about it.
	Notes []string
}

// Options describe the sockets to open.
type Options struct {
	Addr   netip.Addr // to bind to; invalid or 0.0.0.0: every address of both families
	IKE    uint16     // 500 when zero
	NATT   uint16     // 4500 when zero
	Mark   uint32     // SO_MARK, so that policy routing keeps the packets off the TUN; zero sets none
	NoESP  bool       // open no sockets for IP protocol 50
	Buffer int        // bytes of socket buffer each way; 1 MiB when zero

	// Queues is how many queues to make; 1 when zero. There are fewer where
	// the kernel does not share a port between sockets.
	Queues int

	// NoGSO and NoGRO do without UDP_SEGMENT and UDP_GRO, as where the kernel
	// has none.
	NoGSO, NoGRO bool
}
