package message

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// seeds are the payloads of OpenIKED's parser test, with their generic headers.
func seeds(t testing.TB) map[PayloadType][]byte {
	t.Helper()
	all := make(map[PayloadType][]byte)
	for name, k := range map[string]PayloadType{
		"sa": PayloadSA, "saxform": PayloadSA, "ke": PayloadKE, "nonce": PayloadNonce, "notify": PayloadNotify,
		"id": PayloadIDi, "cert": PayloadCert, "certreq": PayloadCertReq, "auth": PayloadAuth, "delete": PayloadDelete,
		"vendor": PayloadVendorID, "ts": PayloadTSi, "cp": PayloadCP, "eap": PayloadEAP, "sk": PayloadSK, "skf_1of1": PayloadSKF,
	} {
		b, err := os.ReadFile(filepath.Join("testdata/openiked", name+"_pld.bin"))
		if err != nil {
			t.Fatal(err)
		}
		if name != "sa" { // the shorter of the two
			all[k] = b
		}
	}
	return all
}

// TestSeeds: what of OpenIKED's seeds is valid, and that one byte more or less,
// or any other byte anywhere, panics nowhere.
func TestSeeds(t *testing.T) {
	for k, b := range seeds(t) {
		first := b[:min(len(b), int(b[2])<<8|int(b[3]))]
		first = append([]byte{0}, first[1:]...)
		_, err := parseChain(k, first, 0, false)
		if want := k != PayloadDelete; want != (err == nil) { // that one has an SPI for protocol IKE
			t.Errorf("%v: %v", k, err)
		}
		for i := range b {
			for _, x := range []byte{0, 1, 0x7f, 0x80, 0xff, b[i] + 1, b[i] - 1} {
				c := bytes.Clone(b)
				c[i] = x
				parseChain(k, c, 0, false)
				parseChain(k, append(c[:i:i], b[i+1:]...), 0, false)
			}
		}
	}
}

// again checks that what parsed can be marshalled, and that this parses to the
// same: what is kept of a message is all that matters.
func again(t *testing.T, first PayloadType, ps []Payload, inner bool) {
	t.Helper()
	b, err := AppendPayloads(nil, ps)
	if err != nil {
		t.Fatalf("parsed but does not marshal: %v", err)
	}
	got, err := parseChain(first, b, 0, inner)
	if err != nil {
		t.Fatalf("marshalled but does not parse: %v", err)
	}
	for _, p := range append(got, ps...) {
		switch p := p.(type) { // where in the message differs
		case *Encrypted:
			p.Offset = 0
		case *EncryptedFragment:
			p.Offset = 0
		}
	}
	if !reflect.DeepEqual(got, ps) {
		t.Fatalf("got  %+v\nwant %+v", got, ps)
	}
}

// FuzzParse takes any datagram.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"psk-gcm256-esn", "rsa-cbc-sha512-modp"} { // the latter has fragments
		for _, b := range traceMessages(f, "../crypt/testdata/"+file+".json") {
			f.Add(b)
		}
	}
	b, err := os.ReadFile("testdata/openiked/valid_packet.bin")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m, err := Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("input changed")
		}
		if err == nil {
			again(t, m.Next, m.Payloads, false)
		}
	})
}

// FuzzPayload takes a chain of payloads, starting with one of each type.
func FuzzPayload(f *testing.F) {
	for k, b := range seeds(f) {
		f.Add(byte(k), b)
	}
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		for _, inner := range []bool{false, true} {
			if ps, err := parseChain(PayloadType(k), b, 0, inner); err == nil {
				again(t, PayloadType(k), ps, inner)
			}
		}
	})
}

// FuzzBody takes the body of one payload of each type, so that the fuzzer need
// not get a length field right first.
func FuzzBody(f *testing.F) {
	for k, b := range seeds(f) {
		f.Add(byte(k), b[genericLen:])
	}
	f.Fuzz(func(t *testing.T, k byte, body []byte) {
		if PayloadType(k) == PayloadNone || len(body) > 65535-genericLen {
			return
		}
		b, err := AppendPayloads(nil, []Payload{&Unknown{Kind: PayloadType(k), Data: body}})
		if err != nil {
			t.Fatal(err)
		}
		if ps, err := parseChain(PayloadType(k), b, 0, false); err == nil {
			again(t, PayloadType(k), ps, false)
		}
	})
}
