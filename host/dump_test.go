package host

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestSetDumpable(t *testing.T) {
	var before unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_CORE, &before))
	t.Cleanup(func() {
		check(t, SetDumpable(true))
		check(t, unix.Setrlimit(unix.RLIMIT_CORE, &before))
	})
	for _, on := range []bool{false, true, false} {
		check(t, SetDumpable(on))
		var now unix.Rlimit
		check(t, unix.Getrlimit(unix.RLIMIT_CORE, &now))
		want := unix.Rlimit{Max: before.Max}
		if on {
			want.Cur = before.Max
		}
		if Dumpable() != on || now != want {
			t.Errorf("dumpable %v with limit %+v, want %v and %+v", Dumpable(), now, on, want)
		}
	}
}
