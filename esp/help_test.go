package esp

import (
	"bytes"
	"crypto/sha256"
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

// sealRaw seals plain as it is, with whatever trailer it ends in.
func (t *transform) sealRaw(spi SPI, seq uint64, plain []byte) []byte {
	p := newPacket(nil)
	front := p.Append(frontLen)
	b := append(bytes.Clone(front[:0]), byte(spi>>24), byte(spi>>16), byte(spi>>8), byte(spi),
		byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq), 0, 0, 0, 0, 0, 0, 0, byte(seq))
	nonce, aad := t.nonceAndAAD(&p.Scratch, b, seq)
	return append(b, t.aead.Seal(nil, nonce, plain, aad)...)
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
