package ike

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/ike/sign"
	"warren/ike/trust"
)

// A recorded exchange of two strongSwan daemons, with every secret.
type recorded struct {
	dir      string
	IKEKeys  []map[string]string
	Log      []struct{ N, Hex string }
	Messages []struct{ Frm, Kind, Hex string }
}

func readRecorded(t *testing.T, name string) *recorded {
	t.Helper()
	r := &recorded{dir: filepath.Join("testdata", name)}
	data := must(os.ReadFile(filepath.Join("crypt/testdata", name+".json")))
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *recorded) file(t *testing.T, name string) []byte {
	t.Helper()
	return must(os.ReadFile(filepath.Join(r.dir, name)))
}

// message returns one message of the first IKE SA, put together and opened if it
// was fragmented: from fragments in every order.
func (r *recorded) message(t *testing.T, from string, kind message.ExchangeType, icv int) (raw []byte, ps []message.Payload) {
	t.Helper()
	var parts []crypt.Fragment
	for _, m := range r.Messages {
		raw := must(hex.DecodeString(m.Hex))
		if m.Kind != "ike" || m.Frm != from || message.ExchangeType(raw[18]) != kind {
			continue
		}
		parsed := must(message.Parse(raw))
		if kind == message.IKESAInit {
			return raw, parsed.Payloads
		}
		f, ok := parsed.Payloads[0].(*message.EncryptedFragment)
		if !ok {
			t.Fatalf("%v is not in fragments", kind)
		}
		parts = append(parts, crypt.Fragment{Number: f.Number, Total: f.Total, Plain: crypt.Plain{Next: f.Next, Data: r.decrypt(from, f.Data[:len(f.Data)-icv])}})
	}
	if len(parts) < 2 || len(parts) != int(parts[0].Total) {
		t.Fatalf("%d fragments of %v of %s", len(parts), kind, from)
	}
	var whole []byte
	for _, order := range permutations(len(parts)) {
		got := &reassembly{parts: make([][]byte, len(parts))}
		for _, i := range order {
			if !got.add(parts[i], nil, maxUnproven) {
				t.Fatalf("fragment %d is not taken", i)
			}
		}
		data := slices.Concat(got.parts...)
		if whole != nil && !bytes.Equal(whole, data) || got.have != len(parts) || got.next != parts[0].Next {
			t.Errorf("fragments in the order %v make another message", order)
		}
		whole = data
	}
	return nil, must(message.ParsePayloads(parts[0].Next, whole))
}

// decrypt opens AES-CBC without its padding.
func (r *recorded) decrypt(from string, body []byte) []byte {
	key := must(hex.DecodeString(r.IKEKeys[0]["Sk_e"+map[string]string{"L": "i", "R": "r"}[from]]))
	text := bytes.Clone(body[aes.BlockSize:])
	cipher.NewCBCDecrypter(must(aes.NewCipher(key)), body[:aes.BlockSize]).CryptBlocks(text, text)
	return text[:len(text)-1-int(text[len(text)-1])]
}

