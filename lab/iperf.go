package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// StartIperfServer starts an iperf3 server on a TCP port of the node.
func (n *Node) StartIperfServer(port int) (*Process, error) {
	name := "iperf3-" + strconv.Itoa(port)
	listens := func() error {
		out, err := readFile(n.Path(name + ".log"))
		if err == nil && !strings.Contains(out, "Server listening") {
			err = fmt.Errorf("iperf3 does not listen yet")
		}
		return err
	}
	args := []string{"iperf3", "--server", "--forceflush", "--port", strconv.Itoa(port)}
	return n.Start(Spec{Name: name, Args: args, Ready: listens})
}

// IperfResult is one TCP run of iperf3, as the receiving side saw it.
type IperfResult struct {
	Bytes       int64
	Seconds     float64
	BitsPerSec  float64
	Retransmits int
}

// Iperf runs an iperf3 client from the node over TCP. The arguments say how
// much: "--time", "5" or "--bytes", "100M"; "--reverse" turns the direction.
func (n *Node) Iperf(ctx context.Context, to netip.Addr, port int, args ...string) (IperfResult, error) {
	full := append([]string{"iperf3", "--client", to.String(), "--port", strconv.Itoa(port), "--json",
		"--connect-timeout", "10000"}, args...)
	out, err := n.Run(ctx, full...)
	res, perr := parseIperf([]byte(out))
	if perr != nil {
		err = perr // iperf3 puts the reason into its JSON, and only its status into err
	}
	if err != nil {
		return res, fmt.Errorf("lab: %s: iperf3 to %v port %d: %w", n.Name, to, port, err)
	}
	return res, nil
}

func parseIperf(b []byte) (IperfResult, error) {
	var v struct {
		Error string
		End   struct {
			Sent struct{ Retransmits int } `json:"sum_sent"`
			Got  struct {
				Bytes   int64
				Seconds float64
				Rate    float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return IperfResult{}, fmt.Errorf("output is not JSON: %w", err)
	}
	if v.Error != "" {
		return IperfResult{}, fmt.Errorf("%s", v.Error)
	}
	got := v.End.Got
	return IperfResult{Bytes: got.Bytes, Seconds: got.Seconds, BitsPerSec: got.Rate, Retransmits: v.End.Sent.Retransmits}, nil
}
