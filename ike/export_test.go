package ike

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
)

// TestExportKeys: both ends tell the same of each IKE SA, a copy, and of those
// that are there only.
func TestExportKeys(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	first := p.i.e.ExportKeys()
	first[0].Keys.Wipe()
	p.rekeyIKE(p.i)
	p.settle()
	i, r := p.i.e.ExportKeys(), p.r.e.ExportKeys()
	if len(first) != 1 || len(i) != 1 || len(r) != 1 || i[0].SPIi == first[0].SPIi {
		t.Fatalf("%d, %d and %d IKE SAs", len(first), len(i), len(r))
	}
	a, b := i[0], r[0]
	if a.SPIi != b.SPIi || a.SPIr != b.SPIr || a.Choice.String() != b.Choice.String() || len(a.Keys.Ei) == 0 ||
		!bytes.Equal(a.Keys.Ei, b.Keys.Ei) || !bytes.Equal(a.Keys.Er, b.Keys.Er) || bytes.Equal(a.Keys.Ei, a.Keys.Er) {
		t.Errorf("%v and %v", a, b)
	}
	if shown := fmt.Sprintf("%v %+v %#v", a, a.Keys, a); bytes.Contains([]byte(shown), []byte(hex.EncodeToString(a.Keys.Ei[:4]))) {
		t.Errorf("it shows %s", shown)
	}
	p.close()
	if left := append(p.i.e.ExportKeys(), p.r.e.ExportKeys()...); len(left) != 0 {
		t.Errorf("%d IKE SAs are left", len(left))
	}
}
