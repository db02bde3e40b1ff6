package main

import (
	"context"
	"fmt"

	"warren/control"
)

// rateSeconds is how long each of the four rates is measured.
const rateSeconds = "5"

const iperfPort = 5201

// rates runs iperf3 through chains of 0 to 3 tunnels, each with the transport
// association with the receiver inside.
func (s *show) rates(ctx context.Context) error {
	s.step("TCP through 0, 1, 2 and 3 tunnels, transport mode inside of all (iperf3, %s s each)", rateSeconds)
	if _, err := s.Receiver.StartIperfServer(iperfPort); err != nil {
		return err
	}
	fmt.Println("   tunnels   MTU     Mbit/s   retransmits")
	for k, chain := range []string{"depth0", "depth1", "depth2", "web"} {
		res, err := s.Sender.Iperf(ctx, s.Door(k), iperfPort, "--time", rateSeconds)
		if err != nil {
			return err
		}
		c, err := s.sender.Chain(ctx, chain)
		if err != nil {
			return err
		}
		if err := carried(c, k, res.Bytes); err != nil {
			return err
		}
		fmt.Printf("   %7d   %4d   %8.0f   %11d\n", k, c.MTU, res.BitsPerSec/1e6, res.Retransmits)
	}
	return nil
}

// carried checks that a chain has so many tunnels and a transport association,
// and that the bytes really went through each of its layers.
func carried(c control.Chain, tunnels int, bytes int64) error {
	if len(c.Layers) != tunnels+1 || c.State != control.StateUp {
		return fmt.Errorf("chain %s is %s with %d layers, want up with %d", c.Name, c.State, len(c.Layers), tunnels+1)
	}
	for _, l := range c.Layers {
		if int64(l.BytesOut) < bytes {
			return fmt.Errorf("chain %s: layer %d carried %d bytes, and iperf3 sent %d", c.Name, l.Layer, l.BytesOut, bytes)
		}
	}
	return nil
}
