package bench

import (
	"math"
	"slices"
	"testing"
)

func TestPingTimes(t *testing.T) {
	const out = `PING 198.51.100.1 (198.51.100.1) 56(84) bytes of data.
64 bytes from 198.51.100.1: icmp_seq=1 ttl=64 time=0.165 ms
64 bytes from 198.51.100.1: icmp_seq=2 ttl=64 time=12 ms
From 192.0.2.1 icmp_seq=3 Destination Host Unreachable

--- 198.51.100.1 ping statistics ---
3 packets transmitted, 2 received, +1 errors, 33% packet loss, time 4ms
rtt min/avg/max/mdev = 0.165/6.082/12.000/5.900 ms
`
	if got, want := pingTimes(out), []float64{0.000165, 0.012}; !slices.Equal(got, want) {
		t.Errorf("pingTimes = %v, want %v", got, want)
	}
}

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		in   string
		want float64
		ok   bool
	}{
		"busy is not idle, iowait, steal or guest": {"cpu  100 20 300 5000 600 7 80 900 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 5.07, true},
		"an old kernel":  {"cpu  100 20 300 5000\n", 0, false},
		"something else": {"intr 1 2 3 4 5 6 7 8 9\n", 0, false},
		"no numbers":     {"cpu a b c d e f g h\n", 0, false},
		"empty":          {"", 0, false},
	}
	for name, tt := range tests {
		got, err := parseStat(tt.in)
		if math.Abs(got-tt.want) > 1e-9 || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v; want %v, ok %v", name, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseProcess(t *testing.T) {
	tests := map[string]struct {
		in   string
		want float64
		ok   bool
	}{
		"user and system":    {"17 (warren) S 1 17 17 0 -1 4194560 900 0 0 0 150 250 7 8 20 0 9 0 100 1 2", 4, true},
		"a name that tricks": {"17 (a) b) 1 (c) S 1 17 17 0 -1 4194560 900 0 0 0 100 0 7 8", 1, true},
		"cut off":            {"17 (warren) S 1 17 17 0 -1 4194560 900 0 0 0 150", 0, false},
		"no name":            {"17", 0, false},
	}
	for name, tt := range tests {
		got, err := parseProcess(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v; want %v, ok %v", name, got, err, tt.want, tt.ok)
		}
	}
}

func TestCPUNow(t *testing.T) {
	a, err := cpuNow(nil)
	if err != nil || a.machine <= 0 || a.daemons != 0 {
		t.Errorf("cpuNow = %+v, %v", a, err)
	}
	if _, err := cpuNow([]int{-1}); err == nil {
		t.Error("cpuNow finds a process -1")
	}
}

func TestCPUField(t *testing.T) {
	const info = "processor\t: 0\nmodel name\t: A: CPU\nmodel\t\t: 17\n\nprocessor\t: 1\nmodel\t\t: 18\n"
	for key, want := range map[string]string{"model name": "A: CPU", "model": "17", "processor": "0", "flags": ""} {
		if got := cpuField(info, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
