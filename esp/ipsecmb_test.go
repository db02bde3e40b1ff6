//go:build ipsecmb

package esp

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/cpu"

	"warren/packet"
)

func TestBackend(t *testing.T) {
	library(t)
	if name := Backend(); !strings.HasPrefix(name, "ipsec-mb 1.") || !strings.Contains(name, "(AVX") {
		t.Errorf("the backend is %q", name)
	}
	for _, s := range suites {
		sealer, _ := newPair(t, s)
		_, ok := sealer.transform.(*mbGCM)
		if want := isGCM(s); ok != want {
			t.Errorf("%v: by ipsec-mb is %v, want %v", s, ok, want)
		}
	}
}

// TestBackendFallback: where the CPU has no AES, Go's is used.
func TestBackendFallback(t *testing.T) {
	m := openIPsecMB(flagNoAESNI)
	if m != nil {
		t.Fatalf("without AES there is %v", m)
	}
	if m.String() != goBackend {
		t.Errorf("the backend is %q, want %q", m, goBackend)
	}
}

// An mbAEAD is the library as the vectors want it, with any nonce and AAD.
type mbAEAD struct {
	cipher.AEAD
	gcm *mbGCM
}

var errAuth = errors.New("not authentic")

func (a mbAEAD) Seal(dst, nonce, plain, aad []byte) []byte {
	text := slices.Grow(slices.Clone(plain), a.gcm.icv)
	var d mbJobs
	a.gcm.describe(&d[0], text, nonce, aad)
	d.seal(a.gcm.lib, 1)
	runtime.KeepAlive(nonce)
	runtime.KeepAlive(aad)
	return append(dst, text[:len(text)+a.gcm.icv]...)
}

func (a mbAEAD) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	text := slices.Clone(sealed)[:len(sealed)-a.gcm.icv]
	var d mbJobs
	a.gcm.describe(&d[0], text, nonce, aad)
	bad := d.open(a.gcm.lib, 1)
	runtime.KeepAlive(nonce)
	runtime.KeepAlive(aad)
	if bad != 0 {
		if len(bytes.Trim(text, "\x00")) > 0 {
			return nil, errors.New("plaintext is left of a packet that is not authentic")
		}
		return nil, errAuth
	}
	return append(dst, text...), nil
}

func isGCM(s Suite) bool { return s.Cipher != ChaCha20Poly1305 && !s.Cipher.cbc() }

// gcmSuites are those that both backends have.
func gcmSuites() []Suite {
	return slices.DeleteFunc(slices.Clone(suites), func(s Suite) bool { return !isGCM(s) })
}

func backendAEAD(c Cipher, key []byte) cipher.AEAD {
	if m := loaded(); m != nil && isGCM(Suite{Cipher: c}) {
		return mbAEAD{gcm: m.newGCM(key, aeadSalt{icv: c.spec().icv})}
	}
	return nil
}

// TestKeyAligned: the library faults on some CPUs where it is not.
func TestKeyAligned(t *testing.T) {
	m := library(t)
	for range 100 {
		g := m.newGCM(make([]byte, 16), aeadSalt{})
		if at := address(g.key); at%64 != 0 {
			t.Fatalf("an expanded key is at %#x", at)
		}
	}
}

// TestKeyCleared: once nobody has the key, it is not in memory any more.
func TestKeyCleared(t *testing.T) {
	m := library(t)
	g := m.newGCM([]byte("sixteen bytes 16"), aeadSalt{})
	mem := g.mem
	if !bytes.Contains(mem, []byte("sixteen bytes 16")) {
		t.Fatal("the key is not where the test looks for it")
	}
	runtime.KeepAlive(g)
	g = nil
	for range 100 {
		runtime.GC()
		if len(bytes.Trim(mem, "\x00")) == 0 {
			return
		}
		time.Sleep(time.Millisecond) // cleanups have a goroutine of their own, beyond synctest
	}
	t.Error("the key is still in memory")
}

// library is what is loaded. Only a CPU without the instructions has an excuse.
func library(t testing.TB) *ipsecmb {
	m := loaded()
	switch x := cpu.X86; {
	case m != nil:
	case x.HasAES && x.HasPCLMULQDQ && x.HasAVX:
		t.Fatal("this CPU has what ipsec-mb needs, and yet it is not loaded")
	default:
		t.Skip("this CPU lacks what ipsec-mb needs")
	}
	return m
}

