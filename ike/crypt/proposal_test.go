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
		"AES-CBC": {true, "aes256-sha512-sha256-prfsha384-modp3072", Proposal{
			Encr: []Encr{{message.EncrAESCBC, 256}}, Integ: []message.IntegID{message.IntegHMACSHA512256, message.IntegHMACSHA256128},
			PRF: []message.PRFID{message.PRFHMACSHA384}, DH: dh{message.DHMODP3072}}},
		"integrity names the prf": {true, "aes-sha2_256-sha384-modp4096", Proposal{
			Encr: []Encr{{message.EncrAESCBC, 128}}, Integ: []message.IntegID{message.IntegHMACSHA256128, message.IntegHMACSHA384192},
			PRF: []message.PRFID{message.PRFHMACSHA256, message.PRFHMACSHA384}, DH: dh{message.DHMODP4096}}},
		"and with AEADs only that": {true, "aes128gcm128-aes256gcm12-aes192gcm64-sha512-ecp521", Proposal{
			Encr: []Encr{gcm(128), {message.EncrAESGCM12, 256}, {message.EncrAESGCM8, 192}}, PRF: []message.PRFID{message.PRFHMACSHA512},
			DH: dh{message.DHECP521}}},
		"additional key exchanges": {true, "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_mlkem1024-ke3_ecp384-ke3_none", Proposal{
			Encr: []Encr{gcm(256)}, PRF: []message.PRFID{message.PRFHMACSHA384}, DH: dh{message.DHX25519},
			AddKE: [MaxAddKE][]message.DHGroup{0: {message.MLKEM768, message.MLKEM1024}, 2: {message.DHECP384, message.DHNone}}}},
		"ESP with AES-CBC": {false, "aes192-sha384-esn", Proposal{
			Encr: []Encr{{message.EncrAESCBC, 192}}, Integ: []message.IntegID{message.IntegHMACSHA384192}, ESN: []message.ESNID{message.ESNYes}}},
		"ESP, integrity of no use": {false, "aes128gcm-sha256", Proposal{Encr: []Encr{gcm(128)}, ESN: []message.ESNID{message.ESNNo}}},
		"ESP, additional": {false, "aes128gcm16-x25519-none-ke1_mlkem768-ke1_none", Proposal{
			Encr: []Encr{gcm(128)}, DH: dh{message.DHX25519, message.DHNone}, ESN: []message.ESNID{message.ESNNo},
			AddKE: [MaxAddKE][]message.DHGroup{0: {message.MLKEM768, message.DHNone}}}},
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
		"aes128gcm16-prfsha256-x25518":                           {`"x25518"`, "x25519", "modp2048", "prfsha384"},
		"aes128-modp2048":                                        {"integrity", "aes128", "sha256"},
		"aes128-aes128gcm16-sha256-modp2048":                     {"aes128, ", "aes128gcm16, ", "two proposals"},
		"aes128ccm16-prfsha256-x25519":                           {`"aes128ccm16"`, "aes128gcm16"},
		"aes256ccm-prfsha256-x25519":                             {`"aes256ccm"`, "AES-GCM"},
		"aes128gcm16-prfsha256-curve448":                         {`"curve448"`, "x25519"},
		"aes128gcm16-prfsha256-mlkem768":                         {`"mlkem768"`, "ke1_mlkem768"},
		"aes128gcm16-prfsha256-x25519-ke1_mlkem512":              {`"ke1_mlkem512"`, "mlkem768"},
		"aes128gcm16-prfsha256-x25519-ke8_mlkem768":              {`"ke8_mlkem768"`},
		"aes128gcm16-prfsha256-x25519-ke0_mlkem768":              {`"ke0_mlkem768"`},
		"aes128gcm16-prfsha256-x25519-ke1_":                      {`"ke1_"`, "ke1_mlkem1024", "ke1_none"},
		"aes128gcm16-prfsha256-x25519-ke1_aes128gcm16":           {`"ke1_aes128gcm16"`},
		"aes128gcm16-prfsha256-x25519-ke1_ecp256-ke1_ecp256":     {`"ke1_ecp256"`, "twice"},
		"aes128gcm16-prfsha256-x25519-ke1_x25519":                {"same key exchange twice"},
		"aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke2_mlkem768": {"same key exchange twice"},
		"aes128gcm16-prfsha256-ke1_mlkem768":                     {"key exchange"},
		"aes128gcm16-sha1-x25519":                                {`"sha1"`, "sha256"},
		"3des":                                                   {`"3des"`, "RFC 8247", "aes128gcm16"},
		"aes128-md5-modp2048":                                    {`"md5"`, "sha256"},
		"":                                                       {`""`, "aes128gcm16"},
		"aes128gcm16--x25519":                                    {`""`},
		"AES128GCM16-prfsha256-x25519":                           {`"AES128GCM16"`},
		"aes128gcm16-prfsha256-esn":                              {`"esn"`, "IKE"},
		"aes128gcm16-prfsha256":                                  {"key exchange"},
		"aes128gcm16-x25519":                                     {"prf"},
		"prfsha256-x25519":                                       {"encryption"},
		"aes128gcm16-aes128gcm16":                                {`"aes128gcm16"`, "twice"},
		"aes128gcm16-prfsha256-x25519-curve25519":                {`"curve25519"`, "twice"},
		"aes128gcm16-prfsha256-x25519-modpnone":                  {`"modpnone"`, "IKE"},
	} {
		checkError(t, s, ParseIKE, want)
	}
	for s, want := range map[string][]string{
		"aes128gcm16-prfsha256":                    {`"prfsha256"`, "ESP"},
		"aes256-esn":                               {"integrity", "aes256"},
		"aes256gcm16-ke1_mlkem768":                 {"none to follow"},
		"aes256gcm16-x25519-modpnone-ke1_mlkem768": {"ke1_none", "modpnone"},
		"aes256gmac":                               {`"aes256gmac"`},
		"esn":                                      {"encryption"},
		"aes128gcm16-esn-esn":                      {`"esn"`, "twice"},
		"null-esn":                                 {`"null"`, "encryption", "aes128gcm16"},
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
	f.Add("aes256gcm16-sha384-x25519-ecp256-ke1_mlkem768-ke2_ecp256-ke2_none")
	f.Add("aes256-sha512-ecp521-none-ke1_mlkem1024-ke1_none-esn")
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
