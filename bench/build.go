package bench

import (
	"context"
	"os"
	"path/filepath"

	"warren/lab"
)

// Build makes the programs that systems run, in a directory that clean removes.
// warren is a binary to measure instead of this module's own.
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
	if warren != "" {
		t.Warren, err = filepath.Abs(warren)
	} else {
		t.Warren, err = lab.Build(ctx, dir)
	}
	if err != nil {
		clean()
		return t, nil, err
	}
	return t, clean, nil
}
