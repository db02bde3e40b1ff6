package eap

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also sees to it that no coroutine stays behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	tests := map[string]struct {
		in   []byte
		want Packet
		bad  bool
	}{
		"request":            {in: []byte{1, 7, 0, 6, 26, 9}, want: Packet{CodeRequest, 7, TypeMSCHAPv2, []byte{9}}},
		"response, no data":  {in: []byte{2, 7, 0, 5, 1}, want: Packet{CodeResponse, 7, TypeIdentity, []byte{}}},
		"success":            {in: []byte{3, 7, 0, 4}, want: Packet{Code: CodeSuccess, ID: 7}},
		"failure":            {in: []byte{4, 0, 0, 4}, want: Packet{Code: CodeFailure}},
		"empty":              {in: nil, bad: true},
		"header cut off":     {in: []byte{3, 7, 0}, bad: true},
		"request, no type":   {in: []byte{1, 7, 0, 4}, bad: true},
		"success with data":  {in: []byte{3, 7, 0, 5, 1}, bad: true},
		"length 0":           {in: []byte{3, 7, 0, 0}, bad: true},
		"length too small":   {in: []byte{1, 7, 0, 5, 26, 9}, bad: true},
		"length too large":   {in: []byte{1, 7, 0, 7, 26, 9}, bad: true},
		"code 0":             {in: []byte{0, 7, 0, 5, 1}, bad: true},
		"code 5":             {in: []byte{5, 7, 0, 5, 1}, bad: true},
		"trailing behind it": {in: []byte{3, 7, 0, 4, 0}, bad: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(tt.in)
			if tt.bad {
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err != nil || p.Code != tt.want.Code || p.ID != tt.want.ID || p.Type != tt.want.Type || !bytes.Equal(p.Data, tt.want.Data) {
				t.Errorf("%+v, %v, want %+v", p, err, tt.want)
			}
			if got := p.Marshal(); !bytes.Equal(got, tt.in) {
				t.Errorf("it is % x again", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{1, 7, 0, 6, 26, 9})
	f.Add([]byte{3, 7, 0, 4})
	f.Add(must(challengeOf(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Parse(b); err == nil && !bytes.Equal(p.Marshal(), b) {
			t.Errorf("% x became % x", b, p.Marshal())
		}
		if m, err := parseMS(b); err == nil && len(b) > 1 && !bytes.Equal(m.marshal(), b) {
			t.Errorf("% x became % x in EAP-MSCHAPv2", b, m.marshal())
		}
	})
}
