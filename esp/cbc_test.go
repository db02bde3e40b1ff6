package esp

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"slices"
	"sync"
	"testing"

	"warren/packet"
)

// TestRFC4868Vectors runs the authenticator test vectors of RFC 4868, Section
// 2.7.2, all of them.
func TestRFC4868Vectors(t *testing.T) {
	repeat := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	count := func(first byte, n int) (b []byte) {
		for i := range n {
			b = append(b, first+byte(i))
		}
		return b
	}
	jefe, dd, cd := []byte("what do ya want for nothing?"), repeat(0xdd, 50), repeat(0xcd, 50)
	for _, tt := range []struct {
		integ     Integ
		key, data []byte
		icv       string
	}{
		{HMACSHA256, repeat(0x0b, 32), []byte("Hi There"), "198a607eb44bfbc69903a0f1cf2bbdc5"},
		{HMACSHA256, bytes.Repeat([]byte("Jefe"), 8), jefe, "167f928588c5cc2eef8e3093caa0e87c"},
		{HMACSHA256, repeat(0xaa, 32), dd, "cdcb1220d1ecccea91e53aba3092f962"},
		{HMACSHA256, count(1, 32), cd, "372efcf9b40b35c2115b1346903d2ef4"},
		{HMACSHA384, repeat(0x0b, 48), []byte("Hi There"), "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
		{HMACSHA384, bytes.Repeat([]byte("Jefe"), 12), jefe, "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
		{HMACSHA384, repeat(0xaa, 48), dd, "809f439be00274321d4a538652164b53554a508184a0c316"},
		{HMACSHA384, slices.Concat(count(1, 32), count(0x0a, 16)), cd, "5b540085c6e6358096532b2493609ed1cb298f774f87bb5c"},
		{HMACSHA512, repeat(0x0b, 64), []byte("Hi There"), "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
		{HMACSHA512, bytes.Repeat([]byte("Jefe"), 16), jefe, "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
		{HMACSHA512, repeat(0xaa, 64), dd, "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
		// The RFC prints a line too many of this key, the first.
		{HMACSHA512, count(1, 64), cd, "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"},
	} {
		if len(tt.key) != tt.integ.keyLen() || tt.integ.icvLen() != len(tt.icv)/2 {
			t.Errorf("%v has a key of %d bytes, and an ICV of %d", tt.integ, tt.integ.keyLen(), tt.integ.icvLen())
		}
		if got := hex.EncodeToString(icvOf(tt.integ, tt.key, tt.data)); got != tt.icv {
			t.Errorf("%v, %x: got %s, want %s", tt.integ, tt.data, got, tt.icv)
		}
	}
}

// icvOf is what a packet of these bytes would have.
func icvOf(i Integ, key, data []byte) []byte {
	c := &cbcHMAC{integ: i, key: key, icv: i.icvLen()}
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic(err)
	}
	c.block = block
	return c.sum(c.newState().(*cbcState), &job{esp: slices.Concat(data, make([]byte, c.icv))})
}

// TestHMACVectors runs those of other projects, keys of other lengths too.
func TestHMACVectors(t *testing.T) {
	for file, integ := range map[string]Integ{
		"esp/ipsec-mb/hmac_sha256_test.json": HMACSHA256, "wycheproof/hmac_sha256_test.json": HMACSHA256,
		"esp/ipsec-mb/hmac_sha384_test.json": HMACSHA384, "wycheproof/hmac_sha384_test.json": HMACSHA384,
		"esp/ipsec-mb/hmac_sha512_test.json": HMACSHA512, "wycheproof/hmac_sha512_test.json": HMACSHA512,
	} {
		t.Run(file, func(t *testing.T) {
			var all struct {
				TestGroups []struct {
					Tests []struct {
						Key, Msg, Tag hexBytes
						Result        string
					}
				}
			}
			readJSON(t, "../../shared/vectors/"+file, &all)
			n := 0
			for _, g := range all.TestGroups {
				for _, v := range g.Tests {
					if len(v.Tag) < integ.icvLen() {
						continue
					}
					whole := len(v.Tag) == integ.icvLen() // if not, what is wrong with it may be cut off
					if same := bytes.Equal(icvOf(integ, v.Key, v.Msg), v.Tag[:integ.icvLen()]); same != (v.Result == "valid") && (whole || v.Result == "valid") {
						t.Errorf("key %x, message %x: equal to the %s tag: %v", v.Key, v.Msg, v.Result, same)
					}
					n++
				}
			}
			if n < 7 {
				t.Errorf("%d vectors", n)
			}
		})
	}
}

// TestCBCVectors runs the vectors that libipsec-mb keeps, of RFC 3602 and of NIST.
func TestCBCVectors(t *testing.T) {
	var all struct {
		TestGroups []struct {
			KeySize int
			Tests   []struct{ Key, IV, Msg, CT hexBytes }
		}
	}
	readJSON(t, "../../shared/vectors/esp/ipsec-mb/cbc_test.json", &all)
	ciphers := map[int]Cipher{128: AES128CBC, 192: AES192CBC, 256: AES256CBC}
	n := 0
	for _, g := range all.TestGroups {
		for _, v := range g.Tests {
			s := Suite{Cipher: ciphers[g.KeySize], Integ: HMACSHA256}
			p := newPacket(slices.Concat(make([]byte, HeaderLen), v.IV, v.Msg, make([]byte, s.ICVLen())))
			c := newCBC(t, s, slices.Concat(v.Key, make([]byte, s.Integ.keyLen())))
			c.withIV(p, 0)
			if got := p.Bytes()[cbcFront : p.Len()-s.ICVLen()]; !bytes.Equal(got, v.CT) {
				t.Errorf("key %x: got %x, want %x", v.Key, got, v.CT)
			}
			var b OpenBurst
			b.add(c, p, 0)
			b.Run()
			if got := p.Bytes()[cbcFront : p.Len()-s.ICVLen()]; p.Drop != packet.Live || !bytes.Equal(got, v.Msg) {
				t.Errorf("key %x: opened %x, %v; want %x", v.Key, got, p.Drop, v.Msg)
			}
			n++
		}
	}
	if n < 7 {
		t.Errorf("%d vectors, want 7", n)
	}
}

func newCBC(t testing.TB, s Suite, key []byte) *cbcHMAC {
	c, err := newTransform(s, key)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*cbcHMAC)
}

// withIV seals p, which has a whole ESP packet's shape, with the IV in it.
func (c *cbcHMAC) withIV(p *packet.Packet, seq uint64) {
	c.encrypt(c.newState().(*cbcState), &job{transform: c, packet: p, esp: p.Bytes(), seq: seq})
}

// TestCBCIV: IVs never come twice, not with several goroutines and not when the
// same keys are used again from the first number on (CASES B.4, VPP
// CVE-2022-46397); and they are not what the SA's key, or a counter, makes.
func TestCBCIV(t *testing.T) {
	const workers, each, restarts = 4, 500, 2
	s := mustSuite(t, "aes128-sha256-esn")
	block, err := aes.NewCipher(testKey(s)[:16])
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[16]byte]bool)
	ones := 0
	for range restarts {
		sealer, _ := newPair(t, s)
		var all [workers][][]byte
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range each {
					p := newPacket(plaintext(20))
					sealer.sealNow(p, testSPI, uint64(w*each+i+1), packet.ProtoIPv4)
					all[w] = append(all[w], bytes.Clone(p.Bytes()))
				}
			})
		}
		wg.Wait()
		for i, b := range slices.Concat(all[:]...) {
			iv := [16]byte(b[HeaderLen:])
			var plain, own [16]byte
			binary.BigEndian.PutUint64(plain[:], uint64(i+1))
			block.Encrypt(own[:], plain[:])
			if seen[iv] || iv == own || iv == plain {
				t.Fatalf("IV %x of number %d: seen before %v", iv, i+1, seen[iv])
			}
			seen[iv] = true
			for _, v := range iv {
				ones += bits.OnesCount8(v)
			}
		}
	}
	const n = restarts * workers * each * 128
	if ones < n/2-n/100 || ones > n/2+n/100 { // ten standard deviations
		t.Errorf("%d of %d bits are set", ones, n)
	}
}

