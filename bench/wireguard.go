package bench

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"warren/lab"
)

const (
	// wireguardModule is what go.mod pins, and what is built and run here.
	wireguardModule = "golang.zx2c4.com/wireguard"

	wgDevice = "wg0"
	wgPort   = 51820
	wgMTU    = 1420 // what wg-quick sets on a link with 1500
)

// BuildWireGuard builds wireguard-go, in the version of our go.mod, into dir.
func BuildWireGuard(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "wireguard-go")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, wireguardModule).CombinedOutput(); err != nil {
		return "", fmt.Errorf("bench: go build %s: %w\n%s", wireguardModule, err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// wgEnd is one of two hosts that trust each other.
type wgEnd struct {
	node     *lab.Node
	key      *ecdh.PrivateKey
	underlay netip.Addr
	inner    netip.Addr
}

func startWireGuard(ctx context.Context, l *lab.Lab, tools Tools) (*path, error) {
	ln, err := newLine(ctx, l, 1)
	if err != nil {
		return nil, err
	}
	a := wgEnd{node: ln.sender, underlay: end(1, 1), inner: netip.MustParseAddr("10.77.0.1")}
	b := wgEnd{node: ln.last(), underlay: end(1, 2), inner: netip.MustParseAddr("10.77.0.2")}
	for _, e := range []*wgEnd{&a, &b} {
		if e.key, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return nil, fmt.Errorf("bench: wireguard key: %w", err)
		}
	}
	p := &path{from: a.node, to: b.node, target: b.inner, device: wgDevice, mtu: wgMTU, suite: "chacha20poly1305"}
	for _, e := range [][2]wgEnd{{a, b}, {b, a}} {
		daemon, err := e[0].start(ctx, tools.WireGuard, e[1])
		if err != nil {
			return nil, err
		}
		p.daemons = append(p.daemons, daemon)
	}
	return p, nil
}

func (e wgEnd) start(ctx context.Context, program string, peer wgEnd) (*lab.Process, error) {
	socket := e.node.Outside("/run/wireguard/" + wgDevice + ".sock")
	p, err := e.node.Start(lab.Spec{
		Name: "wireguard-go", Args: []string{program, "-f", wgDevice},
		Ready: func() error { return uapi(socket, e.settings(peer)) },
	})
	if err != nil {
		return nil, err
	}
	return p, e.node.IP(ctx,
		fmt.Sprintf("addr add %v/24 dev %s", e.inner, wgDevice),
		fmt.Sprintf("link set %s mtu %d up", wgDevice, wgMTU))
}

// settings is the configuration in the words of WireGuard's cross-platform
// userspace interface.
func (e wgEnd) settings(peer wgEnd) string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	set("private_key", hex.EncodeToString(e.key.Bytes()))
	set("listen_port", wgPort)
	set("replace_peers", true)
	set("public_key", hex.EncodeToString(peer.key.PublicKey().Bytes()))
	set("endpoint", netip.AddrPortFrom(peer.underlay, wgPort))
	set("replace_allowed_ips", true)
	set("allowed_ip", netip.PrefixFrom(peer.inner, 32))
	return b.String()
}

// uapi sends one configuration.
func uapi(socket, settings string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if _, err := fmt.Fprintf(c, "set=1\n%s\n", settings); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if answer = strings.TrimSpace(answer); answer != "errno=0" {
		return fmt.Errorf("bench: wireguard-go answers %q, %v", answer, err)
	}
	return nil
}
