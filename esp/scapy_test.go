package esp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"

	"warren/packet"
)

// A judge is scapy as the other end of an SA: it gets and returns whole IP
// packets, a line of JSON each.
type judge struct {
	in  io.Writer
	out *bufio.Scanner
}

type judgeAsk struct {
	Do      string `json:"do"` // encrypt, decrypt
	Algo    string `json:"algo"`
	Key     string `json:"key"`
	ICV     int    `json:"icv"` // of an AEAD
	Auth    string `json:"auth"`
	AuthKey string `json:"auth_key"`
	SPI     uint32 `json:"spi"`
	Seq     uint32 `json:"seq"`
	ESN     bool   `json:"esn"`
	SeqHi   uint32 `json:"hi"`
	Tunnel  bool   `json:"tunnel"`
	UDP     bool   `json:"udp"`
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Packet  string `json:"packet"`
}

// newJudge starts scapy. Without it the test is skipped, in CI it fails.
func newJudge(t *testing.T) *judge {
	t.Helper()
	python := findScapy()
	if python == "" {
		const why = "no python3 with scapy (Debian package python3-scapy): there is no outside judge"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	cmd := exec.Command(python, "-W", "ignore", "testdata/judge.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("scapy: %v\n%s", err, &stderr)
		}
	})
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, 1<<20)
	return &judge{in: in, out: scan}
}

// findScapy returns a python3 that can import scapy. Debian's comes first: its
// package belongs to that one, whatever else is in PATH.
func findScapy() string {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-W", "ignore", "-c", "import scapy.layers.ipsec").Run() == nil {
			return python
		}
	}
	return ""
}

