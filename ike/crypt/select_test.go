package crypt

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/ike/message"
)

func ikeList(t testing.TB, s ...string) (ps []Proposal) {
	t.Helper()
	for _, s := range s {
		ps = append(ps, mustIKE(t, s)...)
	}
	return ps
}

func espList(t testing.TB, s ...string) (ps []Proposal) {
	t.Helper()
	for _, s := range s {
		ps = append(ps, mustESP(t, s)...)
	}
	return ps
}

func TestSelectIKE(t *testing.T) {
	all := "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha512-prfsha256-x25519-ecp256-modp2048"
	tests := map[string]struct {
		offer, own []string
		want       string // choice, empty for none
		number     uint8
	}{
		"same":                         {[]string{all}, []string{all}, "aes256gcm16-prfsha512-x25519", 1},
		"initiator's order decides":    {[]string{"aes128gcm16-aes256gcm16-prfsha256-prfsha512-ecp256-x25519"}, []string{all}, "aes128gcm16-prfsha256-ecp256", 1},
		"own set limits":               {[]string{all}, []string{"chacha20poly1305-prfsha256-modp2048"}, "chacha20poly1305-prfsha256-modp2048", 1},
		"first proposal that fits":     {[]string{"aes192gcm16-prfsha384-ecp384", "aes128gcm16-prfsha256-x25519"}, []string{all}, "aes128gcm16-prfsha256-x25519", 2},
		"second own proposal":          {[]string{"aes128gcm16-prfsha256-x25519"}, []string{"aes256gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519"}, "aes128gcm16-prfsha256-x25519", 1},
		"own proposals are not mixed":  {[]string{"aes128gcm16-prfsha256-x25519"}, []string{"aes128gcm16-prfsha512-x25519", "aes256gcm16-prfsha256-x25519"}, "", 0},
		"no common cipher":             {[]string{"aes128gcm16-prfsha256-x25519"}, []string{"aes256gcm16-prfsha256-x25519"}, "", 0},
		"no common prf":                {[]string{"aes128gcm16-prfsha256-x25519"}, []string{"aes128gcm16-prfsha384-x25519"}, "", 0},
		"no common group":              {[]string{"aes128gcm16-prfsha256-x25519"}, []string{"aes128gcm16-prfsha256-ecp256"}, "", 0},
		"nothing of one's own":         {[]string{all}, nil, "", 0},
		"the same numbers are not ESP": {nil, []string{all}, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			own, offered := ikeList(t, tt.own...), ikeList(t, tt.offer...)
			for _, spi := range [][]byte{nil, make([]byte, 8)} {
				c, err := Select(Offer(offered, spi), own, len(spi))
				if tt.want == "" {
					if !errors.Is(err, ErrNoProposal) {
						t.Errorf("chose %v, %v", c, err)
					}
					continue
				}
				if err != nil || c.String() != tt.want || c.Number != tt.number {
					t.Fatalf("chose %v of %d, %v", c, c.Number, err)
				}
				v, err := Verify(c.Answer([]byte("new spi.")[:len(spi)]), offered, len(spi))
				if err != nil || v.String() != tt.want || string(v.SPI) != "new spi."[:len(spi)] {
					t.Errorf("verified %v, %v", v, err)
				}
			}
		})
	}
}

