package esp

import (
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"warren/packet"
)

// suites are all there are, each without ESN and then with it.
var suites = func() (all []Suite) {
	for _, s := range Suites() {
		all = append(all, s, Suite{s.Cipher, s.Integ, true})
	}
	return all
}()

func mustSuite(t testing.TB, text string) Suite {
	t.Helper()
	s, err := ParseSuite(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const testSPI SPI = 0x1001

// testKey returns the same keying material for the same suite.
func testKey(s Suite) []byte {
	sum := sha512.Sum512([]byte("key of " + s.String()))
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
	front := p.Append(int(s.sizes.front))
	binary.BigEndian.PutUint32(front, uint32(spi))
	binary.BigEndian.PutUint32(front[seqOff:], uint32(seq))
	binary.BigEndian.PutUint64(front[HeaderLen:], seq)
	copy(p.Append(len(plain)), plain)
	p.Append(int(s.sizes.icv))
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
