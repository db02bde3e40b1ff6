package host

import (
	"fmt"
	"slices"
)

// SetForwarding makes the host a router, or what it was before. Existing and
// future interfaces forward; Close restores every interface's own setting.
// Interfaces that take router advertisements go on doing so (accept_ra = 2):
// otherwise a host with forwarding loses its IPv6 default route.
func (h *Host) SetForwarding(on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	if !on {
		return h.stopForwarding()
	}
	if err := h.forward("net/ipv4/conf", []string{"forwarding"}, []string{"net/ipv4/conf/all/accept_redirects"}); err != nil {
		return err
	}
	if !h.ns.exists("net/ipv6/conf") {
		return nil
	}
	if err := h.keepAdvertisements(); err != nil {
		return err
	}
	return h.forward("net/ipv6/conf", []string{"forwarding"}, nil)
}

// forward switches an IP version to forwarding, which sets every interface, and
// notes each one's own setting first.
func (h *Host) forward(dir string, names, also []string) error {
	now, err := h.ns.read(dir + "/all/forwarding")
	if err != nil {
		return fmt.Errorf("host: read forwarding: %w", err)
	}
	if now == "1" {
		return nil
	}
	keys, err := h.perInterface(dir, names)
	if err != nil {
		return err
	}
	for _, key := range append(keys, also...) {
		if err := h.keep(key); err != nil {
			return err
		}
	}
	return h.set(dir+"/all/forwarding", "1")
}

func (h *Host) perInterface(dir string, names []string) ([]string, error) {
	interfaces, err := h.ns.list(dir)
	if err != nil {
		return nil, fmt.Errorf("host: list interfaces: %w", err)
	}
	var keys []string
	for _, i := range interfaces {
		for _, name := range names {
			if i != "all" {
				keys = append(keys, dir+"/"+i+"/"+name)
			}
		}
	}
	return keys, nil
}

func (h *Host) keepAdvertisements() error {
	if now, err := h.ns.read("net/ipv6/conf/all/forwarding"); err != nil || now == "1" {
		return err
	}
	keys, err := h.perInterface("net/ipv6/conf", []string{"accept_ra"})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if v, err := h.ns.read(key); err == nil && v == "1" {
			if err := h.set(key, "2"); err != nil {
				return err
			}
		}
	}
	return nil
}

// stopForwarding undoes the changes of SetForwarding only.
func (h *Host) stopForwarding() error {
	for _, c := range slices.Backward(h.journal.state.changes) {
		if c.Sysctl == nil || !forwardingKey(c.Sysctl.Key) {
			continue
		}
		if err := h.restore(*c.Sysctl); err != nil {
			return err
		}
	}
	return nil
}
