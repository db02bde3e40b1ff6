package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PingStats is what ping says at its end.
type PingStats struct {
	Sent, Received int
	Errors         int           // ICMP errors that came back
	Average        time.Duration // round trip; zero where nothing came back
	Output         string
}

// Lost is how many requests had no answer.
func (p PingStats) Lost() int { return p.Sent - p.Received }

// Ping sends count requests from the node, one each interval, and waits for the
// answers: two seconds where there is none at all, else the interval or twice the
// longest round trip after the last request. Lost packets are no error: the
// statistics tell.
func (n *Node) Ping(ctx context.Context, to netip.Addr, count int, interval time.Duration, more ...string) (PingStats, error) {
	out, err := n.Run(ctx, pingArgs(to, append([]string{"-c", strconv.Itoa(count)}, more...), interval)...)
	stats, ok := parsePing(out)
	if !ok && err == nil {
		err = fmt.Errorf("lab: %s: ping: no statistics in %q", n.Name, out)
	}
	if ok {
		err = nil // ping exits with 1 when something was lost
	}
	return stats, err
}

// PingUntil sends requests until count of them are answered, but for at most
// within. A request that came after the last answered one is not counted as sent.
func (n *Node) PingUntil(ctx context.Context, to netip.Addr, count int, within time.Duration, more ...string) (PingStats, error) {
	const interval = 50 * time.Millisecond
	stats, err := n.Ping(ctx, to, count, interval, append([]string{"-w", strconv.Itoa(int(within.Seconds()))}, more...)...)
	if stats.Received >= count {
		stats.Sent = lastAnswered(stats.Output)
	}
	return stats, err
}

func pingArgs(to netip.Addr, more []string, interval time.Duration) []string {
	seconds := strconv.FormatFloat(interval.Seconds(), 'f', -1, 64)
	return append(append([]string{"ping", "-n", "-W", "2", "-i", seconds}, more...), to.String())
}

// A Pinging is a ping that runs until it is stopped.
type Pinging struct{ proc *Process }

// StartPing starts a ping that goes on in the background.
func (n *Node) StartPing(name string, to netip.Addr, interval time.Duration, more ...string) (*Pinging, error) {
	p, err := n.Start(Spec{Name: name, Args: pingArgs(to, more, interval)})
	if err != nil {
		return nil, err
	}
	return &Pinging{p}, nil
}

// Stop ends the ping and returns its statistics. The last request may be under
// way still: it is not counted as sent when its answer is missing.
func (p *Pinging) Stop() (PingStats, error) {
	if err := p.proc.Signal(syscall.SIGINT); err != nil {
		return PingStats{}, err
	}
	select {
	case <-p.proc.Done():
	case <-time.After(stopGrace):
		p.proc.Kill()
	}
	stats, ok := parsePing(p.proc.Output())
	if !ok {
		return stats, fmt.Errorf("lab: %s: no statistics\n%s", p.proc.Name, p.proc.Tail(5))
	}
	if stats.Lost() == 1 && !answered(stats.Output, stats.Sent) {
		stats.Sent--
	}
	return stats, nil
}

// answered reports whether output has the answer to request number seq.
func answered(output string, seq int) bool {
	return strings.Contains(output, fmt.Sprintf("icmp_seq=%d ttl=", seq))
}

// lastAnswered is the number of the last request that output has an answer to.
func lastAnswered(output string) int {
	last := 0
	for _, m := range regexp.MustCompile(`icmp_seq=(\d+) ttl=`).FindAllStringSubmatch(output, -1) {
		seq, _ := strconv.Atoi(m[1])
		last = max(last, seq)
	}
	return last
}

func parsePing(out string) (PingStats, bool) {
	s := PingStats{Output: out}
	m := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received(?:, \+(\d+) errors)?`).FindStringSubmatch(out)
	if m == nil {
		return s, false
	}
	s.Sent, _ = strconv.Atoi(m[1])
	s.Received, _ = strconv.Atoi(m[2])
	s.Errors, _ = strconv.Atoi(m[3])
	if m := regexp.MustCompile(`rtt min/avg/max/mdev = [\d.]+/([\d.]+)/`).FindStringSubmatch(out); m != nil {
		ms, _ := strconv.ParseFloat(m[1], 64)
		s.Average = time.Duration(ms * float64(time.Millisecond))
	}
	return s, true
}

func readFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}
