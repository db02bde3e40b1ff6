package esp

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"warren/packet"
)

type espVector struct {
	TcID       int
	Key, Salt  hexBytes
	IV, SPI    hexBytes
	ESN        bool
	SeqHi      hexBytes
	SeqLo      hexBytes
	Plain      hexBytes `json:"plaintextWithTrailer"`
	PadLen     int
	NextHeader uint8
	Packet     hexBytes `json:"espPacket"`
}

func (v espVector) seq() uint64 {
	return binary.BigEndian.Uint64(slices.Concat(append(make([]byte, 4), v.SeqHi...)[len(v.SeqHi):], v.SeqLo))
}

// check seals and opens the packet of the vector.
func (v espVector) check(t *testing.T, s Suite) {
	key := slices.Concat(v.Key, v.Salt)
	sealer, err := NewSealer(s, key)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := NewOpener(s, key)
	if err != nil {
		t.Fatal(err)
	}
	inner := v.Plain[:len(v.Plain)-v.PadLen-trailerLen]
	p := newPacket(inner)
	var b SealBurst
	sealer.add(&b, p, header{SPI(binary.BigEndian.Uint32(v.SPI)), v.seq(), binary.BigEndian.Uint64(v.IV)}, v.NextHeader)
	b.Run()
	if p.Drop != packet.Live || !bytes.Equal(p.Bytes(), v.Packet) {
		t.Fatalf("sealed (%v)\ngot  %x\nwant %x", p.Drop, p.Bytes(), v.Packet)
	}
	p.Set(v.Packet)
	next, ok := opener.openNow(p, v.seq())
	if !ok || next != v.NextHeader || !bytes.Equal(p.Bytes(), inner) {
		t.Errorf("opened (%v), next header %d\ngot  %x\nwant %x", p.Drop, next, p.Bytes(), inner)
	}
}

// TestRFC4106Vectors runs the 14 AES-GCM-ESP packets of draft-mcgrew-gcm-test-01.
func TestRFC4106Vectors(t *testing.T) {
	var file struct{ Tests []espVector }
	readJSON(t, "testdata/rfc4106_draft_mcgrew.json", &file)
	if len(file.Tests) != 14 {
		t.Fatalf("%d vectors, want 14", len(file.Tests))
	}
	ciphers := map[int]Cipher{16: AES128GCM16, 24: AES192GCM16, 32: AES256GCM16}
	for _, v := range file.Tests {
		t.Run(fmt.Sprint("case ", v.TcID), func(t *testing.T) {
			v.check(t, Suite{Cipher: ciphers[len(v.Key)], ESN: v.ESN})
		})
	}
}

// TestRFC7634Vector runs the packet of RFC 7634, Appendix A.
func TestRFC7634Vector(t *testing.T) {
	var file struct {
		ESP struct {
			espVector
			Seq     uint32
			InnerIP hexBytes
		}
	}
	readJSON(t, "testdata/rfc7634.json", &file)
	v := file.ESP.espVector
	v.SeqLo = binary.BigEndian.AppendUint32(nil, file.ESP.Seq)
	v.PadLen = len(v.Plain) - len(file.ESP.InnerIP) - trailerLen
	v.NextHeader = packet.ProtoIPv4
	v.check(t, Suite{Cipher: ChaCha20Poly1305})
}

type aeadGroup struct {
	IVSize, TagSize int
	KeySize         int
	Tests           []aeadVector
}

type aeadVector struct {
	TcID                       int
	Key, IV, AAD, Msg, CT, Tag hexBytes
	Result                     string
}

// TestAEADVectors runs the vectors of other projects through the AEADs of all
// backends: those with the nonce and ICV sizes of ESP.
func TestAEADVectors(t *testing.T) {
	for _, tt := range []struct {
		path    string
		name    string // of the ciphers, but for the lengths of key and ICV
		atLeast int
	}{
		{"esp/ipsec-mb/gcm_test.json", "aes%[1]dgcm%[2]d", 45},
		{"esp/ipsec-mb/chacha20_poly1305_test.json", "chacha20poly1305", 3},
		{"wycheproof/aes_gcm_test.json", "aes%[1]dgcm%[2]d", 200},
		{"wycheproof/chacha20_poly1305_test.json", "chacha20poly1305", 100},
	} {
		t.Run(tt.path, func(t *testing.T) {
			var file struct{ TestGroups []aeadGroup }
			readJSON(t, "../../shared/vectors/"+tt.path, &file)
			n := 0
			for _, g := range file.TestGroups {
				if g.IVSize == 8*nonceLen {
					n += g.check(t, tt.name)
				}
			}
			if n < tt.atLeast {
				t.Errorf("%d vectors ran, want at least %d", n, tt.atLeast)
			}
		})
	}
}

// check runs a group through the cipher of its ICV length, and where its tags are
// whole and right through those that cut them (NIST SP 800-38D, Section 7.1).
func (g aeadGroup) check(t *testing.T, name string) (ran int) {
	for _, icv := range []int{16, 12, 8} {
		s, err := ParseSuite(fmt.Sprintf(name+"%.[3]s", g.KeySize, icv, ""))
		if err != nil || s.ICVLen() != icv || g.TagSize < 8*icv {
			continue
		}
		for _, v := range g.Tests {
			if cut := g.TagSize > 8*icv; !cut || v.Result == "valid" {
				v.Tag = v.Tag[:icv]
				v.check(t, s.Cipher)
				ran++
			}
		}
	}
	return ran
}

// allAEADs returns the AEAD by the name of each backend that has it.
func allAEADs(t *testing.T, c Cipher, key []byte) map[string]cipher.AEAD {
	a, err := newAEAD(c, key)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]cipher.AEAD{goBackend: a}
	if a := backendAEAD(c, key); a != nil {
		all[Backend()] = a
	}
	return all
}

func (v aeadVector) check(t *testing.T, c Cipher) {
	for name, a := range allAEADs(t, c, v.Key) {
		sealed := slices.Concat(v.CT, v.Tag)
		if got := a.Seal(nil, v.IV, v.Msg, v.AAD); (v.Result == "valid") != bytes.Equal(got, sealed) {
			t.Errorf("%s, %v, case %d: sealed %x, want it to be %s to %x", name, c, v.TcID, got, v.Result, sealed)
		}
		got, err := a.Open(nil, v.IV, sealed, v.AAD)
		if (v.Result == "valid") != (err == nil) || err == nil && !bytes.Equal(got, v.Msg) {
			t.Errorf("%s, %v, case %d (%s): opened %x, %v", name, c, v.TcID, v.Result, got, err)
		}
	}
}
