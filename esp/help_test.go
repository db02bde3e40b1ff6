package esp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"warren/packet"
)

var suites = []Suite{
	{AES128GCM16, false}, {AES128GCM16, true},
	{AES192GCM16, false}, {AES192GCM16, true},
	{AES256GCM16, false}, {AES256GCM16, true},
	{ChaCha20Poly1305, false}, {ChaCha20Poly1305, true},
}

const testSPI SPI = 0x1001

// testKey returns the same keying material for the same suite.
func testKey(s Suite) []byte {
	sum := sha256.Sum256([]byte("key of " + s.String()))
	return append(sum[:], sum[:]...)[:s.KeyLen()]
}

func newPair(t testing.TB, s Suite) (*Sealer, *Opener) {
	t.Helper()
	sealer, err := NewSealer(s, testKey(s))
	if err != nil {
		t.Fatal(err)
	}
	opener, err := NewOpener(s, testKey(s))
	if err != nil {
		t.Fatal(err)
	}
	return sealer, opener
}

func newPacket(b []byte) *packet.Packet {
	p := packet.New(max(len(b), 64))
	p.Set(b)
	return p
}

// plaintext returns n bytes that are not all the same.
func plaintext(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	return b
}

// sealNow seals p alone.
func (s *Sealer) sealNow(p *packet.Packet, spi SPI, seq uint64, nextHeader uint8) {
	var b SealBurst
	s.Add(&b, p, spi, seq, nextHeader)
	b.Run()
}

// openNow opens p alone.
func (o *Opener) openNow(p *packet.Packet, seq uint64) (nextHeader uint8, ok bool) {
	var b OpenBurst
	o.Add(&b, p, seq)
	b.Run()
	return o.Finish(p)
}

// sealRaw seals plain as it is, with whatever trailer it ends in.
func (s *Sealer) sealRaw(spi SPI, seq uint64, plain []byte) []byte {
	p := newPacket(nil)
	front := p.Append(frontLen)
	binary.BigEndian.PutUint32(front, uint32(spi))
	binary.BigEndian.PutUint32(front[seqOff:], uint32(seq))
	binary.BigEndian.PutUint64(front[HeaderLen:], seq)
	copy(p.Append(len(plain)), plain)
	p.Append(icvLen)
	var b SealBurst
	b.add(s.transform, p, seq)
	b.Run()
	return p.Bytes()
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// readJSON reads a file into v, and skips the test where it is not there.
func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no test vectors beside the checkout: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}
