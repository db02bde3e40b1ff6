package packet

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A segmentSpec is what the tests vary in the packets of a flow.
type segmentSpec struct {
	v6, udp        bool
	port           uint16
	id             uint16
	df             bool
	tos            uint8
	seq            uint32
	psh, fin, syn  bool
	ns             bool // the bit that accurate ECN has, beside the header's length
	options        bool
	stamp          uint8
	ack            uint32
	window, urgent uint16
	noSum, corrupt bool
	size           int
}

// segment makes the packet with gopacket: lengths and checksums are not this
// package's.
func (s segmentSpec) segment(t testing.TB) []byte {
	t.Helper()
	var list []gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	proto := layers.IPProtocolTCP
	if s.udp {
		proto = layers.IPProtocolUDP
	}
	if s.v6 {
		ip := &layers.IPv6{Version: 6, TrafficClass: s.tos, HopLimit: 61, NextHeader: proto, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
		network, list = ip, append(list, ip)
	} else {
		ip := &layers.IPv4{Version: 4, TOS: s.tos, TTL: 61, Id: s.id, Protocol: proto, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
		if s.df {
			ip.Flags = layers.IPv4DontFragment
		}
		network, list = ip, append(list, ip)
	}
	if s.udp {
		udp := &layers.UDP{SrcPort: layers.UDPPort(s.port), DstPort: 2000}
		udp.SetNetworkLayerForChecksum(network)
		list = append(list, udp)
	} else {
		tcp := &layers.TCP{SrcPort: layers.TCPPort(s.port), DstPort: 2000, Seq: s.seq, Ack: 77 + s.ack, ACK: true,
			PSH: s.psh, FIN: s.fin, SYN: s.syn, NS: s.ns, Window: 500 + s.window, Urgent: s.urgent}
		if s.options {
			tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, s.stamp, 0, 0, 0, 0}}}
		}
		tcp.SetNetworkLayerForChecksum(network)
		list = append(list, tcp)
	}
	payload := make([]byte, s.size)
	for i := range payload {
		payload[i] = byte(i*7) + byte(s.seq)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(list, gopacket.Payload(payload))...); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()
	var sh shape
	ok := sh.set(b)
	if !ok {
		t.Fatalf("made a packet that has no shape: % x", b)
	}
	if s.noSum && s.udp && !s.v6 {
		putBE16(b[sh.headerLen+udpSumOff:], 0)
	}
	if s.corrupt && s.size > 0 {
		b[len(b)-1] ^= 1
	}
	return b
}

func batchOf(list ...[]byte) Batch {
	b := NewBatch(len(list), MaxPacket)
	for i, p := range b {
		p.Set(list[i])
	}
	return b
}

// super makes a run the super-packet that a kernel would be given.
func super(r *Run) *Packet {
	p := New(MaxPacket)
	r.Merge()
	for i := range r.Packets {
		copy(p.Append(len(r.Payload(i))), r.Payload(i))
	}
	p.Segment = int32(r.Segment)
	return p
}

// split is all that a super-packet stands for.
func split(t testing.TB, p *Packet) (out [][]byte) {
	t.Helper()
	var s Splitter
	if !s.Start(p) {
		t.Fatalf("Start refuses % x", p.Bytes()[:60])
	}
	count, largest := s.Packets(), s.Largest()
	for q := New(MaxPacket); s.Next(q); q.Reset(Headroom) {
		if q.Len() > largest || q.Info.TotalLen != q.Len() {
			t.Fatalf("packet of %d bytes, total %d, largest was to have %d", q.Len(), q.Info.TotalLen, largest)
		}
		out = append(out, bytes.Clone(q.Bytes()))
	}
	if len(out) != count {
		t.Fatalf("%d packets, want %d", len(out), count)
	}
	return out
}

// runLens are the lengths of the runs that packets make.
func runLens(t testing.TB, specs []segmentSpec) (lens []int) {
	var list [][]byte
	for _, s := range specs {
		list = append(list, s.segment(t))
	}
	var c Coalescer
	for _, r := range c.Runs(batchOf(list...)) {
		lens = append(lens, len(r.Packets))
	}
	return lens
}

