package crypt

import (
	"bytes"
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
	return []message.DHGroup{message.DHX25519, message.DHECP256, message.DHECP384, message.DHMODP2048}
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
		if len(pub) != map[message.DHGroup]int{message.DHX25519: 32, message.DHECP256: 64, message.DHECP384: 96, message.DHMODP2048: 256}[g] {
			t.Errorf("%v: public value of %d octets", g, len(pub))
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
		size := len(k.Public())
		for _, n := range []int{0, 1, size - 1, size + 1, 2 * size, 65535} {
			if s, err := k.Finish(make([]byte, n)); !errors.Is(err, ErrKELength) || s != nil {
				t.Errorf("%v, %d octets: %v", g, n, err)
			}
		}
	}
}

// TestCVE_2015_3240: public values that leave no secret (RFC 6989, Sections 2.1
// and 2.3; RFC 8031, Section 3.1).
func TestCVE_2015_3240(t *testing.T) {
	p, _ := new(big.Int).SetString(modp2048, 16)
	modp := func(d int64) []byte { return new(big.Int).Add(p, big.NewInt(d)).FillBytes(make([]byte, 256)) }
	small := func(x int64) []byte { return big.NewInt(x).FillBytes(make([]byte, 256)) }
	ff := bytes.Repeat([]byte{0xff}, 256)
	bad := map[message.DHGroup]map[string][]byte{
		message.DHMODP2048: {"0": small(0), "1": small(1), "p-1": modp(-1), "p": modp(0), "p+1": modp(1), "all FF": ff},
		message.DHECP256:   {"zero": make([]byte, 64), "all FF": ff[:64], "off the curve": append(make([]byte, 63), 1)},
		message.DHECP384:   {"zero": make([]byte, 96), "all FF": ff[:96], "off the curve": append(make([]byte, 95), 1)},
		message.DHX25519: { // the points of low order, in both forms that reduce to them
			"0": make([]byte, 32), "1": append([]byte{1}, make([]byte, 31)...),
			"order 8":   unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
			"order 8 b": unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
			"p-1":       unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
			"p":         unhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
			"p+1":       unhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		},
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
		for _, ok := range map[message.DHGroup][][]byte{message.DHMODP2048: {small(2), modp(-2)}}[g] {
			if _, err := k.Finish(ok); err != nil {
				t.Errorf("%v: good value: %v", g, err)
			}
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
