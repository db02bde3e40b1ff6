package node

import (
	"testing"

	"warren/nest"
)

func TestNoSuchChainNamesThoseThereAre(t *testing.T) {
	tests := map[string]struct {
		chains []nest.ChainStatus
		want   string
	}{
		"two":  {[]nest.ChainStatus{{Name: "web"}, {Name: "rest"}}, `no chain is called "nosuch"; there is web, rest, and all`},
		"none": {nil, `no chain is called "nosuch": no rule protects anything`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := noSuchChain("nosuch", tt.chains).Error(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
