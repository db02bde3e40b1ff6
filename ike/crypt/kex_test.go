package crypt

import (
	"bytes"
	"crypto/mlkem"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"
	"testing/iotest"

	"warren/ike/message"
)

const wycheproof = "../../../shared/vectors/wycheproof/"

func groups() []message.DHGroup {
	return []message.DHGroup{message.DHX25519, message.DHECP256, message.DHECP384, message.DHECP521,
		message.DHMODP2048, message.DHMODP3072, message.DHMODP4096, message.MLKEM768, message.MLKEM1024}
}

// sizes are the octets of an initiator's KE and of a responder's.
func sizes(g message.DHGroup) (i, r int) {
	switch g {
	case message.DHX25519:
		return 32, 32
	case message.DHECP256:
		return 64, 64
	case message.DHECP384:
		return 96, 96
	case message.DHECP521:
		return 132, 132
	case message.DHMODP2048:
		return 256, 256
	case message.DHMODP3072:
		return 384, 384
	case message.DHMODP4096:
		return 512, 512
	case message.MLKEM768:
		return 1184, 1088
	case message.MLKEM1024:
		return 1568, 1568
	}
	return 0, 0
}

func TestKeyExchange(t *testing.T) {
	for _, g := range groups() {
		i := must(NewKeyExchange(g, nil))
		pub, rs, err := Respond(g, nil, i.Public())
		if err != nil {
			t.Fatal(err)
		}
		is := must(i.Finish(pub))
		if !bytes.Equal(is, rs) || i.Group() != g || !KnownDH(g) {
			t.Errorf("%v: no common secret", g)
		}
		if ni, nr := sizes(g); len(i.Public()) != ni || len(pub) != nr {
			t.Errorf("%v: public values of %d and %d octets", g, len(i.Public()), len(pub))
		}
		if other := must(NewKeyExchange(g, nil)); bytes.Equal(other.Public(), i.Public()) {
			t.Errorf("%v: private value used twice", g)
		}
		if _, err := NewKeyExchange(g, iotest.ErrReader(errors.New("no entropy"))); err == nil {
			t.Errorf("%v: no error without entropy", g)
		}
		i.Wipe()
	}
}

// TestCVE_2014_9221: of all 65,536 group numbers only those that are offered
// lead anywhere.
func TestCVE_2014_9221(t *testing.T) {
	known := map[message.DHGroup]bool{}
	for _, g := range groups() {
		known[g] = true
	}
	for n := range 1 << 16 {
		g := message.DHGroup(n)
		if KnownDH(g) != known[g] {
			t.Errorf("group %d known: %v", n, !known[g])
		}
		if known[g] {
			continue
		}
		if _, err := NewKeyExchange(g, nil); !errors.Is(err, ErrUnknown) {
			t.Fatalf("group %d: %v", n, err)
		}
		if _, _, err := Respond(g, nil, make([]byte, 32)); !errors.Is(err, ErrUnknown) {
			t.Fatalf("group %d: %v", n, err)
		}
	}
}

// TestCVE_2023_41913: public values of every wrong length.
func TestCVE_2023_41913(t *testing.T) {
	for _, g := range groups() {
		k := must(NewKeyExchange(g, nil))
		ni, nr := sizes(g)
		for _, n := range []int{0, 1, nr - 1, nr + 1, 2 * nr, 65535} {
			if s, err := k.Finish(make([]byte, n)); !errors.Is(err, ErrKELength) || s != nil {
				t.Errorf("%v, %d octets: %v", g, n, err)
			}
		}
		for _, n := range []int{0, 1, ni - 1, ni + 1, 2 * ni, 65535} {
			if _, s, err := Respond(g, nil, make([]byte, n)); !errors.Is(err, ErrKELength) || s != nil {
				t.Errorf("%v, %d octets as responder: %v", g, n, err)
			}
		}
	}
}

