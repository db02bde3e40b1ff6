package crypt

import (
	"errors"
	"strings"
	"testing"

	"warren/ike/message"
)

// TestSelectAddKE: additional key exchanges are chosen type by type, none comes
// twice, and one that is not offered or not configured is as good as NONE (RFC
// 9370, Section 2.2.1).
func TestSelectAddKE(t *testing.T) {
	const base = "aes128gcm16-prfsha256-"
	tests := map[string]struct{ offer, own, want string }{
		"required on both":        {"x25519-ke1_mlkem768", "x25519-ke1_mlkem768", "x25519-ke1_mlkem768"},
		"peer without":            {"x25519", "x25519-ke1_mlkem768", ""},
		"here without":            {"x25519-ke1_mlkem768", "x25519", ""},
		"optional there":          {"x25519-ke1_mlkem768-ke1_none", "x25519", "x25519"},
		"optional here":           {"x25519", "x25519-ke1_mlkem768-ke1_none", "x25519"},
		"optional on both":        {"x25519-ke1_mlkem768-ke1_none", "x25519-ke1_none-ke1_mlkem768", "x25519-ke1_mlkem768"},
		"initiator prefers none":  {"x25519-ke1_none-ke1_mlkem768", "x25519-ke1_mlkem768-ke1_none", "x25519"},
		"initiator's order":       {"x25519-ke1_mlkem1024-ke1_mlkem768", "x25519-ke1_mlkem768-ke1_mlkem1024", "x25519-ke1_mlkem1024"},
		"another type":            {"x25519-ke1_mlkem768", "x25519-ke2_mlkem768", ""},
		"not consecutive":         {"x25519-ke2_mlkem768-ke7_ecp256", "x25519-ke7_ecp256-ke2_mlkem768", "x25519-ke2_mlkem768-ke7_ecp256"},
		"once only":               {"x25519-ke1_mlkem768-ke2_mlkem768-ke2_none", "x25519-ke1_mlkem768-ke2_mlkem768-ke2_none", "x25519-ke1_mlkem768"},
		"not the first one again": {"x25519-ecp256-ke1_x25519-ke1_ecp256", "x25519-ecp256-ke1_x25519-ke1_ecp256", "x25519-ke1_ecp256"},
		"the second's only one":   {"x25519-ke1_mlkem768-ke1_ecp256-ke2_mlkem768", "x25519-ke1_mlkem768-ke1_ecp256-ke2_mlkem768", "x25519-ke1_ecp256-ke2_mlkem768"},
		"all seven": {"x25519-ke1_mlkem768-ke2_mlkem1024-ke3_ecp256-ke4_ecp384-ke5_ecp521-ke6_modp2048-ke7_modp3072",
			"x25519-ke1_mlkem768-ke2_mlkem1024-ke3_ecp256-ke4_ecp384-ke5_ecp521-ke6_modp2048-ke7_modp3072",
			"x25519-ke1_mlkem768-ke2_mlkem1024-ke3_ecp256-ke4_ecp384-ke5_ecp521-ke6_modp2048-ke7_modp3072"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			offered, own := ikeList(t, base+tt.offer), ikeList(t, base+tt.own)
			c, err := Select(Offer(offered, nil), own, 0)
			if tt.want == "" {
				if !errors.Is(err, ErrNoProposal) {
					t.Errorf("chose %v, %v", c, err)
				}
				return
			}
			if err != nil || c.String() != base+tt.want {
				t.Fatalf("chose %v, %v", c, err)
			}
			v, err := Verify(c.Answer(nil), offered, 0)
			if err != nil || v.String() != base+tt.want || len(v.More()) != strings.Count(tt.want, "_") {
				t.Errorf("verified %v, %v, %v", v, v.More(), err)
			}
		})
	}
}

