package message

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// shared is where the captures of other implementations are. They are too many
// to copy.
const shared = "../../../shared/vectors"

// traceMessages are the IKE messages of a recorded exchange between two
// strongSwan daemons.
func traceMessages(t testing.TB, file string) (all [][]byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no recorded exchange at %s", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	var trace struct{ Messages []struct{ Kind, Hex string } }
	if err := json.Unmarshal(data, &trace); err != nil {
		t.Fatal(err)
	}
	for _, m := range trace.Messages {
		if m.Kind != "ike" {
			continue
		}
		b, err := hex.DecodeString(m.Hex)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// same parses b and wants the same bytes back.
func same(t *testing.T, b []byte) {
	t.Helper()
	m, err := Parse(b)
	if err != nil {
		t.Errorf("%v\n%x", err, b)
		return
	}
	if got, err := m.Marshal(); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%v\ngot  %x\nwant %x", err, got, b)
	}
}

// TestTraces: every message that strongSwan sent comes back byte for byte, and
// no truncation of one parses.
func TestTraces(t *testing.T) {
	for _, file := range []string{"psk-gcm256-esn", "ecdsa-cbc-chacha-frag", "rsa-cbc-sha512-modp"} {
		file = "../crypt/testdata/" + file + ".json"
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, b := range traceMessages(t, file) {
				same(t, b)
				for n := range len(b) {
					cut := bytes.Clone(b[:n])
					if n >= HeaderLen {
						binary.BigEndian.PutUint32(cut[lengthOff:], uint32(n))
					}
					if _, err := Parse(cut); err == nil {
						t.Fatalf("first %d of %d octets parse", n, len(b))
					}
				}
			}
		})
	}
}

// TestOtherMessages has IKE_SA_INIT messages of further implementations.
func TestOtherMessages(t *testing.T) {
	files, _ := filepath.Glob(shared + "/ikemsg/ipsec-parser/*.bin")
	if len(files) == 0 {
		t.Log("no messages of ipsec-parser beside the checkout")
	}
	for _, file := range append(files, "testdata/openiked/valid_packet.bin") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		same(t, b)
	}
}

// packets are the payloads of the UDP datagrams of a capture that are for the
// IKE ports, without the non-ESP marker (RFC 3948, Section 2.2).
func packets(t *testing.T, file string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no capture at %s", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, link := openCapture(t, f)
	for {
		data, _, err := read()
		if err != nil {
			return all
		}
		p := gopacket.NewPacket(data, link, gopacket.NoCopy)
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok {
			continue
		}
		b := udp.Payload
		if udp.SrcPort == 4500 || udp.DstPort == 4500 {
			if len(b) < 4 || binary.BigEndian.Uint32(b) != 0 {
				continue // ESP or a keepalive
			}
			b = b[4:]
		}
		all = append(all, b)
	}
}

type readFunc func() ([]byte, gopacket.CaptureInfo, error)

// openCapture reads pcap and pcapng.
func openCapture(t *testing.T, f io.ReadSeeker) (readFunc, layers.LinkType) {
	t.Helper()
	if r, err := pcapgo.NewReader(f); err == nil {
		return r.ReadPacketData, r.LinkType()
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	return r.ReadPacketData, r.LinkType()
}

// TestCaptures: IKEv2 of other implementations parses and comes back the same.
func TestCaptures(t *testing.T) {
	for file, want := range map[string]int{
		"tcpdump/ikev2four.pcap":                 4,
		"other/scapy-ikev2_nat_t.pcapng":         4,
		"other/scapy-ikev2_notify_redirect.pcap": 1,
		"other/suricata-ikev2-weak-dh.pcap":      1,
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			n := 0
			for _, b := range packets(t, shared+"/pcap/"+file) {
				if len(b) > versionOff && b[versionOff]>>4 == 2 {
					same(t, b)
					n++
				}
			}
			if n < want {
				t.Errorf("%d IKEv2 messages, want %d", n, want)
			}
		})
	}
}

// TestCriticalKnown: an implementation that marks payloads critical which every
// other knows is understood (RFC 7296, Section 2.5).
func TestCriticalKnown(t *testing.T) {
	for _, b := range packets(t, shared+"/pcap/tcpdump/ikev2pI2.pcap") {
		if b[HeaderLen+1]&criticalBit == 0 {
			t.Error("capture has no critical bit")
		}
		if _, err := Parse(b); err != nil {
			t.Error(err)
		}
	}
}

// TestMalformedCaptures: packets that once crashed or misled another parser get
// an error.
func TestMalformedCaptures(t *testing.T) {
	files, _ := filepath.Glob(shared + "/pcap/tcpdump-malformed/*.pcap*")
	if len(files) == 0 {
		t.Skip("no malformed captures beside the checkout")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, b := range packets(t, file) {
				m, err := Parse(b)
				t.Logf("%d octets: %v", len(b), err)
				if err == nil {
					t.Errorf("parses: %+v\n%x", m, b)
				}
			}
		})
	}
}
