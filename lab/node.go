package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netns"
)

// A Node is one machine of the lab: a network namespace and a mount namespace
// with a /run of its own.
type Node struct {
	Name string

	lab    *Lab
	anchor *Process
	space  string // "net:[4026532001]"
}

// PrivateMounts is a shell command that keeps the mounts of a new mount namespace
// to itself; in a chroot, whose root is no mount point, one by one.
const PrivateMounts = `mount --make-rprivate / 2>/dev/null ||
	while read -r _ _ _ _ at _; do mount --make-private "$at"; done </proc/self/mountinfo`

// anchorScript gives the node its own /run and a /sys that shows its own
// devices, makes IPv6 addresses usable without a wait for duplicate detection,
// brings up loopback, and then holds the namespaces open.
const anchorScript = PrivateMounts + `
mount -t tmpfs -o mode=755 tmpfs /run
mount -t sysfs sysfs /sys
for c in all default; do echo 0 >/proc/sys/net/ipv6/conf/$c/accept_dad; done
ip link set lo up
echo ready
exec sleep infinity`

// AddNode makes a node without links.
func (l *Lab) AddNode(name string) (*Node, error) {
	c := exec.Command("sh", "-euc", anchorScript)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("lab: node %s: %w", name, err)
	}
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := l.start(c); err != nil {
		return nil, fmt.Errorf("lab: node %s: %w", name, err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		c.Process.Kill()
		c.Wait()
		return nil, fmt.Errorf("lab: node %s: %s", name, strings.TrimSpace(errs.String()))
	}
	n := &Node{Name: name, lab: l, anchor: watch(c, name+" anchor", "")}
	if n.space, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/net", c.Process.Pid)); err != nil {
		n.anchor.Kill()
		return nil, fmt.Errorf("lab: node %s: %w", name, err)
	}
	if err := os.MkdirAll(n.Path(), 0o700); err != nil {
		n.anchor.Kill()
		return nil, fmt.Errorf("lab: node %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = append(l.nodes, n)
	l.spaces = append(l.spaces, n.space)
	l.log.Debug("node", "name", name, "pid", c.Process.Pid)
	return n, nil
}

// Pid is the anchor's process id: `nsenter -n -m -t PID` enters the node.
func (n *Node) Pid() int { return n.anchor.Pid() }

// Path names a file in the node's own directory, which every node sees.
func (n *Node) Path(elem ...string) string {
	return filepath.Join(append([]string{n.lab.dir, n.Name}, elem...)...)
}

// Enter is the argument list that runs args inside the node.
func (n *Node) Enter(args ...string) []string {
	return append([]string{"nsenter", "--net", "--mount", "--root", "--target", strconv.Itoa(n.Pid()), "--"}, args...)
}

// Run runs a program in the node and returns what it wrote to standard output.
// An error holds standard error too.
func (n *Node) Run(ctx context.Context, args ...string) (string, error) {
	return n.run(ctx, nil, args)
}

func (n *Node) run(ctx context.Context, stdin []byte, args []string) (string, error) {
	full := n.Enter(args...)
	c := exec.Command(full[0], full[1:]...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(stdin), &out, &errs
	if err := n.lab.start(c); err != nil {
		return "", fmt.Errorf("lab: %s: %s: %w", n.Name, args[0], err)
	}
	stop := context.AfterFunc(ctx, func() { c.Process.Kill() })
	defer stop()
	if err := c.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), fmt.Errorf("lab: %s: %s: %w: %s", n.Name, strings.Join(args, " "), err,
			strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// IP feeds lines to `ip -batch` in the node: "addr add 192.0.2.1/24 dev eth0".
func (n *Node) IP(ctx context.Context, lines ...string) error {
	in := strings.Join(lines, "\n") + "\n"
	_, err := n.run(ctx, []byte(in), []string{"ip", "-batch", "-"})
	return err
}

// Sysctl sets a key like "net.ipv4.ip_forward".
func (n *Node) Sysctl(ctx context.Context, key, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	_, err := n.Run(ctx, "sh", "-c", `printf %s "$1" >"$2"`, "sh", value, path)
	return err
}

// Do runs f on a thread in the node's network namespace. Sockets that f opens
// stay in that namespace; goroutines that f starts do not.
func (n *Node) Do(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	defer home.Close()
	there, err := netns.GetFromPid(n.Pid())
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	defer func() {
		// A thread that can't go home stays locked, and dies with its goroutine.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}