// TestDowngradeAddKE: an answer that leaves a required key exchange out, says
// NONE to it, or repeats one, is no answer.
func TestDowngradeAddKE(t *testing.T) {
	offered := ikeList(t, "aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke2_mlkem1024-ke2_mlkem768-ke2_none")
	answer := func(add ...message.Transform) *message.SA {
		sa := Offer(ikeList(t, "aes128gcm16-prfsha256-x25519"), nil)
		sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, add...)
		return sa
	}
	ke1 := tr(message.TransformAddKE1, uint16(message.MLKEM768), 0)
	for name, tt := range map[string]struct {
		sa   *message.SA
		want error
	}{
		"good":              {answer(ke1), nil},
		"good with NONE":    {answer(ke1, tr(message.TransformAddKE1+1, 0, 0)), nil},
		"left out":          {answer(), ErrDropped},
		"NONE":              {answer(tr(message.TransformAddKE1, 0, 0)), ErrDropped},
		"only the optional": {answer(tr(message.TransformAddKE1+1, uint16(message.MLKEM1024), 0)), ErrDropped},
		"another":           {answer(tr(message.TransformAddKE1, uint16(message.MLKEM1024), 0)), ErrNotOffered},
		"twice":             {answer(ke1, tr(message.TransformAddKE1+1, uint16(message.MLKEM768), 0)), ErrNotOffered},
		"two of a type":     {answer(ke1, ke1), ErrNotOffered},
		"one type more":     {answer(ke1, tr(message.TransformAddKE7, uint16(message.DHECP256), 0)), ErrNotOffered},
	} {
		if c, err := Verify(tt.sa, offered, 0); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", name, c, err)
		} else if tt.want == ErrDropped && !strings.Contains(err.Error(), "ke1_mlkem768") {
			t.Errorf("%s: %v does not name what is missing", name, err)
		}
	}
}

// TestWithoutAddKE: a peer without IKE_INTERMEDIATE gets what can go without.
func TestWithoutAddKE(t *testing.T) {
	ps := ikeList(t, "aes128gcm16-prfsha256-x25519-ke1_mlkem768", "aes128gcm16-prfsha256-ecp256-ke1_mlkem768-ke1_none", "aes128gcm16-prfsha256-ecp384")
	left := WithoutAddKE(ps)
	if len(left) != 2 || left[0].String() != "aes128gcm16-prfsha256-ecp256" || left[1].String() != "aes128gcm16-prfsha256-ecp384" {
		t.Errorf("left: %v", left)
	}
	if !ps[1].HasAddKE() {
		t.Error("the original changed")
	}
}

// TestPermits: what one proposal let be chosen, another may forbid.
func TestPermits(t *testing.T) {
	for p, want := range map[string]map[string]bool{
		"aes128gcm16-prfsha256-x25519": {
			"aes128gcm16-prfsha256-x25519": true, "aes256gcm16-prfsha256-x25519": false, "aes128gcm16-prfsha512-x25519": false,
			"aes128gcm16-prfsha256-ecp256": false, "aes128gcm16-prfsha256-x25519-ke1_mlkem768": false,
		},
		"aes128gcm16-prfsha256-x25519-ke1_mlkem768": {
			"aes128gcm16-prfsha256-x25519": false, "aes128gcm16-prfsha256-x25519-ke1_mlkem768": true, "aes128gcm16-prfsha256-x25519-ke2_mlkem768": false,
		},
		"aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke1_none": {
			"aes128gcm16-prfsha256-x25519": true, "aes128gcm16-prfsha256-x25519-ke1_mlkem768": true,
		},
		"aes128-sha256-sha512-prfsha256-x25519": {
			"aes128-sha256-x25519": true, "aes128-sha512-prfsha256-x25519": true, "aes128-sha384-prfsha256-x25519": false, "aes128gcm16-prfsha256-x25519": false,
		},
	} {
		for choice, ok := range want {
			c := must(Select(Offer(ikeList(t, choice), nil), ikeList(t, choice), 0))
			if ikeList(t, p)[0].Permits(c) != ok {
				t.Errorf("%s permits %v: %v", p, c, !ok)
			}
		}
	}
}