func (j *judge) ask(t *testing.T, q judgeAsk) []byte {
	t.Helper()
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if !j.out.Scan() {
		t.Fatalf("scapy is gone: %v", j.out.Err())
	}
	var answer struct{ Packet, Error string }
	if err := json.Unmarshal(j.out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != "" {
		t.Fatalf("scapy refuses: %s", answer.Error)
	}
	b, err := hex.DecodeString(answer.Packet)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An exchange is one packet with scapy, in one of the shapes ESP has.
type exchange struct {
	suite    Suite
	mode     Mode
	udp      bool
	src, dst netip.Addr // outer in tunnel mode
	inner    []byte     // the packet to protect
	seq      uint64
}

func TestScapy(t *testing.T) {
	j := newJudge(t)
	ends := [][2]netip.Addr{
		{netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.1")},
		{netip.MustParseAddr("2001:db8::100"), netip.MustParseAddr("2001:db8::1")},
	}
	lan := [][2]netip.Addr{
		{netip.MustParseAddr("10.99.1.2"), netip.MustParseAddr("203.0.113.77")},
		{netip.MustParseAddr("fd99:1::2"), netip.MustParseAddr("2001:db8:77::77")},
	}
	seq := uint64(0)
	run := func(x exchange, in [2]netip.Addr, sizes ...int) {
		name := fmt.Sprintf("%v/%v/%v in %v/udp %v", x.suite, x.mode, in[0], x.src, x.udp)
		t.Run(name, func(t *testing.T) {
			for _, size := range sizes {
				seq++
				x.inner, x.seq = udpPacket(in[0], in[1], size), seq
				if x.suite.ESN {
					x.seq |= 0x12345 << 32
				}
				x.toScapy(t, j)
				x.fromScapy(t, j)
			}
		})
	}
	// Every suite, at both sides of where blocks end.
	for _, s := range suites {
		x := exchange{suite: s, src: ends[0][0], dst: ends[0][1]}
		run(x, lan[0], 0, 2, 3, 1400)
		x.mode = Transport
		run(x, ends[0], 0, 1, 6, 7)
	}
	// Every shape: what is around ESP is the same for all suites.
	for _, name := range []string{"aes128gcm16", "chacha20poly1305-esn", "aes256-sha512-esn"} {
		for _, e := range ends {
			for _, udp := range []bool{false, true} {
				sizes := []int{0, 1, 2, 3, 60, 512, 1400}
				x := exchange{suite: mustSuite(t, name), udp: udp, src: e[0], dst: e[1]}
				run(x, lan[0], sizes...)
				run(x, lan[1], sizes...)
				x.mode = Transport
				run(x, e, sizes...)
			}
		}
	}
}

// udpPacket returns an IP packet with size bytes in UDP.
func udpPacket(src, dst netip.Addr, size int) []byte {
	n := packet.IPv6HeaderLen
	if src.Is4() {
		n = packet.IPv4HeaderLen
	}
	b := make([]byte, n+packet.UDPHeaderLen+size)
	packet.PutIP(b, packet.IPHeader{Src: src, Dst: dst, Proto: packet.ProtoUDP, TTL: 64, Len: len(b)})
	packet.PutUDP(b[n:], 7777, 8888, packet.UDPHeaderLen+size)
	copy(b[n+packet.UDPHeaderLen:], plaintext(size))
	packet.SetUDPChecksum(b)
	return b
}

func (x exchange) question(do string, ip []byte) judgeAsk {
	a := judgeAsk{
		Do: do, Algo: "AES-GCM", Key: hex.EncodeToString(testKey(x.suite)), ICV: x.suite.ICVLen(), SPI: uint32(testSPI),
		Seq: uint32(x.seq), ESN: x.suite.ESN, SeqHi: uint32(x.seq >> 32),
		Tunnel: x.mode == Tunnel, UDP: x.udp, Src: x.src.String(), Dst: x.dst.String(),
		Packet: hex.EncodeToString(ip),
	}
	switch {
	case x.suite.Cipher == ChaCha20Poly1305:
		a.Algo = "CHACHA20-POLY1305"
	case x.suite.Cipher.cbc():
		hash := x.suite.Integ.String()[len("sha"):]
		a.Algo, a.ICV, a.Auth = "AES-CBC", 0, fmt.Sprintf("SHA2-%s-%d", hash, 8*x.suite.ICVLen())
		n := 2 * x.suite.Cipher.spec().key
		a.Key, a.AuthKey = a.Key[:n], a.Key[n:]
	}
	return a
}

// toScapy seals the packet and has scapy open it.
func (x exchange) toScapy(t *testing.T, j *judge) {
	t.Helper()
	sealer, _ := newPair(t, x.suite)
	_, info, _ := packet.ParseFlow(x.inner)
	p := newPacket(x.inner)
	next := uint8(packet.ProtoUDP)
	if x.mode == Tunnel {
		next = packet.ProtoIPv6
		if x.inner[0]>>4 == 4 {
			next = packet.ProtoIPv4
		}
	} else {
		p.TrimFront(info.HeaderLen)
	}
	sealer.sealNow(p, testSPI, x.seq, next)
	proto := uint8(packet.ProtoESP)
	if x.udp {
		proto = packet.ProtoUDP
		packet.PutUDP(p.Prepend(packet.UDPHeaderLen), 4500, 4500, p.Len())
	}
	n := packet.IPv6HeaderLen
	if x.src.Is4() {
		n = packet.IPv4HeaderLen
	}
	front := p.Prepend(n)
	packet.PutIP(front, packet.IPHeader{Src: x.src, Dst: x.dst, Proto: proto, TTL: 64, Len: p.Len()})
	if got := j.ask(t, x.question("decrypt", p.Bytes())); !bytes.Equal(got, x.inner) {
		t.Errorf("seq %#x: scapy opened\n%x\nwant\n%x", x.seq, got, x.inner)
	}
}

// fromScapy has scapy seal the packet and opens it.
func (x exchange) fromScapy(t *testing.T, j *judge) {
	t.Helper()
	_, opener := newPair(t, x.suite)
	sealed := j.ask(t, x.question("encrypt", x.inner))
	flow, info, d := packet.ParseFlow(sealed)
	if d != packet.Live || flow.Src != x.src || flow.Dst != x.dst || info.TotalLen != len(sealed) {
		t.Fatalf("seq %#x: scapy sent %v %+v %+v", x.seq, d, flow, info)
	}
	p := newPacket(sealed)
	p.TrimFront(info.HeaderLen)
	if x.udp {
		if flow.Proto != packet.ProtoUDP || flow.DstPort != 4500 {
			t.Fatalf("seq %#x: scapy sent %+v", x.seq, flow)
		}
		p.TrimFront(packet.UDPHeaderLen)
	}
	next, ok := opener.openNow(p, x.seq)
	if !ok {
		t.Fatalf("seq %#x: %v", x.seq, p.Drop)
	}
	got := bytes.Clone(p.Bytes())
	if x.mode == Transport {
		if next != packet.ProtoUDP {
			t.Errorf("next header %d", next)
		}
		_, info, _ := packet.ParseFlow(x.inner)
		got = slices.Concat(x.inner[:info.HeaderLen], got)
	}
	if !bytes.Equal(got, x.inner) {
		t.Errorf("seq %#x: opened\n%x\nwant\n%x", x.seq, got, x.inner)
	}
}
