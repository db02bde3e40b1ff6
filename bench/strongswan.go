package bench

import (
	"context"

	"warren/lab"
)

// charonDevice is the TUN device of kernel-libipsec.
const charonDevice = "ipsec0"

func startStrongSwan(ctx context.Context, l *lab.Lab, _ Tools) (*path, error) {
	ln, err := newLine(ctx, l, 1)
	if err != nil {
		return nil, err
	}
	const gateway, client, secret = "g1.example", "sender.example", "as public as this line"
	to := target().String()
	gw, err := ln.last().StartCharon(ctx, lab.CharonConfig{LocalID: gateway, RemoteID: "%any", PSK: secret,
		Local: end(1, 2).String(), Pools: []string{"10.99.1.0/24"}, LocalTS: []string{to + "/32"}})
	if err != nil {
		return nil, err
	}
	cl, err := ln.sender.StartCharon(ctx, lab.CharonConfig{LocalID: client, RemoteID: gateway, PSK: secret,
		Local: end(1, 1).String(), Remote: end(1, 2).String(), VirtIPs: []string{"0.0.0.0"}, RemoteTS: []string{to + "/32"}})
	if err != nil {
		return nil, err
	}
	if err := cl.Initiate(ctx); err != nil {
		return nil, err
	}
	p := &path{from: ln.sender, to: ln.last(), target: target(), device: charonDevice, suite: "aes128gcm16",
		daemons: []*lab.Process{cl.Process, gw.Process}}
	return p, p.mtuFrom(ctx)
}
