package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren/host"
	"warren/tun"
	"warren/underlay"
)

func (p *patient) privileges() []Check {
	if err := host.CheckPrivileges(host.RawSockets, host.LowPorts); err != nil {
		return told("privileges", Fail, err)
	}
	return ok("privileges", "this user may make devices and raw sockets, and bind low ports")
}

// kernel tries out, in a namespace of its own, what a node asks of the kernel.
func (p *patient) kernel() (all []Check) {
	err := inScratch(func() error {
		dev, err := tun.Open(tun.Options{Name: "warren0", Queues: 2})
		if err != nil {
			all = told("tun", Fail, err)
		} else {
			defer dev.Close()
			all = noted("tun", "super-packets of TCP and UDP, several queues", dev.Info().Notes)
		}
		all = append(all, sockets()...)
		if dev != nil {
			all = append(all, routing()...)
		}
		return nil
	})
	if err != nil {
		why := "cannot be tried: " + err.Error()
		return append(skip("tun", why), append(skip("sockets", why), skip("routing", why)...)...)
	}
	return all
}

// inScratch runs f in a network namespace that is made for it, and goes with what
// f leaves open.
func inScratch(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("no network namespace can be made: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// noted is a check that is well but for its notes.
func noted(name, well string, notes []string) []Check {
	if len(notes) == 0 {
		return ok(name, well)
	}
	return told(name, Warn, errors.New(strings.Join(notes, "; ")))
}

func sockets() []Check {
	s, err := underlay.Open(underlay.Options{Queues: 2})
	if err != nil {
		return told("sockets", Fail, err)
	}
	defer s.Close()
	info := s.Info()
	well := "IPv4 and IPv6, raw ESP, runs sent and received at once"
	if !info.IPv6 {
		well = "IPv4 only: this machine has no IPv6; raw ESP, runs sent and received at once"
	}
	return noted("sockets", well, info.Notes)
}

// routing has a rule protect something, and everything undone.
func routing() []Check {
	const name = "routing"
	dir, err := os.MkdirTemp("", "warren-doctor-")
	if err != nil {
		return fail(name, err.Error(), "make room in "+os.TempDir())
	}
	defer os.RemoveAll(dir)
	var said listener
	h, err := host.Open(host.Options{
		Name: "doctor", TUN: "warren0", Journal: filepath.Join(dir, "journal"), Log: slog.New(&said),
	})
	if err != nil {
		return told(name, Fail, err)
	}
	addresses := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	protected := host.PolicyRule{Verdict: host.ToTUN, Dst: netip.MustParsePrefix("198.51.100.0/24")}
	err = errors.Join(h.SetAddresses(addresses), h.SetPolicy([]host.PolicyRule{protected}))
	if err := errors.Join(err, h.Close()); err != nil {
		return told(name, Fail, err)
	}
	return noted(name, "policy routing and nftables do what a node asks of them", said.warnings)
}

// A listener is a log that keeps what is worth a warning.
type listener struct{ warnings []string }

// Enabled is slog.Handler's.
func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle is slog.Handler's.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	text := strings.TrimPrefix(r.Message, "host: ")
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" (%s: %v)", a.Key, a.Value)
		return true
	})
	l.warnings = append(l.warnings, text)
	return nil
}

// WithAttrs is slog.Handler's.
func (l *listener) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is slog.Handler's.
func (l *listener) WithGroup(string) slog.Handler { return l }

// ipsec looks for policies of the kernel's own IPsec, which would come between.
func (p *patient) ipsec() []Check {
	list, err := netlink.XfrmPolicyList(netlink.FAMILY_ALL)
	if err != nil {
		return nil // no IPsec in this kernel, or none of this user's business
	}
	n := 0
	for _, policy := range list {
		if policy.Dir == netlink.XFRM_DIR_IN || policy.Dir == netlink.XFRM_DIR_OUT || policy.Dir == netlink.XFRM_DIR_FWD {
			n++
		}
	}
	if n > 0 {
		return warn("kernel ipsec", fmt.Sprintf("the kernel has %d IPsec policies of another program: they may take packets before warren sees them", n),
			"`ip xfrm policy` lists them; stop the program that made them")
	}
	return nil
}
