package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	charonPath = "/usr/lib/ipsec/charon"
	viciSocket = "/run/charon.vici" // in the node's own /run
)

// A Charon is strongSwan's IKE daemon in a node, with ESP in userspace
// (kernel-libipsec): ESP in UDP only, tunnel mode only, no ESN.
type Charon struct {
	*Process

	node *Node
	env  []string
}

// HasCharon reports why strongSwan cannot run here.
func HasCharon() error {
	if _, err := os.Stat(charonPath); err != nil {
		return fmt.Errorf("lab: strongSwan is not installed: %w", err)
	}
	return nil
}

// StartCharon runs strongSwan in the node with one connection.
func (n *Node) StartCharon(ctx context.Context, c CharonConfig) (*Charon, error) {
	return n.StartStrongSwan(ctx, StrongSwan{Connections: []CharonConfig{c}})
}

// StartStrongSwan runs strongSwan in the node and loads the connections.
func (n *Node) StartStrongSwan(ctx context.Context, s StrongSwan) (*Charon, error) {
	if err := os.RemoveAll(n.Path("swanctl")); err != nil { // of one that ran before
		return nil, fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	for name, content := range s.files() {
		if err := os.MkdirAll(filepath.Dir(n.Path(name)), 0o700); err != nil {
			return nil, fmt.Errorf("lab: %s: %w", n.Name, err)
		}
		if err := n.WriteFile(name, content); err != nil {
			return nil, err
		}
	}
	ch := &Charon{node: n, env: []string{"STRONGSWAN_CONF=" + n.Path("strongswan.conf"), "SWANCTL_DIR=" + n.Path("swanctl")}}
	var err error
	ch.Process, err = n.Start(Spec{Name: "charon", Args: []string{charonPath}, Env: ch.env, Ready: ch.listens})
	if err != nil {
		return nil, err
	}
	if out, err := ch.Swanctl(ctx, "--load-all", "--noprompt"); err != nil {
		ch.Kill()
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return ch, nil
}

func (ch *Charon) listens() error {
	c, err := net.Dial("unix", ch.node.Outside(viciSocket))
	if err != nil {
		return err
	}
	return c.Close()
}

// Swanctl runs swanctl against the daemon.
func (ch *Charon) Swanctl(ctx context.Context, args ...string) (string, error) {
	full := append([]string{"env"}, ch.env...)
	return ch.node.Run(ctx, append(append(full, "swanctl"), args...)...)
}

// Initiate brings the connection up, or of several the one of that name.
func (ch *Charon) Initiate(ctx context.Context, name ...string) error {
	_, err := ch.Swanctl(ctx, "--initiate", "--ike", only(name), "--child", charonChild, "--timeout", "20")
	return err
}

// Terminate takes the connection down, or of several the one of that name.
func (ch *Charon) Terminate(ctx context.Context, name ...string) error {
	_, err := ch.Swanctl(ctx, "--terminate", "--ike", only(name), "--timeout", "10")
	return err
}

func only(name []string) string { return orDefault(strings.Join(name, ""), charonName) }

// RekeyIKE asks for a new IKE SA of the connection. It does not wait for it.
func (ch *Charon) RekeyIKE(ctx context.Context, name string) error {
	_, err := ch.Swanctl(ctx, "--rekey", "--ike", name)
	return err
}

// RekeyChild asks for a new child SA of the connection. It does not wait for it.
func (ch *Charon) RekeyChild(ctx context.Context, name string) error {
	_, err := ch.Swanctl(ctx, "--rekey", "--ike", name, "--child", charonChild)
	return err
}

// SAs lists the daemon's IKE SAs with their child SAs, or those of one connection.
func (ch *Charon) SAs(ctx context.Context, name ...string) ([]CharonSA, error) {
	args := []string{"--list-sas", "--raw"}
	for _, n := range name {
		args = append(args, "--ike", n)
	}
	out, err := ch.Swanctl(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseListSAs(out), nil
}

// WriteFile writes a file of the node that only root may read.
func (n *Node) WriteFile(name, content string) error {
	err := os.WriteFile(n.Path(name), []byte(content), 0o600)
	if err == nil {
		err = os.Chmod(n.Path(name), 0o600) // also where it was there already
	}
	if err != nil {
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	return nil
}
