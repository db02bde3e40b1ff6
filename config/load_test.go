package config

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestUnreadable(t *testing.T) {
	const rename, permit = "name a configuration with -c FILE", "run as root, or make it readable"
	tests := map[string]struct {
		err  error
		want string
	}{
		"not there":     {fmt.Errorf("cannot read it: %w", syscall.ENOENT), rename},
		"a folder":      {errors.New("is a folder"), rename},
		"of others":     {fmt.Errorf("cannot read it: %w", syscall.EACCES), permit},
		"not permitted": {fmt.Errorf("cannot read it: %w", syscall.EPERM), permit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := unreadable(tt.err); got != tt.want {
				t.Errorf("%v: fix %q, want %q", tt.err, got, tt.want)
			}
		})
	}
}
