package policy

import (
	"net/netip"
	"testing"
)

func TestMatchString(t *testing.T) {
	tests := map[string]struct {
		match Match
		want  string
	}{
		"nothing asked": {Match{}, "everything"},
		"one of each": {Match{
			Src:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Dst:      []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")},
			Proto:    []uint8{6},
			SrcPorts: []Ports{{1024, 65535}},
			DstPorts: []Ports{{443, 443}, {5000, 5999}},
		}, "src 10.0.0.0/8 dst 192.0.2.1/32,2001:db8::/32 proto tcp sport 1024-65535 dport 443,5000-5999"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.match.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
