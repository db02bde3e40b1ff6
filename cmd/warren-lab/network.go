package main

import (
	"context"
	"fmt"
	"time"

	"warren/lab"
)

// A network is figure 2 with its daemons.
type network struct {
	*lab.Network
	sender   *lab.Warren
	gateways []*lab.Warren
	receiver *lab.Warren
}

func startNetwork(ctx context.Context, warren string) (*network, error) {
	fig, err := lab.Figure2(ctx, lab.Options{Warren: warren}, 3)
	if err != nil {
		return nil, err
	}
	n := &network{Network: fig}
	if err := n.startDaemons(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *network) startDaemons(ctx context.Context) error {
	for _, g := range n.Gateways {
		w, err := g.StartWarren(ctx, n.GatewayConfig(g))
		if err != nil {
			return err
		}
		n.gateways = append(n.gateways, w)
	}
	if err := n.AddDoors(ctx); err != nil {
		return err
	}
	var err error
	if n.receiver, err = n.Receiver.StartWarren(ctx, n.ReceiverConfig()); err != nil {
		return err
	}
	c := n.LadderConfig()
	c.RetryMin = time.Minute // a refused chain stays down while one looks at it
	n.sender, err = n.Sender.StartWarren(ctx, c)
	return err
}

// finish closes the network and checks that nothing is left of it.
func (n *network) finish() error {
	if err := n.Close(); err != nil {
		return err
	}
	if left := n.Left(); len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}
