package nest

import (
	"testing"

	"warren/packet"
	"warren/sa"
)

// Answers to a flow come out of the innermost layer of its chain, whatever
// other layers' selectors would let pass (RFC 4301, Section 5.2).
func TestExpects(t *testing.T) {
	w := newWorld(t, sampleOptions())
	if got := w.m.View().Expects(web, sa.Network); got != sa.Network {
		t.Errorf("before anything stands: layer %d", got)
	}
	w.Need(web)
	w.settle()
	v := w.m.View()
	rest := packet.Flow{Src: web.Src, Dst: ip("203.0.113.9"), Proto: packet.ProtoUDP, SrcPort: 9, DstPort: 53}
	elsewhere := rest
	elsewhere.Dst = ip("8.8.8.8")
	tests := map[string]struct {
		flow packet.Flow
		want sa.Layer
	}{
		"the association's own":                       {web, w.done[3]},
		"another chain's, not up, whose layers stand": {rest, w.done[2]},
		"no chain's": {elsewhere, sa.Network},
	}
	for name, tt := range tests {
		if got := v.Expects(tt.flow, sa.Network); got != tt.want {
			t.Errorf("%s: layer %d, want %d", name, got, tt.want)
		}
	}
	w.Lost(w.done[2])
	if got := w.m.View().Expects(web, sa.Network); got != sa.Network {
		t.Errorf("after the loss of layer 3: layer %d", got)
	}
	if got := new(View).Expects(web, sa.Network); got != sa.Network {
		t.Errorf("the zero view expects layer %d", got)
	}
}
