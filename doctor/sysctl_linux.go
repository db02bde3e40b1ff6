package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const sysctls = "/proc/sys/net"

// read is a sysctl's value, empty where there is none.
func read(key string) string {
	b, _ := os.ReadFile(filepath.Join(sysctls, key)) // what is not there is not set
	return strings.TrimSpace(string(b))
}

// writable reports whether a node may change a sysctl.
func writable(key string) bool {
	return unix.Access(filepath.Join(sysctls, key), unix.W_OK) == nil
}

// filters looks for strict reverse-path filters, which drop the answers of
// gateways that the rules protect. The node loosens them while it runs.
func (p *patient) filters() []Check {
	const name = "rp_filter"
	entries, err := os.ReadDir(filepath.Join(sysctls, "ipv4/conf"))
	if err != nil {
		return skip(name, err.Error())
	}
	all := read("ipv4/conf/all/rp_filter")
	var strict []string
	for _, e := range entries {
		own := read("ipv4/conf/" + e.Name() + "/rp_filter")
		if e.Name() != "all" && e.Name() != "default" && e.Name() != "lo" && own != "2" && max(own, all) == "1" {
			strict = append(strict, e.Name())
		}
	}
	switch {
	case len(strict) == 0:
		return ok(name, "no strict reverse-path filter is in the way")
	case !writable("ipv4/conf/" + strict[0] + "/rp_filter"):
		return fail(name, "strict on "+strings.Join(strict, ", ")+", and /proc/sys cannot be written: answers of gateways are dropped",
			"start the container with --sysctl net.ipv4.conf.all.rp_filter=2")
	}
	return ok(name, "strict on "+strings.Join(strict, ", ")+"; a node makes that loose while it runs")
}

// forwarding finds out whether a gateway's packets can go on.
func (p *patient) forwarding() []Check {
	const name = "ip_forward"
	if !p.usable {
		return skip(name, noConfig)
	}
	on := read("ipv4/ip_forward") == "1"
	switch {
	case p.cfg.Forwarding && !on && !writable("ipv4/ip_forward"):
		return fail(name, "forwarding is wanted and off, and /proc/sys cannot be written", "start the container with --sysctl net.ipv4.ip_forward=1")
	case p.cfg.Forwarding || on:
		return ok(name, "what comes out of a tunnel can go on")
	case p.leases():
		return warn(name, "peers may lease addresses here, but their packets go no further than this node", "write forwarding: true")
	}
	return ok(name, fmt.Sprintf("off, and %s is no gateway", p.cfg.Node))
}

// leases reports whether the node gives addresses to peers that open tunnels.
func (p *patient) leases() bool {
	for _, a := range p.cfg.Accept {
		if a.Tunnel && len(a.Pool) > 0 {
			return true
		}
	}
	return false
}
