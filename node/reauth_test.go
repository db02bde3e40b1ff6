package node

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/control"
	"warren/esp"
	"warren/ike"
	"warren/nest"
	"warren/policy"
	"warren/sa"
)

// A rig is a node with one layer to sg1, which session 7 established with the pair
// 0x107.
type rig struct {
	*Node
	t     *testing.T
	now   time.Time
	layer sa.Layer
}

func newRig(t *testing.T) *rig {
	gateway, net := netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix("203.0.113.0/24")
	to := policy.Match{Dst: []netip.Prefix{net}}
	tables := policy.NewTables([]policy.TransportRule{{Name: "web", Match: to, Action: policy.Plain}},
		[]policy.TunnelRule{{Match: to, Via: "sg1"}}, policy.Discard)
	n, err := New(&config.Config{}, Options{})
	must(t, err)
	n.nest = nest.NewManager(nest.Options{Resolver: nest.NewResolver(tables, []nest.Peer{{Name: "sg1", Addrs: []netip.Addr{gateway}}}, 0)})
	n.ike, err = ike.New(ike.Options{AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release}) // knows of no session
	must(t, err)
	r := &rig{Node: n, t: t, now: time.Unix(1000, 0)}
	must(t, n.nest.Up("web", r.now))
	r.commands()
	s := &session{id: 7, layer: r.layer, initiator: true}
	n.sessions[7], n.byLayer[r.layer] = s, s
	r.apply(ike.ChildUp{Session: 7, Child: r.pair(7)})
	return r
}

// commands carries out what the tree wants.
func (r *rig) commands() {
	for _, c := range r.nest.Take() {
		switch c := c.(type) {
		case nest.Establish:
			r.layer = c.Node.ID
		case nest.TearDown:
			r.tearDown(c, r.now)
		case nest.Event:
			r.report(c)
		}
	}
}

func (r *rig) apply(evs ...ike.Event) {
	for _, ev := range evs {
		r.Node.apply(ev, r.now)
		r.commands()
	}
}

// pair is the pair of child SAs that a session brings.
func (r *rig) pair(session ike.SessionID) ike.Child {
	spi := 0x100 + esp.SPI(session)
	key := slices.Repeat([]byte{byte(session)}, 20)
	return ike.Child{Layer: r.layer, SPIIn: spi, SPIOut: spi, Suite: esp.Suite{Cipher: esp.AES128GCM16}, KeyIn: key, KeyOut: slices.Clone(key),
		Mode: esp.Tunnel, LocalTS: policy.Everything(), RemoteTS: policy.Everything(), Initiator: true, Window: 64, Born: r.now}
}

// TestReauthEvents: what becomes of a layer while its session is authenticated anew.
func TestReauthEvents(t *testing.T) {
	began := ike.ReauthStarted{ID: 7, Successor: 8}
	no := errors.New("no")
	failed := []ike.Event{ike.SessionFailed{ID: 8, Err: no}, ike.ReauthFailed{ID: 7, Err: no, Again: time.Unix(2000, 0)}}
	took := func(r *rig) []ike.Event {
		return []ike.Event{ike.ChildAdded{Session: 8, Child: r.pair(8), Replaces: 0x107, UseOutbound: true}}
	}
	ends := func(id ike.SessionID) []ike.Event { return []ike.Event{ike.SessionDown{ID: id, Reason: "gone"}} }
	bare := []ike.Event{ike.ChildRemoved{Session: 7, SPIIn: 0x107, Down: true, Reason: "deleted"}}
	tests := map[string]struct {
		script  func(r *rig) [][]ike.Event
		session ike.SessionID // of the layer afterwards; 0 is none
		events  string
	}{
		"it takes over": {func(r *rig) [][]ike.Event {
			return [][]ike.Event{took(r), ends(7)}
		}, 8, "reauth"},
		"it fails": {func(*rig) [][]ike.Event {
			return [][]ike.Event{failed}
		}, 7, "reauth-failed"},
		"it cannot begin": {func(*rig) [][]ike.Event {
			return [][]ike.Event{failed[1:]}
		}, 7, "reauth-failed"},
		"it takes over and ends at once": {func(r *rig) [][]ike.Event {
			return [][]ike.Event{took(r), {ike.OutboundSwitched{Session: 7, SPIIn: 0x107}}, ends(8), failed[1:]}
		}, 7, "reauth rekey reauth-failed"},
		"the old one ends before": {func(r *rig) [][]ike.Event {
			return [][]ike.Event{bare, ends(7), {ike.ChildUp{Session: 8, Child: r.pair(8)}}}
		}, 8, "reauth"},
		"the old one ends before, and it fails": {func(*rig) [][]ike.Event {
			return [][]ike.Event{bare, ends(7), failed[:1]}
		}, 0, "chain-down layer-down"},
		"the old one loses its pair": {func(r *rig) [][]ike.Event {
			return [][]ike.Event{bare, {ike.ChildUp{Session: 8, Child: r.pair(8)}}, ends(7)}
		}, 8, "reauth"},
		"the old one loses its pair, and it fails": {func(*rig) [][]ike.Event {
			return [][]ike.Event{bare, failed, ends(7)}
		}, 0, "reauth-failed chain-down layer-down"},
		"both end": {func(*rig) [][]ike.Event {
			return [][]ike.Event{ends(8), ends(7)}
		}, 0, "chain-down layer-down"},
		"both end, the other way round": {func(*rig) [][]ike.Event {
			return [][]ike.Event{ends(7), ends(8)}
		}, 0, "chain-down layer-down"},
		"a second one takes over": {func(r *rig) [][]ike.Event {
			second := ike.ChildAdded{Session: 9, Child: r.pair(9), Replaces: 0x108, UseOutbound: true}
			return [][]ike.Event{took(r), ends(7), {ike.ReauthStarted{ID: 8, Successor: 9}, second}, ends(8)}
		}, 9, "reauth reauth"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			before := len(r.events.History())
			if name != "it cannot begin" {
				r.apply(began)
			}
			for _, evs := range tt.script(r) {
				r.apply(evs...)
			}
			var kinds []string
			for _, e := range r.events.History()[before:] {
				if e.State != "establishing" { // the chain is built anew
					kinds = append(kinds, e.Kind)
				}
			}
			if got := strings.Join(kinds, " "); got != tt.events {
				t.Errorf("events %q, want %q", got, tt.events)
			}
			r.standsWith(tt.session)
		})
	}
}

