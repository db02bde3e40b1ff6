package node

import (
	"context"
	"strings"
	"testing"

	"warren/esp"
	"warren/nest"
	"warren/sa"
)

func TestRenewal(t *testing.T) {
	chain := func(first, second nest.LayerStatus) []nest.ChainStatus {
		return []nest.ChainStatus{{Layers: []nest.LayerStatus{first, second}}}
	}
	up := func(id sa.Layer, spi esp.SPI) nest.LayerStatus {
		return nest.LayerStatus{ID: id, State: nest.Up, SPIIn: spi}
	}
	r := renewal{7: {1, "sg1", 1000}, 8: {2, "sg2", 1000}}
	if err := r.check(chain(up(7, 1000), up(8, 1000))); err != nil || len(r) != 2 {
		t.Errorf("nothing is new: %v, %v", r, err)
	}
	if err := r.check(chain(up(7, 2000), up(8, 1000))); err != nil || len(r) != 1 {
		t.Errorf("one is new: %v, %v", r, err)
	}
	if err := r.unfinished(context.DeadlineExceeded); !strings.Contains(err.Error(), "layer 2 (sg2)") || strings.Contains(err.Error(), "sg1") {
		t.Errorf("unfinished says %q", err)
	}
	down := up(8, 1000)
	down.State = nest.Idle
	if err := r.check(chain(up(7, 2000), down)); err == nil || !strings.Contains(err.Error(), "layer 2 (sg2) went down") {
		t.Errorf("a layer that went down: %v", err)
	}
}
