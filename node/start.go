package node

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"warren/control"
	"warren/dataplane"
	"warren/host"
	"warren/tun"
	"warren/underlay"
)

// start opens everything in the order in which it depends on each other. What
// was opened is on the undo stack, so that a failure leaves nothing behind.
func (n *Node) start() error {
	steps := []func() error{
		n.openControl, n.openHost, n.openTUN, n.openUnderlay, n.openPlane, n.openKernel,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	n.started = time.Now()
	n.server.Serve(&backend{n.events, n})
	return nil
}

// close undoes start, the newest first.
func (n *Node) close() error {
	var errs []error
	for len(n.undo) > 0 {
		last := len(n.undo) - 1
		errs = append(errs, n.undo[last]())
		n.undo = n.undo[:last]
	}
	return errors.Join(errs...)
}

func (n *Node) onClose(f func() error) { n.undo = append(n.undo, f) }

// openControl comes first: it is what a second daemon is refused by.
func (n *Node) openControl() (err error) {
	if err := host.CheckPrivileges(host.RawSockets, host.LowPorts); err != nil {
		return err
	}
	n.server, err = control.Listen(control.Options{
		Socket: n.cfg.Control.Socket, Metrics: n.cfg.Control.Metrics, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.onClose(n.server.Close)
	return nil
}

// openHost undoes what a killed predecessor left behind.
func (n *Node) openHost() (err error) {
	socket := n.cfg.Control.Socket
	n.host, err = host.Open(host.Options{
		Name: n.cfg.Node, TUN: n.cfg.Tun.Name, Log: n.log,
		Journal: strings.TrimSuffix(socket, filepath.Ext(socket)) + ".journal",
	})
	if err != nil {
		return err
	}
	n.onClose(n.host.Close)
	watch, err := n.host.Watch()
	if err != nil {
		return err
	}
	n.roams.signal = watch
	return nil
}

// openTUN makes the device; its policy is in place before anything can be sent,
// so that nothing that a rule protects leaves in clear.
func (n *Node) openTUN() (err error) {
	off := n.cfg.Offloads
	n.dev, err = tun.Open(tun.Options{
		Name: n.cfg.Tun.Name, MTU: tunMTU, Queues: n.workers(), NoTSO: !off.TSO, NoUSO: !off.USO, NoRing: !off.Ring,
	})
	if err != nil {
		return err
	}
	n.onClose(n.dev.Close)
	if err := n.host.SetAddresses(n.cfg.Tun.Addresses); err != nil {
		return err
	}
	return n.host.SetPolicy(policyRules(n.cfg.Transport))
}

// tunMTU is the device's own: a chain's figure, which is smaller, is told to
// applications by ICMP and by the MSS of their connections.
const tunMTU = 1500

func (n *Node) openUnderlay() (err error) {
	l, off := n.cfg.Listen, n.cfg.Offloads
	n.net, err = underlay.Open(underlay.Options{
		Addr: listenAddr(l.Addresses), IKE: l.IKE, NATT: l.NATT, Mark: host.DefaultMark,
		Queues: n.dev.Info().Queues, NoGSO: !off.GSO, NoGRO: !off.GRO,
	})
	if err != nil {
		return err
	}
	n.onClose(n.net.Close)
	return nil
}

// listenAddr is the one configured address, or all of them.
func listenAddr(addrs []netip.Addr) netip.Addr {
	if len(addrs) == 1 {
		return addrs[0]
	}
	return netip.Addr{}
}

// openPlane makes the engine, the tree and the workers that they steer.
func (n *Node) openPlane() (err error) {
	if n.ike, err = n.newEngine(); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.fetcher = newFetcher()
	n.onClose(n.fetcher.close)
	n.nest = n.newManager()
	limits := n.cfg.Limits
	n.plane, err = dataplane.New(dataplane.Options{
		Tun: n.dev, Underlay: n.net, SAD: n.sad, Handler: n.handler, Log: n.log,
		Limits: dataplane.Limits{
			Flows: limits.Flows, Depth: limits.Depth, QueueBytes: limits.QueueBytes,
			QueuePackets: limits.QueuePackets, QueueTTL: limits.QueueTTL,
		},
	})
	if err != nil {
		return err
	}
	have, err := n.host.Addresses()
	if err != nil {
		return err
	}
	n.listen(have)
	n.plane.Publish(n.nest.View())
	n.makeRoom(n.dev.Info().Queues)
	n.onClose(n.plane.Close)
	n.plane.Start()
	return nil
}

// openKernel lets a gateway's kernel forward what comes out of the TUN.
func (n *Node) openKernel() error {
	if !n.cfg.Forwarding {
		return nil
	}
	return n.host.SetForwarding(true)
}
