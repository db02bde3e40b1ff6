package message

import (
	"errors"
	"fmt"
	"testing"
)

// TestCVE_2013_4564: the version byte was read before the length was checked,
// and an unknown major version hit an assertion.
func TestCVE_2013_4564(t *testing.T) {
	good := build(t)
	for n := range HeaderLen {
		if _, err := Parse(good[:n]); !errors.Is(err, ErrShort) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	for major := range uint8(16) {
		b := append([]byte(nil), good...)
		b[versionOff] = major<<4 | 5
		want := ErrMajor
		switch {
		case major == 2:
			want = nil
		case major < 2:
			want = ErrVersion
		}
		if _, err := Parse(b); !errors.Is(err, want) {
			t.Errorf("major %d: %v, want %v", major, err, want)
		}
		if h, err := ParseHeader(b); want != nil && (err == nil || h.SPIi != 1 || h.Exchange != IKESAInit) {
			t.Errorf("major %d: no header for the reply: %+v", major, h)
		}
	}
}

// TestCVE_2004_0403: memory was allocated by the length that the header claims.
func TestCVE_2004_0403(t *testing.T) {
	good := build(t, &VendorID{Data: []byte("x")})
	for _, claim := range []uint32{0, 27, 28, uint32(len(good)) - 1, uint32(len(good)) + 1, 1 << 31, 1<<32 - 1} {
		b := append([]byte(nil), good...)
		b[24], b[25], b[26], b[27] = byte(claim>>24), byte(claim>>16), byte(claim>>8), byte(claim)
		allocs := testing.AllocsPerRun(10, func() {
			if _, err := Parse(b); !errors.Is(err, ErrLength) {
				t.Errorf("claimed %d of %d: %v", claim, len(b), err)
			}
		})
		if allocs > 4 {
			t.Errorf("claimed %d: %v allocations", claim, allocs)
		}
	}
}

// TestCVE_2015_3991: payload types of the other IKE version, and private ones,
// follow the rule for unknown payloads.
func TestCVE_2015_3991(t *testing.T) {
	known := map[PayloadType]bool{PayloadSKF: true}
	for k := PayloadSA; k <= PayloadEAP; k++ {
		known[k] = true
	}
	for k := range 256 {
		k := PayloadType(k)
		if known[k] || k == PayloadNone {
			continue
		}
		m, err := Parse(build(t, &Unknown{Kind: k, Data: []byte{1}}))
		if err != nil || len(m.Payloads) != 1 {
			t.Errorf("%v: %v", k, err)
			continue
		}
		if _, ok := m.Payloads[0].(*Unknown); !ok {
			t.Errorf("%v is %T", k, m.Payloads[0])
		}
		var pe *ParseError
		_, err = Parse(build(t, &Unknown{Kind: k, Critical: true}))
		if !errors.As(err, &pe) || pe.Err != ErrCritical || pe.Payload != k {
			t.Errorf("critical %v: %v", k, err)
		}
	}
}

// TestCVE_2023_23009: traffic selectors of every length, whole and cut.
func TestCVE_2023_23009(t *testing.T) {
	for kind, want := range map[byte]int{7: 16, 8: 40} {
		for length := range 64 {
			body := make([]byte, 4+max(length, 4))
			body[0], body[4], body[7] = 1, kind, byte(length)
			_, err := Parse(build(t, &Unknown{Kind: PayloadTSi, Data: body}))
			if (err == nil) != (length == want) {
				t.Errorf("type %d length %d: %v", kind, length, err)
			}
			if _, err = Parse(build(t, &Unknown{Kind: PayloadTSi, Data: body[:len(body)-1]})); err == nil {
				t.Errorf("type %d length %d cut: accepted", kind, length)
			}
		}
	}
}

// TestCVE_2023_38710 has all protocol numbers where one is expected. A proposal
// keeps a number it does not know, for the choice to pass over.
func TestCVE_2023_38710(t *testing.T) {
	for p := range 256 {
		p := Protocol(p)
		_, err := Parse(build(t, &Delete{Protocol: p, SPIs: []uint32{1}}))
		if ok := p == ProtoESP || p == ProtoAH; ok != (err == nil) {
			t.Errorf("delete %v: %v", p, err)
		}
		ps := []Payload{
			&Notify{Protocol: p, SPI: []byte{1, 2, 3, 4}, Kind: RekeySA},
			&SA{Proposals: []Proposal{{Number: 1, Protocol: p, Transforms: make([]Transform, 1)}}},
		}
		if _, err := Parse(build(t, ps...)); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// TestCVE_2014_9221: all key exchange group numbers are only numbers here.
func TestCVE_2014_9221(t *testing.T) {
	for g := 0; g < 1<<16; g += 257 {
		m, err := Parse(build(t, &KE{Group: DHGroup(g)}))
		if err != nil {
			t.Fatal(err)
		}
		if ke, ok := Get[*KE](m.Payloads); !ok || ke.Group != DHGroup(g) {
			t.Errorf("group %d became %v", g, ke)
		}
	}
}

// TestCase41Limits walks over the limits (case 41, and CVE-2026-12413, where unknown
// payloads before a fragment overran a table).
func TestCase41Limits(t *testing.T) {
	many := func(n int, p Payload) (ps []Payload) {
		for range n {
			ps = append(ps, p)
		}
		return ps
	}
	skf := &EncryptedFragment{Number: 1, Total: 2, Data: []byte{1}}
	for n := 1; n <= 300; n++ {
		ok := n <= MaxPayloads
		_, err := Parse(build(t, many(n, &Unknown{Kind: 200})...))
		if ok != (err == nil) || !ok && !errors.Is(err, ErrTooMany) {
			t.Errorf("%d payloads: %v", n, err)
		}
		ok = n+1 <= MaxPayloads
		_, err = Parse(build(t, append(many(n, &Unknown{Kind: 200}), skf)...))
		if ok != (err == nil) || !ok && !errors.Is(err, ErrTooMany) {
			t.Errorf("%d payloads and SKF: %v", n, err)
		}
	}
	transform := []byte{3, 0, 0, 8, 4, 0, 0, 31}
	for _, n := range []int{MaxTransforms - 1, MaxTransforms, MaxTransforms + 1, 255} {
		body := []byte{0, 0, byte((8 + 8*n) >> 8), byte(8 + 8*n), 1, 1, 0, byte(n)}
		for i := range n {
			last := append([]byte(nil), transform...)
			if i == n-1 {
				last[0] = 0
			}
			body = append(body, last...)
		}
		limit(t, fmt.Sprint(n, " transforms"), PayloadSA, body, n <= MaxTransforms)
	}
	for _, n := range []int{MaxSPIs - 1, MaxSPIs, MaxSPIs + 1, 16000} {
		body := append([]byte{3, 4, byte(n >> 8), byte(n)}, make([]byte, 4*n)...)
		limit(t, fmt.Sprint(n, " SPIs"), PayloadDelete, body, n <= MaxSPIs)
	}
	for _, n := range []int{MaxCPAttrs - 1, MaxCPAttrs, MaxCPAttrs + 1, 16000} {
		limit(t, fmt.Sprint(n, " attributes"), PayloadCP, append([]byte{1, 0, 0, 0}, make([]byte, 4*n)...), n <= MaxCPAttrs)
	}
	for _, n := range []int{MaxProposals - 1, MaxProposals, MaxProposals + 1, 255} {
		var body []byte
		for i := range n {
			more := byte(2)
			if i == n-1 {
				more = 0
			}
			body = append(body, more, 0, 0, 16, byte(i+1), 1, 0, 1, 0, 0, 0, 8, 4, 0, 0, 31)
		}
		limit(t, fmt.Sprint(n, " proposals"), PayloadSA, body, n <= MaxProposals)
	}
}

func limit(t *testing.T, what string, k PayloadType, body []byte, ok bool) {
	t.Helper()
	_, err := Parse(build(t, &Unknown{Kind: k, Data: body}))
	if ok != (err == nil) || !ok && !errors.Is(err, ErrTooMany) {
		t.Errorf("%s: %v", what, err)
	}
}

// TestCVE_2026_35333: an attribute of length zero must not stop a walker (the class
// of CVE-2026-35333).
func TestCVE_2026_35333(t *testing.T) {
	for k, body := range map[PayloadType]string{
		PayloadSA: "00000018 01010001 00000010 01000014 000e0000 000e0000",
		PayloadCP: "01000000 00010000 00010000 00010000",
	} {
		if _, err := Parse(build(t, &Unknown{Kind: k, Data: unhex(t, body)})); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	for k, body := range map[PayloadType]string{
		PayloadSA:  "00000000 01010001 00000010 01000014",
		PayloadTSi: "01000000 07000000 00000000",
	} {
		if _, err := Parse(build(t, &Unknown{Kind: k, Data: unhex(t, body)})); !errors.Is(err, ErrLength) {
			t.Errorf("%v: %v", k, err)
		}
	}
}
