package node

import (
	"net/netip"
	"testing"
	"time"

	"warren/config"
	"warren/control"
	"warren/ike"
	"warren/nest"
	"warren/policy"
)

// TestSilentPeerIsTold: who waits for a layer hears that its peer does not
// answer; what a session does later concerns nobody.
func TestSilentPeerIsTold(t *testing.T) {
	gateway, net := netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix("203.0.113.0/24")
	to := policy.Match{Dst: []netip.Prefix{net}}
	tables := policy.NewTables([]policy.TransportRule{{Name: "web", Match: to, Action: policy.Plain}},
		[]policy.TunnelRule{{Match: to, Via: "sg1"}}, policy.Discard)
	n, err := New(&config.Config{}, Options{})
	must(t, err)
	n.nest = nest.NewManager(nest.Options{Resolver: nest.NewResolver(tables, []nest.Peer{{Name: "sg1", Addrs: []netip.Addr{gateway}}}, 0)})
	now := time.Unix(1000, 0)
	must(t, n.nest.Up("web", now))
	report := func() {
		for _, c := range n.nest.Take() {
			switch c := c.(type) {
			case nest.Establish:
				n.sessions[7] = &session{id: 7, layer: c.Node.ID, initiator: true}
			case nest.Event:
				n.report(c)
			}
		}
	}
	report()
	again := ike.Retransmitted{ID: 7, Stage: ike.StageInit, Try: 2, Tries: 5, Path: ike.Path{Remote: netip.AddrPortFrom(gateway, 500)}}
	n.apply(again, now)
	report()
	n.nest.Done(n.sessions[7].layer, nest.Established{RemoteTS: policy.Everything()}, now)
	n.apply(again, now)
	again.ID = 8
	n.apply(again, now) // a session that is not known any more
	report()

	want := []control.Event{
		{Kind: control.EventLayerStart, State: "establishing"},
		{Kind: control.EventLayerRetry, State: "establishing", Reason: "no answer from 192.0.2.1:500 yet, try 2 of 5"},
		{Kind: control.EventLayerUp, State: "up"},
		{Kind: control.EventChainUp, State: "up"},
	}
	got := n.events.History()
	if len(got) != len(want) {
		t.Fatalf("events %+v, want %+v", got, want)
	}
	for i, e := range got {
		if e.Kind != want[i].Kind || e.State != want[i].State || e.Reason != want[i].Reason || e.Chain != "web" {
			t.Errorf("event %d: %+v, want %+v", i, e, want[i])
		}
	}
}
