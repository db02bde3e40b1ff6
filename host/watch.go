package host

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Watch returns a channel that has something in it when the host's addresses or
// routes may have changed since the last look. What this Host changes itself
// does not count. It ends with Close, and is to be called once.
func (h *Host) Watch() (<-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	sock, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("host: watch addresses: %w", err)
	}
	// Receive must come back now and then to see that it is over: closing a
	// netlink socket does not end a call that waits on it.
	if err := sock.SetReceiveTimeout(&unix.Timeval{Usec: watchPatience}); err != nil {
		sock.Close()
		return nil, fmt.Errorf("host: watch addresses: %w", err)
	}
	changed := make(chan struct{}, 1)
	over, done := make(chan struct{}), make(chan struct{})
	h.unwatch = func() { close(over); <-done }
	go func() {
		defer close(done)
		defer sock.Close()
		watch(sock, changed, over)
	}()
	return changed, nil
}

// watchPatience is how long a Close may wait for the watcher, in microseconds.
const watchPatience = 200_000

func watch(sock *nl.NetlinkSocket, changed chan<- struct{}, over <-chan struct{}) {
	for {
		messages, _, err := sock.Receive()
		select {
		case <-over:
			return
		default:
		}
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil && !errors.Is(err, unix.ENOBUFS): // some were lost: look
			return
		}
		if err == nil && !anyForeign(messages) {
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

func anyForeign(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if foreign(m) {
			return true
		}
	}
	return false
}

// foreign reports whether a message is not about a route of ours, of which a
// gateway has one for each peer.
func foreign(m syscall.NetlinkMessage) bool {
	if m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE {
		return true
	}
	const protocolAt = 5 // rtmsg: family, lengths, TOS, table, protocol
	return len(m.Data) <= protocolAt || m.Data[protocolAt] != protocolTag
}

// Addresses are all addresses that the host has now.
func (h *Host) Addresses() (map[netip.Addr]bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	list, err := h.nl.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("host: list addresses: %w", err)
	}
	have := make(map[netip.Addr]bool)
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			have[ip.Unmap()] = true
		}
	}
	return have, nil
}
