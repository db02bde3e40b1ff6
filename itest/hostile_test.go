package itest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"warren/control"
	"warren/lab"
)

// perAttack is how often each hostile packet is sent.
const perAttack = 7

// TestHostilePackets sends what an attacker on the path could send, from the
// router with sg1's address, and wants each packet counted under its reason.
func TestHostilePackets(t *testing.T) {
	w := newWorld(t, 3)
	w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	alice := w.start(w.Sender, w.SenderConfig(3, true))
	w.pings(1)
	outer, err := w.Sender.Capture(lab.Device(w.Router))
	must(t, err)
	second, err := w.Gateways[0].Capture(lab.Device(w.Router)) // layer 2 comes by here before sg1 wraps it
	must(t, err)
	w.pings(10)
	must(t, outer.Stop())
	must(t, second.Stop())
	chain, err := alice.Chain(w.ctx, "web")
	must(t, err)
	real := w.espTo(outer, w.Gateways[0].Addr, w.SenderAddr)
	inner := w.espTo(second, w.Gateways[1].Addr, mustAddr(chain.Layers[0].VirtualIP))

	attacker := w.attacker(w.Gateways[0].Addr)
	for name, a := range attacks(real, inner) {
		t.Run(name, func(t *testing.T) {
			defer w.use(t)()
			before, came := w.drops(alice), w.points(alice)["from-network"]
			for range perAttack {
				attacker.send(t, a.packet)
			}
			w.counted(alice, before, a.reasons)
			if now := w.points(alice)["from-network"]; now < came+perAttack {
				t.Errorf("%d packets came in, want at least %d", now-came, perAttack)
			}
			w.balanced(alice)
		})
	}
	w.pings(5) // and nothing of it broke the chain
	after, err := alice.Chain(w.ctx, "web")
	must(t, err)
	if after.State != control.StateUp || after.Layers[0].SPIIn != chain.Layers[0].SPIIn {
		t.Errorf("chain is now %+v", after)
	}
}

// An attack is one ESP packet and the reasons it may be refused for.
type attack struct {
	packet  []byte
	reasons []string
}

func attacks(real, inner []byte) map[string]attack {
	forged := bytes.Clone(real)
	binary.BigEndian.PutUint32(forged[4:], binary.BigEndian.Uint32(real[4:])+1000) // new to the window
	flipped := bytes.Clone(forged)
	flipped[len(flipped)-1] ^= 1
	unknown := bytes.Clone(real)
	unknown[0] ^= 0x80
	return map[string]attack{
		"replayed":                      {real, []string{"replay"}},
		"sequence number changed":       {forged, []string{"auth-failed"}},
		"bit flipped":                   {flipped, []string{"auth-failed"}},
		"unknown SPI":                   {unknown, []string{"no-sa"}},
		"truncated":                     {real[:20], []string{"truncated", "runt"}},
		"header only":                   {real[:8], []string{"truncated", "runt"}},
		"layer 2 sent from the network": {inner, []string{"wrong-layer"}},
	}
}

// espTo is the last ESP packet that a capture saw from src to dst.
func (w *world) espTo(c *lab.Capture, src, dst netip.Addr) []byte {
	w.t.Helper()
	all := frames(w.t, c.File)
	for i := len(all) - 1; i >= 0; i-- {
		if esp, ok := all[i].esp(); ok && all[i].src == src && all[i].dst == dst {
			return bytes.Clone(esp)
		}
	}
	w.t.Fatalf("no ESP from %v to %v among %d packets", src, dst, len(all))
	return nil
}

// points is how many packets have passed each point of the daemon's data path.
func (w *world) points(d *lab.Warren) map[string]uint64 {
	w.t.Helper()
	st, err := d.Client().Status(w.ctx)
	must(w.t, err)
	return st.Traffic
}

// balanced waits until every packet is accounted for: what came in from the
// TUN, the network and IKE went out, is held, or was dropped.
func (w *world) balanced(d *lab.Warren) {
	w.t.Helper()
	err := lab.Poll(quick, func() error {
		st, err := d.Client().Status(w.ctx)
		if err != nil {
			return err
		}
		p := st.Traffic
		in := p["from-tun"] + p["from-network"] + p["control"] + p["fragments"]
		out := p["to-tun"] + p["to-network"] + p["to-control"] + p["held"]
		for _, n := range st.Drops {
			out += n
		}
		if in != out || in == 0 {
			return fmt.Errorf("%d packets in, %d delivered or dropped: %v %v", in, out, p, st.Drops)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) drops(d *lab.Warren) map[string]uint64 {
	w.t.Helper()
	drops, err := d.Client().Drops(w.ctx)
	must(w.t, err)
	return drops
}

// counted waits until one of the reasons has grown by the packets sent, and
// wants no other reason to have grown.
func (w *world) counted(d *lab.Warren, before map[string]uint64, reasons []string) {
	w.t.Helper()
	grown := func() map[string]uint64 {
		g := make(map[string]uint64)
		for reason, n := range w.drops(d) {
			if n > before[reason] && reason != "multicast" { // the kernel's own chatter on the TUN
				g[reason] = n - before[reason]
			}
		}
		return g
	}
	err := lab.Poll(quick, func() error {
		sum := uint64(0)
		for _, r := range reasons {
			sum += grown()[r]
		}
		if sum != perAttack {
			return fmt.Errorf("%d packets under %v, want %d; there are %v", sum, reasons, perAttack, grown())
		}
		return nil
	})
	if err == nil && len(grown()) != 1 {
		err = fmt.Errorf("counted under %v, want one of %v", grown(), reasons)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// An attacker sends UDP datagrams with somebody else's source address.
type attacker struct {
	w        *world
	fd       int
	src, dst netip.Addr
}

func (w *world) attacker(as netip.Addr) *attacker {
	w.t.Helper()
	a := &attacker{w: w, src: as, dst: w.SenderAddr}
	must(w.t, w.Router.Do(func() (err error) {
		a.fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
		return err
	}))
	w.t.Cleanup(func() { syscall.Close(a.fd) })
	return a
}

// send wraps an ESP packet into UDP port 4500, as sg1 does.
func (a *attacker) send(t *testing.T, esp []byte) {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP(a.src.AsSlice()), DstIP: net.IP(a.dst.AsSlice())}
	udp := &layers.UDP{SrcPort: 4500, DstPort: 4500}
	must(t, udp.SetNetworkLayerForChecksum(ip))
	b := gopacket.NewSerializeBuffer()
	opt := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	must(t, gopacket.SerializeLayers(b, opt, ip, udp, gopacket.Payload(esp)))
	to := syscall.SockaddrInet4{Addr: a.dst.As4()}
	must(t, syscall.Sendto(a.fd, b.Bytes(), 0, &to))
}