func TestSelectESP(t *testing.T) {
	tests := map[string]struct{ offer, own, want string }{
		"plain":                  {"aes128gcm16-esn", "aes128gcm16-esn", "aes128gcm16-esn"},
		"initiator prefers esn":  {"aes128gcm16-esn-noesn", "aes128gcm16-noesn-esn", "aes128gcm16-esn"},
		"peer without esn":       {"aes128gcm16-noesn", "aes128gcm16-esn-noesn", "aes128gcm16-noesn"},
		"esn wanted by one":      {"aes128gcm16-noesn", "aes128gcm16-esn", ""},
		"PFS on both":            {"aes128gcm16-x25519-esn", "aes128gcm16-x25519-esn", "aes128gcm16-x25519-esn"},
		"PFS offered, not ours":  {"aes128gcm16-x25519-esn", "aes128gcm16-esn", ""},
		"PFS ours, not offered":  {"aes128gcm16-esn", "aes128gcm16-x25519-esn", ""},
		"PFS optional here":      {"aes128gcm16-esn", "aes128gcm16-x25519-modpnone-esn", "aes128gcm16-esn"},
		"PFS optional there":     {"aes128gcm16-x25519-modpnone-esn", "aes128gcm16-esn", "aes128gcm16-esn"},
		"PFS optional on both":   {"aes128gcm16-x25519-modpnone-esn", "aes128gcm16-modpnone-x25519-esn", "aes128gcm16-x25519-esn"},
		"PFS optional, unwanted": {"aes128gcm16-modpnone-x25519-esn", "aes128gcm16-x25519-modpnone-esn", "aes128gcm16-esn"},
	}
	spi := []byte{1, 2, 3, 4}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			offered := espList(t, tt.offer)
			c, err := Select(Offer(offered, spi), espList(t, tt.own), 4)
			if tt.want == "" {
				if !errors.Is(err, ErrNoProposal) {
					t.Errorf("chose %v, %v", c, err)
				}
				return
			}
			if err != nil || c.String() != tt.want {
				t.Fatalf("chose %v, %v", c, err)
			}
			if v, err := Verify(c.Answer(spi), offered, 4); err != nil || v.String() != tt.want {
				t.Errorf("verified %v, %v", v, err)
			}
		})
	}
	if p := espList(t, "aes128gcm16-x25519-esn")[0]; p.WithoutDH().String() != "aes128gcm16-esn" || len(p.DH) != 1 {
		t.Errorf("without DH: %v, and left %v", p.WithoutDH(), p)
	}
}

// tr is a transform of a message.
func tr(typ message.TransformType, id, keyLen uint16, other ...message.Attribute) message.Transform {
	return message.Transform{Type: typ, ID: id, KeyLen: keyLen, Other: other}
}