// TestCVE_2015_3240: public values that leave no secret (RFC 6989, Sections 2.1
// and 2.3; RFC 8031, Section 3.1).
func TestCVE_2015_3240(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 512)
	bad := map[message.DHGroup]map[string][]byte{
		message.DHX25519: { // the points of low order, in both forms that reduce to them
			"0": make([]byte, 32), "1": append([]byte{1}, make([]byte, 31)...),
			"order 8":   unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
			"order 8 b": unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
			"p-1":       unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
			"p":         unhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
			"p+1":       unhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		},
	}
	for _, g := range []message.DHGroup{message.DHECP256, message.DHECP384, message.DHECP521} {
		n, _ := sizes(g)
		bad[g] = map[string][]byte{"zero": make([]byte, n), "all FF": ff[:n], "off the curve": append(make([]byte, n-1), 1)}
	}
	good := map[message.DHGroup][][]byte{}
	for _, g := range []message.DHGroup{message.DHMODP2048, message.DHMODP3072, message.DHMODP4096} {
		group, _ := modpOf(g)
		n, _ := sizes(g)
		p, _ := new(big.Int).SetString(group.hexPrime, 16)
		near := func(d int64) []byte { return new(big.Int).Add(p, big.NewInt(d)).FillBytes(make([]byte, n)) }
		small := func(x int64) []byte { return big.NewInt(x).FillBytes(make([]byte, n)) }
		bad[g] = map[string][]byte{"0": small(0), "1": small(1), "p-1": near(-1), "p": near(0), "p+1": near(1), "all FF": ff[:n]}
		good[g] = [][]byte{small(2), near(-2)}
	}
	for g, values := range bad {
		k := must(NewKeyExchange(g, nil))
		for name, v := range values {
			if s, err := k.Finish(v); !errors.Is(err, ErrKEValue) || s != nil {
				t.Errorf("%v, %s: %v", g, name, err)
			}
			if _, s, err := Respond(g, nil, v); !errors.Is(err, ErrKEValue) || s != nil {
				t.Errorf("%v, %s as responder: %v", g, name, err)
			}
		}
		for _, ok := range good[g] {
			if _, err := k.Finish(ok); err != nil {
				t.Errorf("%v: good value: %v", g, err)
			}
		}
	}
}

// TestPrimes: the groups are of safe primes, as long as their names say.
func TestPrimes(t *testing.T) {
	for bits, text := range map[int]string{2048: modp2048, 3072: modp3072, 4096: modp4096} {
		p, ok := new(big.Int).SetString(text, 16)
		q := new(big.Int).Rsh(p, 1)
		if !ok || p.BitLen() != bits || len(text) != bits/4 || !p.ProbablyPrime(1) || !q.ProbablyPrime(1) {
			t.Errorf("group of %d bits", bits)
		}
	}
}

// TestKEMValues: an encapsulation key with a coefficient beyond the modulus is
// refused (FIPS 203, Section 7.2), and a ciphertext for another key yields a
// secret that nobody else has.
func TestKEMValues(t *testing.T) {
	for _, g := range []message.DHGroup{message.MLKEM768, message.MLKEM1024} {
		i, other := must(NewKeyExchange(g, nil)), must(NewKeyExchange(g, nil))
		bad := i.Public()
		bad[0], bad[1] = 0xff, bad[1]|0x0f
		if _, s, err := Respond(g, nil, bad); !errors.Is(err, ErrKEValue) || s != nil {
			t.Errorf("%v: coefficient 4095: %v", g, err)
		}
		ct, rs, err := Respond(g, nil, i.Public())
		if err != nil {
			t.Fatal(err)
		}
		if s, err := other.Finish(ct); err != nil || bytes.Equal(s, rs) {
			t.Errorf("%v: ciphertext for another key: %v", g, err)
		}
		ct[0] ^= 1
		if s, err := i.Finish(ct); err != nil || bytes.Equal(s, rs) {
			t.Errorf("%v: ciphertext changed: %v", g, err)
		}
	}
}

// TestMODPLeadingZeros: the secret is as long as the modulus (RFC 7296, Section
// 2.14), also where it begins with zeros.
func TestMODPLeadingZeros(t *testing.T) {
	k := must(NewKeyExchange(message.DHMODP2048, bytes.NewReader(append(make([]byte, 47), 2))))
	s := must(k.Finish(big.NewInt(3).FillBytes(make([]byte, 256))))
	if want := big.NewInt(9).FillBytes(make([]byte, 256)); !bytes.Equal(s, want) {
		t.Errorf("3^2 = %x", []byte(s))
	}
}

