package gcm8

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"testing"
)

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func newPair(t testing.TB, key []byte) (short, full cipher.AEAD) {
	t.Helper()
	block := must(aes.NewCipher(key))
	return must(New(block)), must(cipher.NewGCM(block))
}

// TestAgainstGCM: the output is that of GCM with the tag cut, and everything
// else is refused.
func TestAgainstGCM(t *testing.T) {
	short, full := newPair(t, bytes.Repeat([]byte{7}, 16))
	nonce := bytes.Repeat([]byte{9}, 12)
	for n := range 100 {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		aad := plain[:n/3]
		want := full.Seal([]byte("head"), nonce, plain, aad)
		want = want[:len(want)-8]
		got := short.Seal([]byte("head"), nonce, plain, aad)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d octets: %x, want %x", n, got, want)
		}
		sealed := got[4:]
		if back, err := short.Open([]byte("x"), nonce, sealed, aad); err != nil || !bytes.Equal(back, append([]byte("x"), plain...)) {
			t.Fatalf("%d octets: %x, %v", n, back, err)
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 0x10
			if back, err := short.Open(nil, nonce, bad, aad); !errors.Is(err, ErrOpen) || back != nil {
				t.Fatalf("%d octets, octet %d changed: %x, %v", n, i, back, err)
			}
			if _, err := short.Open(nil, nonce, sealed[:i], aad); !errors.Is(err, ErrOpen) {
				t.Fatalf("%d octets, %d of them: %v", n, i, err)
			}
		}
		if _, err := short.Open(nil, nonce, sealed, append([]byte{1}, aad...)); !errors.Is(err, ErrOpen) {
			t.Fatalf("other associated data: %v", err)
		}
	}
}

// TestInPlace: both ways work in the buffer at hand, without allocating.
func TestInPlace(t *testing.T) {
	short, _ := newPair(t, make([]byte, 32))
	nonce := make([]byte, 12)
	buf := make([]byte, 1400, 1408)
	if n := testing.AllocsPerRun(100, func() {
		sealed := short.Seal(buf[:0], nonce, buf, nonce)
		back, err := short.Open(sealed[:0], nonce, sealed, nonce)
		if err != nil || len(back) != len(buf) || &back[0] != &buf[0] {
			t.Fatal(err)
		}
	}); n != 0 && !raced {
		t.Errorf("allocates %v times", n)
	}
}

func TestShared(t *testing.T) {
	short, _ := newPair(t, make([]byte, 16))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(i)}, 500)
			for n := range 500 {
				nonce := []byte{byte(i), byte(n), byte(n >> 8), 11: 0}
				back, err := short.Open(nil, nonce, short.Seal(nil, nonce, plain, nonce), nonce)
				if err != nil || !bytes.Equal(back, plain) {
					t.Errorf("goroutine %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestIntel has the vectors of Intel's library for tags of 8 octets, where they
// are beside the checkout.
func TestIntel(t *testing.T) {
	data, err := os.ReadFile("../../shared/vectors/esp/ipsec-mb/gcm_test.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no vectors beside the checkout: %v", err)
	}
	var file struct {
		TestGroups []struct {
			TagSize int
			Tests   []struct {
				TcID                               int
				Key, IV, AAD, Msg, CT, Tag, Result string
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			unhex := func(s string) []byte { return must(hex.DecodeString(s)) }
			if g.TagSize < 64 || len(v.IV) != 24 || v.Result != "valid" {
				continue
			}
			short, _ := newPair(t, unhex(v.Key))
			want := append(unhex(v.CT), unhex(v.Tag)[:8]...)
			if got := short.Seal(nil, unhex(v.IV), unhex(v.Msg), unhex(v.AAD)); !bytes.Equal(got, want) {
				t.Errorf("%d: %x, want %x", v.TcID, got, want)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("no vector fits")
	}
}