// TestCVE_2016_5391 and its like: proposals that lack a type, have one too many
// or name what nobody implements are passed over, never half taken.
func TestCVE_2016_5391(t *testing.T) {
	const gcm = uint16(message.EncrAESGCM16)
	var (
		encr  = tr(message.TransformEncr, gcm, 128)
		prf   = tr(message.TransformPRF, uint16(message.PRFHMACSHA256), 0)
		dh    = tr(message.TransformKE, uint16(message.DHX25519), 0)
		esn   = tr(message.TransformESN, 1, 0)
		attr  = message.Attribute{Type: 99, Short: true, Value: []byte{0, 1}}
		cbc   = tr(message.TransformEncr, uint16(message.EncrAESCBC), 128)
		hmac  = tr(message.TransformInteg, uint16(message.IntegHMACSHA256128), 0)
		ike   = ikeList(t, "aes128gcm16-prfsha256-x25519", "aes128-sha256-x25519")
		esp   = espList(t, "aes128gcm16-x25519-esn", "aes128-sha256-x25519-esn")
		proto = map[bool]message.Protocol{true: message.ProtoIKE, false: message.ProtoESP}
	)
	tests := map[string]struct {
		ike bool
		ts  []message.Transform
		ok  bool
	}{
		"complete":                     {true, []message.Transform{encr, prf, dh}, true},
		"INTEG NONE":                   {true, []message.Transform{encr, tr(message.TransformInteg, 0, 0), prf, dh}, true},
		"INTEG NONE or HMAC":           {true, []message.Transform{encr, tr(message.TransformInteg, 12, 0), tr(message.TransformInteg, 0, 0), prf, dh}, true},
		"AEAD with INTEG":              {true, []message.Transform{encr, tr(message.TransformInteg, 12, 0), prf, dh}, false},
		"unknown beside known":         {true, []message.Transform{tr(message.TransformEncr, 9999, 0), encr, tr(message.TransformPRF, 9999, 0), prf, tr(message.TransformKE, 1025, 0), dh}, true},
		"no ENCR":                      {true, []message.Transform{prf, dh}, false},
		"no PRF":                       {true, []message.Transform{encr, dh}, false},
		"no DH":                        {true, []message.Transform{encr, prf}, false},
		"DH NONE":                      {true, []message.Transform{encr, prf, tr(message.TransformKE, 0, 0)}, false},
		"nothing":                      {true, nil, false},
		"key length omitted":           {true, []message.Transform{tr(message.TransformEncr, gcm, 0), prf, dh}, false},
		"key length wrong":             {true, []message.Transform{tr(message.TransformEncr, gcm, 127), prf, dh}, false},
		"key length and more":          {true, []message.Transform{tr(message.TransformEncr, gcm, 128, attr), prf, dh}, false},
		"key length of a prf":          {true, []message.Transform{encr, tr(message.TransformPRF, 5, 256), dh}, false},
		"attribute of a group":         {true, []message.Transform{encr, prf, tr(message.TransformKE, 31, 0, attr)}, false},
		"unknown type":                 {true, []message.Transform{encr, prf, dh, tr(241, 1, 0)}, false},
		"additional key exchange":      {true, []message.Transform{encr, prf, dh, tr(message.TransformAddKE1, 36, 0)}, false},
		"ESN in IKE":                   {true, []message.Transform{encr, prf, dh, esn}, false},
		"ESP complete":                 {false, []message.Transform{encr, dh, esn}, true},
		"ESP, INTEG NONE":              {false, []message.Transform{encr, tr(message.TransformInteg, 0, 0), dh, esn}, true},
		"ESP without ESN":              {false, []message.Transform{encr, dh}, false},
		"ESP with PRF":                 {false, []message.Transform{encr, prf, dh, esn}, false},
		"ESP NULL":                     {false, []message.Transform{tr(message.TransformEncr, 11, 0), dh, esn}, false},
		"ESP, ENCR without integrity":  {false, []message.Transform{cbc, dh, esn}, false},
		"CBC":                          {true, []message.Transform{cbc, hmac, prf, dh}, true},
		"CBC, INTEG NONE":              {true, []message.Transform{cbc, tr(message.TransformInteg, 0, 0), prf, dh}, false},
		"CBC, other INTEG":             {true, []message.Transform{cbc, tr(message.TransformInteg, 2, 0), prf, dh}, false},
		"CBC, INTEG with an attribute": {true, []message.Transform{cbc, tr(message.TransformInteg, 12, 256), prf, dh}, false},
		"CBC, both":                    {true, []message.Transform{cbc, tr(message.TransformInteg, 0, 0), hmac, prf, dh}, true},
		"CBC first, AEAD second":       {true, []message.Transform{cbc, encr, hmac, prf, dh}, true},
		"CBC unusable, AEAD second":    {true, []message.Transform{cbc, encr, prf, dh}, true},
		"ESP, CBC":                     {false, []message.Transform{cbc, hmac, dh, esn}, true},
		"additional NONE":              {true, []message.Transform{encr, prf, dh, tr(message.TransformAddKE7, 0, 0)}, true},
		"type after the additional":    {true, []message.Transform{encr, prf, dh, tr(message.TransformAddKE7+1, 0, 0)}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			own, spi := esp, make([]byte, 4)
			if tt.ike {
				own, spi = ike, nil
			}
			offer := &message.SA{Proposals: []message.Proposal{{Number: 1, Protocol: proto[tt.ike], SPI: spi, Transforms: tt.ts}}}
			c, err := Select(offer, own, len(spi))
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, ErrNoProposal) {
				t.Fatalf("%v, %v", c, err)
			}
			if !tt.ok {
				return
			}
			seen := map[message.TransformType]bool{}
			for _, x := range c.Answer(spi).Proposals[0].Transforms {
				if seen[x.Type] || !slices.ContainsFunc(tt.ts, func(y message.Transform) bool {
					return x.Type == y.Type && x.ID == y.ID && x.KeyLen == y.KeyLen
				}) {
					t.Errorf("answers with %+v", x)
				}
				seen[x.Type] = true
			}
			for _, x := range tt.ts {
				if !seen[x.Type] {
					t.Errorf("answer lacks %v", x.Type)
				}
			}
		})
	}
}

