package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"warren/bench/classbench"
	"warren/policy"
)

// aclProgram is the example of DPDK's librte_acl that reads ClassBench's files.
const aclProgram = "dpdk-test-acl"

const (
	aclCheck  = 10_000  // larger sets take it too long to be built once more
	aclMemory = "16000" // MB of addresses that it may use
)

// An ACLResult is dpdk-test-acl by one of its algorithms.
type ACLResult struct {
	Algorithm string
	Lookup    float64 // nanoseconds; it classifies 256 flows at a time
	Build     float64 // seconds from its start to the first look-up
	Memory    float64 // bytes of its process, at most
	Tries     int     // that it divided the rules into
	Error     string  // why there is no figure
}

// aclAlgorithms are the plainest and the fastest.
func aclAlgorithms() []string { return []string{"scalar", "avx512x32"} }

func hasACL() bool {
	_, err := exec.LookPath(aclProgram)
	return err == nil
}

// measureACL runs dpdk-test-acl with the set's rules and flows, one after the other
// with each algorithm.
func (s *ruleSet) measureACL(ctx context.Context, o LookupOptions) ([]ACLResult, error) {
	files, err := s.aclFiles(o.Dir)
	if err == nil && len(s.rules) <= aclCheck {
		err = s.checkACL(ctx, files)
	}
	if err != nil {
		return nil, err
	}
	var all []ACLResult
	for _, algorithm := range aclAlgorithms() {
		all = append(all, runACL(ctx, algorithm, files))
	}
	return all, ctx.Err()
}

// aclFiles writes the set into dir and returns the flags that name the files.
func (s *ruleSet) aclFiles(dir string) ([]string, error) {
	rules, trace := filepath.Join(dir, "rules"), filepath.Join(dir, "trace")
	err := errors.Join(
		writeTo(rules, func(w io.Writer) error { return classbench.WriteRules(w, s.rules) }),
		writeTo(trace, func(w io.Writer) error { return classbench.WriteTrace(w, s.flows) }))
	return []string{"--rulesf=" + rules, "--tracef=" + trace}, err
}

func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

// aclCommand needs neither huge pages nor a network card.
func aclCommand(ctx context.Context, files []string, more ...string) *exec.Cmd {
	args := []string{"--no-huge", "--no-pci", "--no-telemetry", "-m", aclMemory, "-l", "0", "--log-level=lib.eal:error",
		"--force-max-simd-bitwidth=512", "--", "--rulenum=131072", "--tracenum=" + strconv.Itoa(flowsLen), "--bldcat=1"}
	return exec.CommandContext(ctx, aclProgram, append(append(args, files...), more...)...)
}

func runACL(ctx context.Context, algorithm string, files []string) ACLResult {
	r := ACLResult{Algorithm: algorithm}
	c := aclCommand(ctx, files, "--alg="+algorithm, "--iter=20", "--verbose=0")
	start := time.Now()
	out, err := c.CombinedOutput()
	took := time.Since(start)
	if err == nil {
		err = r.parse(out)
	}
	if err != nil {
		last := out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:]
		r.Error = fmt.Sprintf("%v: %s", err, bytes.TrimSpace(last))
		return r
	}
	r.Build = took.Seconds() - r.Build
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.Memory = float64(usage.Maxrss) * 1024
	}
	return r
}

// parse reads what dpdk-test-acl says of its searches. Build is the time that they
// took.
func (r *ACLResult) parse(out []byte) error {
	m := regexp.MustCompile(`(?s)num_tries=(\d+).*\(([0-9.]+) sec\).* ([0-9.]+) pkt/sec`).FindSubmatch(out)
	if m == nil {
		return errors.New("no figures in its output")
	}
	rate, err := strconv.ParseFloat(string(m[3]), 64)
	if err != nil || rate <= 0 {
		return fmt.Errorf("a rate of %s", m[3])
	}
	r.Lookup = 1e9 / rate
	r.Tries, _ = strconv.Atoi(string(m[1]))
	r.Build, _ = strconv.ParseFloat(string(m[2]), 64)
	return nil
}

// checkACL looks whether dpdk-test-acl finds the same rule for each flow.
func (s *ruleSet) checkACL(ctx context.Context, files []string) error {
	out, err := aclCommand(ctx, files, "--alg=scalar", "--iter=1", "--verbose=2").Output()
	if err != nil {
		return fmt.Errorf("bench: %s: %w", aclProgram, err)
	}
	tables, n := policy.NewTables(s.transport, nil, policy.Discard), 0
	in := bufio.NewScanner(bytes.NewReader(out))
	for in.Scan() {
		_, result, ok := strings.Cut(in.Text(), "category: 0, result: ")
		if !ok || n == len(s.flows) {
			continue
		}
		want := "4294967295" // none
		if r, ok := tables.Transport(s.flows[n]); ok {
			want = r.Name
		}
		if result != want {
			return fmt.Errorf("bench: %s says rule %s for %+v, warren %s", aclProgram, result, s.flows[n], want)
		}
		n++
	}
	if n != len(s.flows) {
		return fmt.Errorf("bench: %s said something of %d flows, want %d", aclProgram, n, len(s.flows))
	}
	return nil
}
