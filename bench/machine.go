package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes where a run took place.
type Machine struct {
	Cores   int      `json:"cores"`
	CPU     string   `json:"cpu"`
	Family  string   `json:"family"` // numbers that tell what the model's name hides
	Crypto  []string `json:"crypto"` // instructions that ciphers use
	Kernel  string   `json:"kernel"`
	Go      string   `json:"go"`
	Virtual bool     `json:"virtual"`
	Load    float64  `json:"load_before"` // one-minute average
}

// ThisMachine looks around.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	info := readAll("/proc/cpuinfo")
	m.CPU = cpuField(info, "model name")
	m.Family = cpuField(info, "cpu family") + "/" + cpuField(info, "model")
	flags := strings.Fields(cpuField(info, "flags"))
	for _, f := range flags {
		switch f {
		case "aes", "vaes", "vpclmulqdq", "avx2", "avx512f":
			m.Crypto = append(m.Crypto, f)
		case "hypervisor":
			m.Virtual = true
		}
	}
	m.Kernel, _, _ = strings.Cut(strings.TrimSpace(readAll("/proc/sys/kernel/osrelease")), "-") // without the builder's own name
	if avg := strings.Fields(readAll("/proc/loadavg")); len(avg) > 0 {
		m.Load, _ = strconv.ParseFloat(avg[0], 64)
	}
	return m
}

// String is a sentence.
func (m Machine) String() string {
	kind := "a machine"
	if m.Virtual {
		kind = "a virtual machine"
	}
	return fmt.Sprintf("On %s with %d cores, %s (family/model %s; %s), Linux %s, %s; load before the run %.1f.",
		kind, m.Cores, m.CPU, m.Family, strings.Join(m.Crypto, " "), m.Kernel, m.Go, m.Load)
}

func readAll(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// cpuField is the first value of a key of /proc/cpuinfo.
func cpuField(info, key string) string {
	for line := range strings.Lines(info) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// versions asks the programs of a run who they are. What does not answer is
// left out.
func versions(ctx context.Context) map[string]string {
	ask := map[string][]string{
		"wireguard-go": {"go", "list", "-m", "-f", "{{.Version}}", wireguardModule},
		"strongswan":   {"/usr/lib/ipsec/charon", "--version"},
		"iperf3":       {"iperf3", "--version"},
		"warren":       {"git", "describe", "--always", "--dirty"},
	}
	out := make(map[string]string)
	for name, args := range ask {
		b, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		line, _, _ := bytes.Cut(b, []byte("\n"))
		if err == nil && len(line) > 0 {
			out[name] = string(line)
		}
	}
	return out
}