// TestNone: a child SA may do without a key exchange, and the answer names NONE
// if the offer did; an IKE SA may not (RFC 7296, Sections 2.18 and 3.3.6).
func TestNone(t *testing.T) {
	for offer, want := range map[string]int{"aes128gcm16-modpnone-x25519-esn": 3, "aes128gcm16-esn": 2} {
		c := must(Select(Offer(espList(t, offer), make([]byte, 4)), espList(t, "aes128gcm16-esn"), 4))
		if n := len(c.Answer(nil).Proposals[0].Transforms); n != want || c.DH != message.DHNone {
			t.Errorf("%s: answered with %d transforms, %v", offer, n, c)
		}
	}
	own := ikeList(t, "aes128gcm16-prfsha256-x25519")
	own[0].DH = []message.DHGroup{message.DHNone}
	if c, err := Select(Offer(own, nil), own, 0); !errors.Is(err, ErrNoProposal) {
		t.Errorf("IKE SA without a key exchange: %v, %v", c, err)
	}
}

// TestSPISize: an SPI of another length than the exchange has (RFC 7296, Section
// 3.3.1), and proposals for another protocol or with wrong numbers.
func TestSPISize(t *testing.T) {
	own := ikeList(t, "aes128gcm16-prfsha256-x25519")
	for _, want := range []int{0, 8} {
		for n := range 256 {
			_, err := Select(Offer(own, make([]byte, n)), own, want)
			if (n == want) != (err == nil) {
				t.Errorf("SPI of %d octets, want %d: %v", n, want, err)
			}
			_, err = Verify(Offer(own, make([]byte, n)), own, want)
			if (n == want) != (err == nil) {
				t.Errorf("answered SPI of %d octets, want %d: %v", n, want, err)
			}
		}
	}
	for p := range 256 {
		sa := Offer(own, nil)
		sa.Proposals[0].Protocol = message.Protocol(p)
		if _, err := Select(sa, own, 0); (p == 1) != (err == nil) {
			t.Errorf("protocol %d: %v", p, err)
		}
		sa = Offer(own, nil)
		sa.Proposals[0].Number = uint8(p)
		if _, err := Select(sa, own, 0); (p == 1) != (err == nil) {
			t.Errorf("number %d: %v", p, err)
		}
		if _, err := Verify(sa, own, 0); (p == 1) != (err == nil) {
			t.Errorf("answered number %d: %v", p, err)
		}
	}
}