func TestCoalesceEdges(t *testing.T) {
	tcp := segmentSpec{port: 1, size: 100, df: true}
	at := func(n int, change func(*segmentSpec)) segmentSpec {
		s := tcp
		s.seq, s.id = uint32(100*n), uint16(n)
		change(&s)
		return s
	}
	same := func(*segmentSpec) {}
	tests := map[string]struct {
		second segmentSpec
		third  segmentSpec
		want   []int
	}{
		"in order":              {at(1, same), at(2, same), []int{3}},
		"gap":                   {at(2, same), at(3, same), []int{1, 2}},
		"repeated":              {at(0, same), at(1, same), []int{1, 2}},
		"shorter ends":          {at(1, func(s *segmentSpec) { s.size = 99 }), at(2, func(s *segmentSpec) { s.seq-- }), []int{2, 1}},
		"longer does not join":  {at(1, func(s *segmentSpec) { s.size = 101 }), at(2, func(s *segmentSpec) { s.seq++ }), []int{1, 2}},
		"push ends":             {at(1, func(s *segmentSpec) { s.psh = true }), at(2, same), []int{2, 1}},
		"fin is by itself":      {at(1, func(s *segmentSpec) { s.fin = true }), at(2, same), []int{1, 1, 1}},
		"syn is by itself":      {at(1, func(s *segmentSpec) { s.syn = true }), at(2, same), []int{1, 1, 1}},
		"no data":               {at(1, func(s *segmentSpec) { s.size = 0 }), at(1, same), []int{1, 1, 1}},
		"other tos":             {at(1, func(s *segmentSpec) { s.tos = 3 }), at(2, same), []int{1, 1, 1}},
		"options":               {at(1, func(s *segmentSpec) { s.options = true }), at(2, same), []int{1, 1, 1}},
		"another ack":           {at(1, func(s *segmentSpec) { s.ack = 1 }), at(2, same), []int{1, 1, 1}},
		"another window":        {at(1, func(s *segmentSpec) { s.window = 1 << 8 }), at(2, same), []int{1, 1, 1}},
		"another ns bit":        {at(1, func(s *segmentSpec) { s.ns = true }), at(2, same), []int{1, 1, 1}},
		"urgent":                {at(1, func(s *segmentSpec) { s.urgent = 1 }), at(2, same), []int{1, 1, 1}},
		"bad checksum":          {at(1, func(s *segmentSpec) { s.corrupt = true }), at(2, same), []int{1, 1, 1}},
		"another flow between":  {segmentSpec{port: 2, size: 100}, at(1, same), []int{2, 1}},
		"another family":        {segmentSpec{v6: true, port: 1, size: 100}, at(1, same), []int{2, 1}},
		"another protocol":      {segmentSpec{udp: true, port: 1, size: 100}, at(1, same), []int{2, 1}},
		"df comes and goes":     {at(1, func(s *segmentSpec) { s.df = false }), at(2, same), []int{1, 1, 1}},
		"any id where df is on": {at(1, func(s *segmentSpec) { s.id = 500 }), at(2, same), []int{3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := runLens(t, []segmentSpec{tcp, tt.second, tt.third})
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("runs of %v, want %v", got, tt.want)
			}
		})
	}
	stamped := tcp
	stamped.options = true
	second := at(1, func(s *segmentSpec) { s.options, s.stamp = true, 1 })
	if got := runLens(t, []segmentSpec{stamped, second}); fmt.Sprint(got) != "[1 1]" {
		t.Errorf("another time stamp: runs of %v, want [1 1]", got)
	}
	first := tcp
	first.corrupt = true
	if got := runLens(t, []segmentSpec{first, at(1, same), at(2, same)}); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("behind a first packet with a bad checksum: runs of %v, want [1 2]", got)
	}
}

// TestCoalesceBits changes every bit of a packet's headers, with checksums that are
// right all the same: only what a super-packet stands for is one.
func TestCoalesceBits(t *testing.T) {
	for _, spec := range []segmentSpec{
		{port: 1, size: 100}, {port: 1, size: 100, options: true, df: true}, {udp: true, port: 1, size: 100},
		{v6: true, port: 1, size: 100}, {v6: true, port: 1, size: 100, options: true}, {v6: true, udp: true, port: 1, size: 100},
	} {
		next := spec
		next.seq, next.id = 100, 1
		first, second := spec.segment(t), next.segment(t)
		var sh shape
		sh.set(second)
		for bit := -1; bit < 8*sh.front; bit++ {
			b := bytes.Clone(second)
			if bit >= 0 {
				b[bit/8] ^= 1 << (bit % 8)
				sh.setChecksum(b)
			}
			if !sh.v6 {
				putBE16(b[10:], 0)
				putBE16(b[10:], Checksum(b[:IPv4HeaderLen], 0))
			}
			var c Coalescer
			runs := c.Runs(batchOf(first, b))
			if len(runs) == 2 {
				if bit < 0 {
					t.Errorf("%+v: no run", spec)
				}
				continue
			}
			if got := split(t, super(&runs[0])); !bytes.Equal(normal(got[0]), normal(first)) || !bytes.Equal(normal(got[1]), normal(b)) {
				t.Errorf("%+v: byte %d, bit %d of the second does not come out:\n% x, want\n% x", spec, bit/8, bit%8, got[1][:sh.front], b[:sh.front])
			}
		}
	}
}