// standsWith checks which session the layer has, and that it is the only one.
func (r *rig) standsWith(id ike.SessionID) {
	r.t.Helper()
	if id == 0 {
		if len(r.sessions) != 0 {
			r.t.Errorf("sessions %v are left", r.sessions)
		}
		return
	}
	s := r.byLayer[r.layer]
	if len(r.sessions) != 1 || s == nil || s.id != id || s.lost || s.leaving || s.pred != nil || s.succ != nil {
		r.t.Errorf("sessions %+v, of the layer %+v, want %d", r.sessions, s, id)
	}
	if got := r.nest.InUse(r.layer); got != 0x100+esp.SPI(id) {
		r.t.Errorf("the layer is sent on %v", got)
	}
	if !r.carries(id, r.layer) || r.carries(id+1, r.layer) {
		r.t.Error("the layer is another session's")
	}
}

// TestReauthReason: status tells why a layer keeps its session, until it has another.
func TestReauthReason(t *testing.T) {
	r := newRig(t)
	reason := func() string { return r.chainStatus()[0].Layers[0].Reason }
	r.apply(ike.ReauthFailed{ID: 7, Err: errors.New("AUTHENTICATION_FAILED"), Again: time.Unix(2000, 0)})
	if got := reason(); !strings.Contains(got, "AUTHENTICATION_FAILED") || !strings.Contains(got, "tried again at") {
		t.Errorf("status says %q", got)
	}
	last := r.events.History()
	if e := last[len(last)-1]; e.Kind != control.EventReauthFailed || e.Layer != 1 || e.Peer != "sg1" || e.State != "up" || e.Reason != reason() {
		t.Errorf("event %+v", e)
	}
	r.apply(ike.ReauthStarted{ID: 7, Successor: 8}, ike.ChildAdded{Session: 8, Child: r.pair(8), Replaces: 0x107, UseOutbound: true})
	if l := r.chainStatus()[0].Layers[0]; l.Reason != "" || l.Reauths != 1 || l.Rekeys != 0 {
		t.Errorf("%+v", l)
	}
}

// TestTearDownDuringReauth: a layer is gone when both of its sessions are.
func TestTearDownDuringReauth(t *testing.T) {
	r := newRig(t)
	r.apply(ike.ReauthStarted{ID: 7, Successor: 8})
	for _, s := range r.ofLayer(r.layer) {
		s.leaving = true
	}
	r.apply(ike.SessionDown{ID: 7})
	if r.nest.InUse(r.layer) == 0 {
		t.Error("gone with the first one")
	}
	must(t, r.nest.Down("web", r.now)) // both are on their way already
	r.nest.Take()
	r.apply(ike.SessionDown{ID: 8})
	if r.nest.InUse(r.layer) != 0 || !r.nest.Empty() {
		t.Error("not gone with the second one")
	}
}
