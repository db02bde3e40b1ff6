package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"warren/lab"
)

// Build makes the programs that systems run, in a directory that clean removes.
// warren is a binary to measure instead of this module's own, but for what
// libipsec-mb is in.
func Build(ctx context.Context, warren string) (t Tools, clean func(), err error) {
	dir, err := lab.TempDir(os.TempDir())
	if err != nil {
		return t, nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	if t.WireGuard, err = BuildWireGuard(ctx, dir); err != nil {
		clean()
		return t, nil, err
	}
	err = t.build(ctx, dir)
	if warren != "" && err == nil {
		t.Warren, err = filepath.Abs(warren)
	}
	if err != nil {
		clean()
		return t, nil, err
	}
	return t, clean, nil
}

// build makes warren in both ways.
func (t *Tools) build(ctx context.Context, dir string) (err error) {
	if t.Warren, err = lab.Build(ctx, dir); err != nil {
		return err
	}
	other := filepath.Join(dir, "ipsecmb")
	if err = os.Mkdir(other, 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	t.IPsecMB, err = lab.Build(ctx, other, "-tags", "ipsecmb")
	return err
}