func TestCoalesceIDs(t *testing.T) {
	var list []segmentSpec
	for i := range 6 {
		list = append(list, segmentSpec{port: 1, size: 10, seq: uint32(10 * i), id: uint16(65533 + i)})
	}
	if got := runLens(t, list); fmt.Sprint(got) != "[6]" {
		t.Errorf("ids that wrap: runs of %v, want [6]", got)
	}
	list[3].id++
	if got := runLens(t, list); fmt.Sprint(got) != "[3 1 2]" {
		t.Errorf("an id out of turn: runs of %v, want [3 1 2]", got)
	}
}

func TestCoalesceLimits(t *testing.T) {
	var list []segmentSpec
	for range MaxSegments + 1 {
		list = append(list, segmentSpec{udp: true, port: 1, size: 10, df: true})
	}
	if got := runLens(t, list); fmt.Sprint(got) != "[64 1]" {
		t.Errorf("runs of %v, want [64 1]", got)
	}
	list = list[:5]
	for i := range list {
		list[i].size = 16000
	}
	if got := runLens(t, list); fmt.Sprint(got) != "[4 1]" {
		t.Errorf("runs of %v, want [4 1]: a packet has at most 65535 bytes", got)
	}
}

func TestUndo(t *testing.T) {
	for _, s := range []segmentSpec{
		{port: 1, size: 100, df: true, id: 9}, {udp: true, port: 1, size: 100, df: true},
		{v6: true, port: 1, size: 100, options: true}, {v6: true, udp: true, port: 1, size: 100},
	} {
		next := s
		next.seq += 100
		next.psh = true
		b := batchOf(s.segment(t), next.segment(t))
		var c Coalescer
		r := &c.Runs(b)[0]
		if len(r.Packets) != 2 {
			t.Fatalf("%+v: no run", s)
		}
		r.Merge()
		r.Undo()
		if want := s.segment(t); !bytes.Equal(b[0].Bytes(), want) {
			t.Errorf("%+v: after Undo\n% x, want\n% x", s, b[0].Bytes()[:60], want[:60])
		}
	}
}

// specs makes packets of what a fuzzer chose: a byte is one packet, most of them
// carrying on where their flow was.
func specs(data []byte, v6, df bool) (list []segmentSpec) {
	seq, id := map[bool]uint32{}, map[bool]uint16{}
	for _, c := range data[:min(len(data), 100)] {
		udp := c&1 != 0
		s := segmentSpec{v6: v6, udp: udp, port: 1, df: df, seq: seq[udp], id: id[udp], size: 50, options: c&2 != 0 && c&4 != 0}
		switch c >> 4 {
		case 0:
			s.seq++
		case 1:
			s.psh = true
		case 2:
			s.fin = true
		case 3:
			s.corrupt = true
		case 4:
			s.noSum = true
		case 5:
			s.id += 3
		case 6:
			s.size = int(c & 15)
		case 7:
			s.tos = c & 3
		case 8:
			s.size = 51
		}
		seq[udp], id[udp] = s.seq+uint32(s.size), s.id+1
		list = append(list, s)
	}
	return list
}

