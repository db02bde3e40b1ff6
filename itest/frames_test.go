package itest

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// A frame is what one captured packet shows to everybody on the link.
type frame struct {
	src, dst   netip.Addr
	proto      layers.IPProtocol
	sport      layers.UDPPort
	dport      layers.UDPPort
	udpPayload []byte // of UDP
	ip         []byte // from the IP header on
}

// pair is the two addresses in a fixed order, "a-b", whoever sent.
func (f frame) pair() string {
	a, b := f.src, f.dst
	if b.Less(a) {
		a, b = b, a
	}
	return fmt.Sprintf("%v-%v", a, b)
}

// pairOf is the pair of two addresses.
func pairOf(a, b netip.Addr) string { return frame{src: a, dst: b}.pair() }

// frames reads the IP packets of a capture. Neighbor discovery and other
// link-local IPv6 is not anybody's traffic and is left out.
func frames(t *testing.T, file string) []frame {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	must(t, err)
	var all []frame
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.DecodeOptions{NoCopy: true})
		if fr, ok := parse(p); ok {
			all = append(all, fr)
		}
	}
}

func parse(p gopacket.Packet) (frame, bool) {
	var f frame
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		f.src, _ = netip.AddrFromSlice(ip.SrcIP)
		f.dst, _ = netip.AddrFromSlice(ip.DstIP)
		f.proto = ip.Protocol
		f.ip = p.LinkLayer().LayerPayload()
	case *layers.IPv6:
		f.src, _ = netip.AddrFromSlice(ip.SrcIP)
		f.dst, _ = netip.AddrFromSlice(ip.DstIP)
		f.proto = ip.NextHeader
		f.ip = p.LinkLayer().LayerPayload()
		if f.src.IsLinkLocalUnicast() || f.src.IsUnspecified() || f.dst.IsMulticast() || f.proto == layers.IPProtocolICMPv6 {
			return f, false
		}
	default:
		return f, false
	}
	if u, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		f.sport, f.dport, f.udpPayload = u.SrcPort, u.DstPort, u.Payload
	}
	return f, true
}

// ike reports whether the frame carries IKE, by port and marker.
func (f frame) ike() bool {
	return f.dport == 500 || f.dport == 4500 && len(f.udpPayload) > 4 && string(f.udpPayload[:4]) == "\x00\x00\x00\x00"
}

// esp is the ESP packet in the frame: raw, or in UDP port 4500.
func (f frame) esp() ([]byte, bool) {
	switch {
	case f.proto == layers.IPProtocolESP:
		header := int(f.ip[0]&15) * 4
		return f.ip[header:], true
	case (f.dport == 4500 || f.sport == 4500) && !f.ike() && len(f.udpPayload) > 8:
		return f.udpPayload, true
	}
	return nil, false
}

// protected reports whether an onlooker learns nothing but that there is IPsec.
func (f frame) protected() bool {
	_, esp := f.esp()
	keepalive := f.dport == 4500 && len(f.udpPayload) == 1
	return esp || f.ike() || f.sport == 500 || keepalive
}