// TestCBCNotDecrypted: what is not authentic is not touched, and what is and is
// not of whole blocks neither.
func TestCBCNotDecrypted(t *testing.T) {
	for _, s := range suites {
		if !s.Cipher.cbc() {
			continue
		}
		sealer, opener := newPair(t, s)
		p := newPacket(plaintext(100))
		sealer.sealNow(p, testSPI, 1<<32-1, packet.ProtoIPv4)
		p.Bytes()[30] ^= 1
		before := bytes.Clone(p.Bytes())
		if _, ok := opener.openNow(p, 1<<32-1); ok || !bytes.Equal(p.Bytes(), before) {
			t.Errorf("%v: a changed packet is %v, and now %x", s, p.Drop, p.Bytes())
		}
		c := newCBC(t, s, testKey(s))
		odd := newPacket(plaintext(cbcFront + 17 + s.ICVLen()))
		j := &job{packet: odd, esp: odd.Bytes(), seq: 1}
		copy(odd.Bytes()[cbcFront+17:], c.sum(c.newState().(*cbcState), j))
		before = bytes.Clone(odd.Bytes())
		if _, ok := opener.openNow(odd, 1); ok || odd.Drop != packet.AuthFailed || !bytes.Equal(odd.Bytes(), before) {
			t.Errorf("%v: 17 bytes of ciphertext are %v", s, odd.Drop)
		}
	}
}