// TestWycheproof has the vectors of project Wycheproof for the curves.
func TestWycheproof(t *testing.T) {
	for file, g := range map[string]message.DHGroup{
		"x25519_test.json":                 message.DHX25519,
		"ecdh_secp256r1_ecpoint_test.json": message.DHECP256,
		"ecdh_secp384r1_ecpoint_test.json": message.DHECP384,
		"ecdh_secp521r1_ecpoint_test.json": message.DHECP521,
	} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(wycheproof + file)
			if errors.Is(err, os.ErrNotExist) {
				t.Skipf("no vectors beside the checkout: %v", err)
			}
			var all struct {
				TestGroups []struct {
					Tests []struct {
						TcID                    int
						Comment                 string
						Public, Private, Shared string
						Result                  string
						Flags                   []string
					}
				}
			}
			if err := json.Unmarshal(data, &all); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, group := range all.TestGroups {
				for _, v := range group.Tests {
					got, err := wycheproofShared(g, v.Public, v.Private)
					n++
					switch {
					case v.Result == "invalid" && err == nil:
						t.Errorf("%d (%s): accepted", v.TcID, v.Comment)
					case v.Result == "valid" && (err != nil || got != v.Shared):
						t.Errorf("%d (%s): %v, got %s, want %s", v.TcID, v.Comment, err, got, v.Shared)
					case v.Result == "acceptable" && err == nil && got != v.Shared:
						t.Errorf("%d (%s): got %s, want %s", v.TcID, v.Comment, got, v.Shared)
					}
				}
			}
			if n < 100 {
				t.Errorf("only %d vectors", n)
			}
		})
	}
}

// wycheproofShared runs one vector. Its points have the leading octet that IKE
// does not send, and its scalars may have too many or too few octets.
func wycheproofShared(g message.DHGroup, public, private string) (string, error) {
	c, _ := curveOf(g)
	pub, err := hex.DecodeString(public)
	if err != nil {
		return "", err
	}
	priv := new(big.Int).SetBytes(unhex(private)).FillBytes(make([]byte, max(c.scalar, len(private)/2)))
	k, err := NewKeyExchange(g, bytes.NewReader(priv[len(priv)-c.scalar:]))
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(pub, c.prefix) {
		return "", ErrKEValue // compressed
	}
	s, err := k.Finish(pub[len(c.prefix):])
	return hex.EncodeToString(s), err
}

// TestWycheproofKEM has its vectors for decapsulation.
func TestWycheproofKEM(t *testing.T) {
	for file, g := range map[string]message.DHGroup{"mlkem_768_test.json": message.MLKEM768, "mlkem_1024_test.json": message.MLKEM1024} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(wycheproof + file)
			if errors.Is(err, os.ErrNotExist) {
				t.Skipf("no vectors beside the checkout: %v", err)
			}
			var all struct {
				TestGroups []struct {
					Tests []struct {
						TcID           int
						Seed, EK, C, K string
						Result         string
					}
				}
			}
			if err := json.Unmarshal(data, &all); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, group := range all.TestGroups {
				for _, v := range group.Tests {
					n++
					if len(unhex(v.Seed)) > mlkem.SeedSize {
						continue // no more than that is read
					}
					k, err := NewKeyExchange(g, bytes.NewReader(unhex(v.Seed)))
					var s Secret
					if err == nil {
						s, err = k.Finish(unhex(v.C))
					}
					switch {
					case v.Result == "valid" && (err != nil || !bytes.Equal(s, unhex(v.K)) || v.EK != "" && !bytes.Equal(k.Public(), unhex(v.EK))):
						t.Errorf("%d: %v, got %x", v.TcID, err, []byte(s))
					case v.Result == "invalid" && err == nil:
						t.Errorf("%d: accepted", v.TcID)
					}
				}
			}
			if n < 100 {
				t.Errorf("only %d vectors", n)
			}
		})
	}
}