// bothPairs are the two ends of an SA by Go, and by the library.
func bothPairs(t testing.TB, s Suite, key []byte) (sealers [2]*Sealer, openers [2]*Opener) {
	m := library(t)
	n := s.Cipher.spec().key
	aead, err := newAEAD(s.Cipher, key[:n])
	if err != nil {
		t.Fatal(err)
	}
	salt := aeadSalt{salt: [saltLen]byte(key[n:]), icv: s.ICVLen(), esn: s.ESN}
	for i, x := range []transform{&goAEAD{salt, aead}, m.newGCM(key[:n], salt)} {
		sealers[i], openers[i] = &Sealer{x, x.keys(), s.sizes(), s.ESN}, &Opener{x, x.keys(), s.sizes()}
	}
	return sealers, openers
}

// FuzzBackends holds the library to Go: both make the same packets, and accept
// the same ones with the same content.
func FuzzBackends(f *testing.F) {
	f.Add(uint8(0), uint64(1), []byte("an inner packet"), uint16(3), uint8(1))
	f.Add(uint8(3), uint64(1<<32-1), []byte{}, uint16(0), uint8(0))
	f.Add(uint8(17), uint64(1<<33), make([]byte, 64), uint16(70), uint8(2))
	f.Add(uint8(5), uint64(1<<40), bytes.Repeat([]byte{7}, 1500), uint16(1515), uint8(0x80))
	f.Fuzz(func(t *testing.T, which uint8, seq uint64, data []byte, at uint16, flip uint8) {
		gcm := gcmSuites()
		s := gcm[int(which)%len(gcm)]
		key := slices.Concat(testKey(s), binary.BigEndian.AppendUint64(nil, seq), []byte{which})[9:]
		sealers, openers := bothPairs(t, s, key)
		var packets [2]*packet.Packet
		var bursts [2]SealBurst
		for i := range packets {
			packets[i] = newPacket(data)
			sealers[i].Add(&bursts[i], packets[i], testSPI, seq, uint8(at))
			sealers[i].Add(&bursts[i], packets[i], testSPI, seq, packet.ProtoESP)
			bursts[i].Run()
		}
		same(t, packets)
		if packets[0].Drop != packet.Live {
			return
		}
		if flip != 0 {
			for _, p := range packets {
				b := p.Bytes()
				b[int(at)%len(b)] ^= flip
			}
		}
		for range 2 {
			for i, p := range packets {
				openers[i].openNow(p, seq)
			}
			same(t, packets)
		}
		if flip == 0 && !bytes.Equal(packets[0].Bytes(), data) {
			t.Fatalf("an intact packet comes out as %x, %v", packets[0].Bytes(), packets[0].Drop)
		}
	})
}

// TestBackendsAgree takes the same packets, of all sizes and SAs in any order and
// some of them forged, through bursts of both.
func TestBackendsAgree(t *testing.T) {
	type pair struct {
		sealers [2]*Sealer
		openers [2]*Opener
	}
	var pairs []pair
	for _, s := range gcmSuites() {
		var x pair
		x.sealers, x.openers = bothPairs(t, s, testKey(s))
		pairs = append(pairs, x)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + rng.IntN(3*BurstLen)
		all := make([][2]*packet.Packet, n)
		which := make([]int, n)
		var seal [2]SealBurst
		for i := range all {
			which[i] = rng.IntN(len(pairs))
			data := plaintext(rng.IntN(1500))
			for k := range 2 {
				all[i][k] = newPacket(data)
				pairs[which[i]].sealers[k].Add(&seal[k], all[i][k], testSPI, uint64(i+1), packet.ProtoIPv4)
			}
		}
		var open [2]OpenBurst
		for k := range 2 {
			seal[k].Run()
		}
		for i, both := range all {
			same(t, both)
			at, flip := rng.IntN(both[0].Len()), byte(rng.IntN(3)/2)
			for k, p := range both {
				p.Bytes()[at] ^= flip
				pairs[which[i]].openers[k].Add(&open[k], p, uint64(i+1))
			}
		}
		for k := range 2 {
			open[k].Run()
		}
		for i, both := range all {
			for k, p := range both {
				pairs[which[i]].openers[k].Finish(p)
			}
			same(t, both)
		}
	}
}

// same compares what two backends made of one packet.
func same(t *testing.T, p [2]*packet.Packet) {
	t.Helper()
	if p[0].Drop != p[1].Drop {
		t.Fatalf("Go says %v, ipsec-mb %v", p[0].Drop, p[1].Drop)
	}
	if p[0].Drop == packet.Live && !bytes.Equal(p[0].Bytes(), p[1].Bytes()) {
		t.Fatalf("Go     %x\nipsecmb %x", p[0].Bytes(), p[1].Bytes())
	}
}