// TestVerify: an answer that is not exactly one choice from one offered proposal.
func TestVerify(t *testing.T) {
	offered := ikeList(t, "aes256gcm16-prfsha512-x25519", "aes128gcm16-chacha20poly1305-prfsha256-ecp256-x25519")
	answer := func(number uint8, s ...string) *message.SA {
		sa := Offer(ikeList(t, s...), nil)
		for i := range sa.Proposals {
			sa.Proposals[i].Number = number + uint8(i)
		}
		return sa
	}
	if c, err := Verify(answer(2, "chacha20poly1305-prfsha256-x25519"), offered, 0); err != nil || c.String() != "chacha20poly1305-prfsha256-x25519" {
		t.Errorf("good answer: %v, %v", c, err)
	}
	for name, sa := range map[string]*message.SA{
		"other proposal's number": answer(1, "aes128gcm16-prfsha256-x25519"),
		"mix of two proposals":    answer(2, "aes256gcm16-prfsha256-x25519"),
		"stronger than offered":   answer(2, "aes128gcm16-prfsha512-x25519"),
		"two ciphers":             answer(2, "aes128gcm16-chacha20poly1305-prfsha256-x25519"),
		"two groups":              answer(2, "aes128gcm16-prfsha256-x25519-ecp256"),
		"two proposals":           answer(1, "aes256gcm16-prfsha512-x25519", "aes128gcm16-prfsha256-x25519"),
		"no proposal":             {},
		"number 0":                answer(0, "aes256gcm16-prfsha512-x25519"),
		"number 3":                answer(3, "aes256gcm16-prfsha512-x25519"),
	} {
		if c, err := Verify(sa, offered, 0); !errors.Is(err, ErrNotOffered) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestErrorNamesBothSets: who reads the log can see what does not fit.
func TestErrorNamesBothSets(t *testing.T) {
	sa := Offer(ikeList(t, "aes128gcm16-prfsha256-x25519"), nil)
	sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, tr(message.TransformEncr, 12, 256), tr(message.TransformInteg, 12, 0), tr(message.TransformEncr, 13, 256))
	_, err := Select(sa, ikeList(t, "aes256gcm16-prfsha384-ecp384"), 0)
	for _, want := range []string{"IKE:aes128gcm16-prfsha256-x25519-aes256-sha256-ENCR_AES_CTR_256", "IKE:aes256gcm16-prfsha384-ecp384"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// TestSelectProperties: whatever two peers have, a choice is in both sets, the
// initiator accepts it, and there is one if and only if the slow way finds one.
func TestSelectProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gen := rapid.Custom(func(rt *rapid.T) Proposal {
			d := DefaultIKE()[0]
			more := []message.DHGroup{message.MLKEM768, message.DHX25519, message.DHNone}
			some := func(n int) []int {
				return rapid.Permutation(seq(n)).Draw(rt, "order")[:rapid.IntRange(1, n).Draw(rt, "n")]
			}
			p := Proposal{Protocol: message.ProtoIKE}
			for _, i := range some(len(d.Encr)) {
				p.Encr = append(p.Encr, d.Encr[i])
			}
			for _, i := range some(len(d.PRF)) {
				p.PRF = append(p.PRF, d.PRF[i])
			}
			for _, i := range some(len(d.DH)) {
				p.DH = append(p.DH, d.DH[i])
			}
			for i := range rapid.IntRange(0, 2).Draw(rt, "additional") {
				for _, j := range some(len(more)) {
					p.AddKE[2*i] = append(p.AddKE[2*i], more[j])
				}
			}
			return p
		})
		offered := rapid.SliceOfN(gen, 1, 4).Draw(rt, "offered")
		own := rapid.SliceOfN(gen, 1, 4).Draw(rt, "own")
		want, found := slowSelect(offered, own)
		c, err := Select(Offer(offered, nil), own, 0)
		if found != (err == nil) {
			rt.Fatalf("slow way: %v, %v; got %v, %v", want, found, c, err)
		}
		if !found {
			return
		}
		if c.String() != want.String() || c.Number != want.Number {
			rt.Fatalf("got %d %v, want %d %v", c.Number, c, want.Number, want)
		}
		if v, err := Verify(c.Answer(nil), offered, 0); err != nil || v.String() != c.String() {
			rt.Fatalf("initiator: %v, %v", v, err)
		}
	})
}

func seq(n int) (s []int) {
	for i := range n {
		s = append(s, i)
	}
	return s
}

func orNone(l []message.DHGroup) []message.DHGroup {
	if len(l) == 0 {
		return []message.DHGroup{message.DHNone}
	}
	return l
}

// slowSelect tries every combination of what was offered, in order, against
// every own proposal.
func slowSelect(offered, own []Proposal) (Choice, bool) {
	for n, o := range offered {
		for _, w := range own {
			for _, e := range o.Encr {
				for _, p := range o.PRF {
					for _, d := range o.DH {
						for _, k1 := range orNone(o.AddKE[0]) {
							for _, k3 := range orNone(o.AddKE[2]) {
								ok := slices.Contains(w.Encr, e) && slices.Contains(w.PRF, p) && slices.Contains(w.DH, d) &&
									slices.Contains(orNone(w.AddKE[0]), k1) && slices.Contains(orNone(w.AddKE[2]), k3)
								if ok && k1 != d && k3 != d && (k1 != k3 || k1 == message.DHNone) {
									return Choice{Number: uint8(n + 1), Protocol: message.ProtoIKE, Encr: e, PRF: p, DH: d,
										AddKE: [MaxAddKE]message.DHGroup{0: k1, 2: k3}}, true
								}
							}
						}
					}
				}
			}
		}
	}
	return Choice{}, false
}
