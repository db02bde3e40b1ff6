package esp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren/packet"
)

// TestTshark has Wireshark's dissector open a packet of each suite that version 4.0
// knows, which has neither ESN nor ChaCha20-Poly1305, and check its ICV.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no tshark (Debian package tshark): %v", err)
	}
	src, dst := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.1")
	file := filepath.Join(t.TempDir(), "esp.pcap")
	args := []string{"-n", "-r", file, "-T", "fields", "-e", "esp.spi", "-e", "esp.icv_good", "-e", "esp.icv_bad", "-e", "udp.dstport", "-e", "udp.checksum.status",
		"-o", "udp.check_checksum:TRUE", "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"}
	capture := pcapHeader()
	var want strings.Builder
	for i, s := range Suites() {
		if s.Cipher == ChaCha20Poly1305 {
			continue
		}
		spi := SPI(0x1000 + i)
		sealer, _ := newPair(t, s)
		p := newPacket(udpPacket(netip.MustParseAddr("10.99.1.2"), netip.MustParseAddr("203.0.113.77"), 100+i))
		sealer.sealNow(p, spi, 1, packet.ProtoIPv4)
		n := p.Len() + packet.IPv4HeaderLen
		packet.PutIP(p.Prepend(packet.IPv4HeaderLen), packet.IPHeader{Src: src, Dst: dst, Proto: packet.ProtoESP, TTL: 64, Len: n})
		capture = appendFrame(capture, p.Bytes())
		args = append(args, "-o", tsharkSA(s, spi))
		fmt.Fprintf(&want, "0x%08x\t1\t0\t8888\t1\n", uint32(spi))
	}
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(tshark, args...).Output()
	if err != nil || string(got) != want.String() {
		t.Errorf("%v; tshark reads\n%swant\n%s", err, got, &want)
	}
}

// tsharkSA is an entry of its table of SAs.
func tsharkSA(s Suite, spi SPI) string {
	encr, auth, key, integ := fmt.Sprintf("AES-GCM with %d octet ICV [RFC4106]", s.ICVLen()), "NULL", testKey(s), ""
	if s.Cipher.cbc() {
		encr, auth = "AES-CBC [RFC3602]", fmt.Sprintf("HMAC-SHA-%s-%d [RFC4868]", strings.TrimPrefix(s.Integ.String(), "sha"), 8*s.ICVLen())
		n := s.Cipher.spec().key
		key, integ = key[:n], fmt.Sprintf("0x%x", key[n:])
	}
	return fmt.Sprintf(`uat:esp_sa:"IPv4","*","*","0x%08x","%s","0x%x","%s","%s"`, uint32(spi), encr, key, auth, integ)
}

// pcapHeader begins a capture file of IP packets.
func pcapHeader() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, packet.MaxPacket)
	return binary.LittleEndian.AppendUint32(b, 101)
}

func appendFrame(b, frame []byte) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
	return append(b, frame...)
}
