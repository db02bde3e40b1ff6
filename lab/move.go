package lab

import (
	"context"
	"fmt"
	"net/netip"
)

// MoveSender gives the sender another IPv4 address of its network in place of
// the one it has, as a host that roams would get it: for a moment it has none,
// and no default route.
func (n *Network) MoveSender(ctx context.Context, to netip.Addr) error {
	s := senderSite()
	bits := netip.MustParsePrefix(s.addr).Bits()
	dev := Device(n.Router)
	err := n.Sender.IP(ctx,
		fmt.Sprintf("addr del %v/%d dev %s", n.SenderAddr, bits, dev),
		fmt.Sprintf("addr add %v/%d dev %s", to, bits, dev),
		fmt.Sprintf("route add default via %s", s.router))
	if err == nil {
		n.SenderAddr = to
	}
	return err
}