// FuzzCoalesce holds what comes out of a super-packet to what went in: the same
// packets, each flow's in order, but for numbers that mean nothing (the IDs of
// packets that are never cut) and UDP checksums where there were none.
func FuzzCoalesce(f *testing.F) {
	f.Add([]byte{0x90, 0x90, 0x90, 0x10, 0x91, 0x91, 0x41, 0x91, 0x60, 0x31, 0x91, 0x91}, false, true)
	f.Add([]byte{0x90, 0x90, 0x50, 0x90, 0x90, 0x86, 0x96, 0x96, 0x82, 0x70, 0x72}, false, false)
	f.Add([]byte{0x90, 0x90, 0x90, 0x20, 0x91, 0x91, 0x30, 0x96, 0x96}, true, false)
	f.Fuzz(func(t *testing.T, data []byte, v6, df bool) {
		in, out := map[string][][]byte{}, map[string][][]byte{}
		keep := func(m map[string][][]byte, b []byte) {
			flow, _, _ := ParseFlow(b)
			m[fmt.Sprint(flow)] = append(m[fmt.Sprint(flow)], normal(b))
		}
		var list [][]byte
		for _, s := range specs(data, v6, df) {
			b := s.segment(t)
			list = append(list, b)
			keep(in, b)
		}
		var c Coalescer
		runs := c.Runs(batchOf(list...))
		for i := range runs {
			r := &runs[i]
			if len(r.Packets) == 1 {
				keep(out, r.Packets[0].Bytes())
				continue
			}
			for _, b := range split(t, super(r)) {
				keep(out, b)
			}
		}
		for flow, want := range in {
			if fmt.Sprintf("%x", out[flow]) != fmt.Sprintf("%x", want) {
				t.Errorf("%s: out\n%x, in\n%x", flow, out[flow], want)
			}
		}
	})
}

// normal is b without what coalescing may change. A UDP checksum that is right is
// as good as none; a wrong one stays.
func normal(b []byte) []byte {
	b = bytes.Clone(b)
	var s shape
	ok := s.set(b)
	if !ok {
		return b
	}
	if s.proto == ProtoUDP && !s.v6 && s.verified(b) {
		putBE16(b[s.headerLen+udpSumOff:], 0)
	}
	if !s.v6 && s.df {
		putBE16(b[4:], 0)
		putBE16(b[10:], 0)
	}
	return b
}

// FuzzSplit gives the Splitter what no kernel would.
func FuzzSplit(f *testing.F) {
	f.Add(segmentSpec{port: 1, size: 1000}.segment(f), 100)
	f.Add(segmentSpec{udp: true, v6: true, port: 1, size: 1000}.segment(f), 999)
	f.Add(segmentSpec{port: 1}.segment(f), 1)
	f.Fuzz(func(t *testing.T, b []byte, segment int) {
		if len(b) > 4096 {
			return
		}
		p := New(len(b))
		p.Set(b)
		p.Segment = int32(segment)
		var s Splitter
		if !s.Start(p) {
			return
		}
		for i, q := range split(t, p) {
			if sh := new(shape); !sh.set(q) || !sh.verified(q) {
				t.Errorf("packet %d is not right: % x", i, q)
			}
		}
	})
}

func TestSplitFlags(t *testing.T) {
	p := New(4000)
	p.Set(segmentSpec{port: 1, size: 250, psh: true, fin: true, id: 65535}.segment(t))
	p.Segment = 100
	p.Bytes()[20+tcpFlagsOff] |= tcpCWR
	want := []struct {
		flags uint8
		seq   byte
		id    uint16
	}{{tcpACK | tcpCWR, 0, 65535}, {tcpACK, 100, 0}, {tcpACK | tcpPSH | tcpFIN, 200, 1}}
	for i, b := range split(t, p) {
		tcp := b[20:]
		if tcp[tcpFlagsOff] != want[i].flags || tcp[tcpSeqOff+3] != want[i].seq || be16(b[4:]) != want[i].id {
			t.Errorf("packet %d has flags %#x, number %d, id %d, want %+v", i, tcp[tcpFlagsOff], tcp[tcpSeqOff+3], be16(b[4:]), want[i])
		}
	}
}

func TestSuperAllocs(t *testing.T) {
	var list [][]byte
	for i := range 40 {
		list = append(list, segmentSpec{port: 1, size: 1000, seq: uint32(1000 * i), df: true}.segment(t))
	}
	b, q := batchOf(list...), New(2000)
	var c Coalescer
	big := super(&c.Runs(batchOf(list...))[0])
	var s Splitter
	if n := testing.AllocsPerRun(20, func() {
		c.Runs(b)
		for s.Start(big); s.Next(q); q.Reset(Headroom) {
		}
		q.Reset(Headroom)
	}); n != 0 {
		t.Errorf("coalescing and splitting allocates %v times, want 0", n)
	}
}
