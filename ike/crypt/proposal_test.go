package crypt

import (
	"reflect"
	"strings"
	"testing"

	"warren/ike/message"
)

func TestParseProposal(t *testing.T) {
	gcm := func(bits uint16) Encr { return Encr{message.EncrAESGCM16, bits} }
	type dh = []message.DHGroup
	tests := map[string]struct {
		ike  bool
		s    string
		want Proposal
	}{
		"plain IKE": {true, "aes128gcm16-prfsha256-x25519", Proposal{
			Encr: []Encr{gcm(128)}, PRF: []message.PRFID{message.PRFHMACSHA256}, DH: dh{message.DHX25519}}},
		"alternatives": {true, "aes256gcm16-aes128gcm16-prfsha384-x25519-ecp256", Proposal{
			Encr: []Encr{gcm(256), gcm(128)}, PRF: []message.PRFID{message.PRFHMACSHA384}, DH: dh{message.DHX25519, message.DHECP256}}},
		"any order of types": {true, "modp2048-prfsha512-ecp384-chacha20poly1305-prfsha256-aes192gcm16", Proposal{
			Encr: []Encr{{message.EncrChaCha20Poly1305, 0}, gcm(192)},
			PRF:  []message.PRFID{message.PRFHMACSHA512, message.PRFHMACSHA256}, DH: dh{message.DHMODP2048, message.DHECP384}}},
		"strongSwan's x25519": {true, "aes128gcm16-prfsha256-curve25519", Proposal{
			Encr: []Encr{gcm(128)}, PRF: []message.PRFID{message.PRFHMACSHA256}, DH: dh{message.DHX25519}}},
		"plain ESP": {false, "aes128gcm16-esn", Proposal{Encr: []Encr{gcm(128)}, ESN: []message.ESNID{message.ESNYes}}},
		"both counters": {false, "aes128gcm16-esn-noesn", Proposal{
			Encr: []Encr{gcm(128)}, ESN: []message.ESNID{message.ESNYes, message.ESNNo}}},
		"noesn is the default": {false, "chacha20poly1305", Proposal{
			Encr: []Encr{{message.EncrChaCha20Poly1305, 0}}, ESN: []message.ESNID{message.ESNNo}}},
		"PFS": {false, "aes256gcm16-x25519-modpnone-noesn", Proposal{
			Encr: []Encr{gcm(256)}, DH: dh{message.DHX25519, message.DHNone}, ESN: []message.ESNID{message.ESNNo}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			parse := ParseESP
			tt.want.Protocol = message.ProtoESP
			if tt.ike {
				parse, tt.want.Protocol = ParseIKE, message.ProtoIKE
			}
			got, err := parse(tt.s)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, tt.want)
			}
			if again, err := parse(got.String()); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%s printed as %s: %+v, %v", tt.s, got, again, err)
			}
		})
	}
}

// TestParseProposalErrors: the message names the word and what there is.
func TestParseProposalErrors(t *testing.T) {
	for s, want := range map[string][]string{
		"aes128gcm16-prfsha256-x25518":            {`"x25518"`, "x25519", "modp2048", "prfsha384"},
		"aes128-sha256-modp2048":                  {`"aes128"`, "aes128gcm16"},
		"3des":                                    {`"3des"`},
		"":                                        {`""`, "aes128gcm16"},
		"aes128gcm16--x25519":                     {`""`},
		"AES128GCM16-prfsha256-x25519":            {`"AES128GCM16"`},
		"aes128gcm16-prfsha256-esn":               {`"esn"`, "IKE"},
		"aes128gcm16-prfsha256":                   {"key exchange"},
		"aes128gcm16-x25519":                      {"prf"},
		"prfsha256-x25519":                        {"encryption"},
		"aes128gcm16-aes128gcm16":                 {`"aes128gcm16"`, "twice"},
		"aes128gcm16-prfsha256-x25519-curve25519": {`"curve25519"`, "twice"},
		"aes128gcm16-prfsha256-x25519-modpnone":   {`"modpnone"`, "IKE"},
	} {
		checkError(t, s, ParseIKE, want)
	}
	for s, want := range map[string][]string{
		"aes128gcm16-prfsha256": {`"prfsha256"`, "ESP"},
		"esn":                   {"encryption"},
		"aes128gcm16-esn-esn":   {`"esn"`, "twice"},
		"null-esn":              {`"null"`, "noesn"},
	} {
		checkError(t, s, ParseESP, want)
	}
}

func checkError(t *testing.T, s string, parse func(string) (Proposal, error), want []string) {
	t.Helper()
	_, err := parse(s)
	if err == nil {
		t.Errorf("%q: accepted", s)
		return
	}
	for _, w := range append(want, s) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q: %v, which does not name %s", s, err, w)
		}
	}
}

// TestDefaults can be written in the notation, hold the MUSTs and SHOULDs that
// are AEADs, and agree with themselves.
func TestDefaults(t *testing.T) {
	ike, esp := DefaultIKE(), DefaultESP()
	for _, p := range ike {
		if got, err := ParseIKE(p.String()); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%v: %v", p, err)
		}
	}
	for _, p := range esp {
		if got, err := ParseESP(p.String()); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%v: %v", p, err)
		}
	}
	for want, in := range map[string]string{
		"aes128gcm16": esp[0].String(), "aes256gcm16": esp[0].String(), "chacha20poly1305": esp[0].String(),
		"prfsha256": ike[0].String(), "prfsha512": ike[0].String(), "modp2048": ike[0].String(), "ecp256": ike[0].String(), "x25519": ike[0].String(),
	} {
		if !strings.Contains("-"+in+"-", "-"+want+"-") {
			t.Errorf("%s is not in %s", want, in)
		}
	}
	c := must(Select(Offer(ike, nil), ike, 0))
	if c.String() != "aes256gcm16-prfsha512-x25519" {
		t.Errorf("chose %v", c)
	}
	c = must(Select(Offer(esp, []byte{1, 2, 3, 4}), esp, 4))
	if c.String() != "aes256gcm16-esn" {
		t.Errorf("chose %v", c)
	}
}

// FuzzProposal: what parses prints, parses to the same, and can be offered and
// chosen.
func FuzzProposal(f *testing.F) {
	for _, p := range append(DefaultIKE(), DefaultESP()...) {
		f.Add(p.String())
	}
	f.Add("aes128gcm16-x25519-modpnone-esn")
	f.Add("aes128-sha256-modp2048")
	f.Fuzz(func(t *testing.T, s string) {
		for i, parse := range []func(string) (Proposal, error){ParseIKE, ParseESP} {
			p, err := parse(s)
			if err != nil {
				continue
			}
			if got, err := parse(p.String()); err != nil || !reflect.DeepEqual(got, p) {
				t.Fatalf("%q printed as %q: %v", s, p, err)
			}
			spi := make([]byte, 4*i)
			sa := Offer([]Proposal{p}, spi)
			ps := must(message.ParsePayloads(message.PayloadSA, must(message.AppendPayloads(nil, []message.Payload{sa}))))
			c, err := Select(ps[0].(*message.SA), []Proposal{p}, len(spi))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(c.Answer(spi), []Proposal{p}, len(spi)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