// TestRecordedCertificates verifies both AUTH payloads of exchanges that two
// strongSwan daemons had, and their certificates.
func TestRecordedCertificates(t *testing.T) {
	for name, x := range map[string]struct {
		icv int
		prf func() hash.Hash
	}{
		"ecdsa-cbc-chacha-frag": {16, sha256.New},
		"rsa-cbc-sha512-modp":   {32, sha512.New},
	} {
		t.Run(name, func(t *testing.T) {
			r := readRecorded(t, name)
			anchors := must(trust.ParseCertificates(r.file(t, "ca.pem")))
			s := must(trust.New(trust.Options{Anchors: anchors}))
			now := anchors[0].NotBefore.Add(time.Hour)
			initL, psL := r.message(t, "L", message.IKESAInit, x.icv)
			initR, psR := r.message(t, "R", message.IKESAInit, x.icv)
			if !bytes.Equal(certRequest(s).Data, mustGet[*message.CertReq](t, psR).Data) {
				t.Error("strongSwan asks for another authority than we would")
			}
			for i, side := range []struct {
				from, sk, file string
				init           []byte
				other          []message.Payload
			}{{"L", "Sk_pi", "left", initL, psR}, {"R", "Sk_pr", "right", initR, psL}} {
				_, ps := r.message(t, side.from, message.IKEAuth, x.icv)
				id := message.GetID(ps, side.from == "R")
				mac := hmac.New(x.prf, must(hex.DecodeString(r.IKEKeys[0][side.sk])))
				mac.Write(id.Body())
				octets := slices.Concat(side.init, mustGet[*message.Nonce](t, side.other).Data, mac.Sum(nil))
				if want := r.logged("octets = message + nonce + prf(Sk_px, IDx')", i); hex.EncodeToString(octets) != want {
					t.Errorf("%s signs other octets", side.from)
				}
				recordedProof(t, s, ps, id, octets, now)
				cert := must(trust.ParseCertificates(r.file(t, side.file+".pem")))
				c, err := trust.NewCredential(cert, must(trust.ParseKey(r.file(t, side.file+".key"))))
				if err != nil {
					t.Fatal(err)
				}
				if got := c.Payloads()[0].(*message.Cert); !bytes.Equal(got.Data, mustGet[*message.Cert](t, ps).Data) {
					t.Error("another certificate was sent")
				}
			}
		})
	}
}

func (r *recorded) logged(name string, n int) string {
	for _, l := range r.Log {
		if l.N == name {
			if n == 0 {
				return l.Hex
			}
			n--
		}
	}
	return ""
}

func mustGet[T message.Payload](t *testing.T, ps []message.Payload) T {
	t.Helper()
	p, ok := message.Get[T](ps)
	if !ok {
		t.Fatalf("no %T", p)
	}
	return p
}

// recordedProof holds: the proof as it is, and nothing else.
func recordedProof(t *testing.T, s *trust.Store, ps []message.Payload, id *message.ID, octets []byte, now time.Time) {
	t.Helper()
	certs, other := readCerts(ps)
	peer, err := s.Verify(certs, id, now)
	if err != nil || other != "" {
		t.Fatalf("%v %s", err, other)
	}
	auth := mustGet[*message.Auth](t, ps)
	if auth.Method != message.AuthSignature {
		t.Errorf("method %v", auth.Method)
	}
	if err := sign.Verify(peer.Key(), auth, octets); err != nil {
		t.Error(err)
	}
	for i := range auth.Data {
		bad := *auth
		bad.Data = bytes.Clone(auth.Data)
		bad.Data[i] ^= 1
		if sign.Verify(peer.Key(), &bad, octets) == nil || sign.Verify(peer.Key(), &message.Auth{Method: auth.Method, Data: auth.Data[:i]}, octets) == nil {
			t.Errorf("octet %d of AUTH does not count", i)
		}
	}
	for i := range octets {
		bad := bytes.Clone(octets)
		bad[i] ^= 1
		if i%29 == 0 && sign.Verify(peer.Key(), auth, bad) == nil {
			t.Errorf("octet %d of what is signed does not count", i)
		}
	}
	for i := range certs[0] {
		bad := bytes.Clone(certs[0])
		bad[i] ^= 0x10
		if _, err := s.Verify([][]byte{bad}, id, now); err == nil {
			t.Errorf("octet %d of the certificate does not count", i)
		}
	}
	for name, other := range map[string]*message.ID{
		"another name": {IDType: message.IDFQDN, Data: []byte("mallory.example")},
		"another type": {IDType: message.IDEmail, Data: id.Data},
	} {
		if _, err := s.Verify(certs, other, now); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	if _, err := s.Verify(certs, id, now.AddDate(-1, 0, 0)); err == nil {
		t.Error("the certificate is good before it was issued")
	}
}
