package classbench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"warren/packet"
)

// WriteRules writes rules of IPv4 as a filter file.
func WriteRules(w io.Writer, rules []Rule) error {
	out := bufio.NewWriter(w)
	for i := range rules {
		r := &rules[i]
		mask := 0xff
		if r.Proto == anyProto {
			mask = 0
		}
		fmt.Fprintf(out, "@%v\t%v\t%d : %d\t%d : %d\t0x%02x/0x%02x\n", ipv4(r.Src), ipv4(r.Dst),
			r.SrcPorts.Lo, r.SrcPorts.Hi, r.DstPorts.Lo, r.DstPorts.Hi, r.Proto, mask)
	}
	return out.Flush()
}

func ipv4(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return p
}

// WriteTrace writes flows of IPv4 as a trace file.
func WriteTrace(w io.Writer, flows []packet.Flow) error {
	out := bufio.NewWriter(w)
	for _, f := range flows {
		src, dst := f.Src.As4(), f.Dst.As4()
		fmt.Fprintf(out, "%d\t%d\t%d\t%d\t%d\n", binary.BigEndian.Uint32(src[:]), binary.BigEndian.Uint32(dst[:]), f.SrcPort, f.DstPort, f.Proto)
	}
	return out.Flush()
}
