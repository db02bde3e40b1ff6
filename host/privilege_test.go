package host

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPrivilegeError: whatever is lacking, it is one line with one way out.
func TestPrivilegeError(t *testing.T) {
	const all = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_BIND_SERVICE
	needs := []Need{RawSockets, LowPorts}
	noDevice := errors.New("no /dev/net/tun: modprobe tun")
	const all3 = "host: no CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE: run as root, or grant them: setcap cap_net_admin,cap_net_raw,cap_net_bind_service+ep /bin/warren"
	tests := map[string]struct {
		caps uint64
		port int
		tun  error
		want string
	}{
		"nothing lacks":     {all, 1024, nil, ""},
		"one capability":    {all &^ (1 << unix.CAP_NET_RAW), 1024, nil, "host: no CAP_NET_RAW: run as root, or grant it: setcap cap_net_raw+ep /bin/warren"},
		"all capabilities":  {0, 1024, nil, all3},
		"low ports are all": {0, 500, nil, "host: no CAP_NET_ADMIN, CAP_NET_RAW: run as root, or grant them: setcap cap_net_admin,cap_net_raw+ep /bin/warren"},
		"only the device":   {all, 1024, noDevice, "host: no /dev/net/tun: modprobe tun"},
		"both":              {0, 1024, noDevice, all3 + "; and no /dev/net/tun: modprobe tun"},
		"device is guarded, which root would solve": {0, 1024, errTUNGuarded, all3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := privilegeError(lacking(tt.caps, tt.port, needs), "/bin/warren", tt.tun); err != nil {
				got = err.Error()
			}
			if got != tt.want || strings.Contains(got, "\n") {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
