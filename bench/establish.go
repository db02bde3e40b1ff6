package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"warren/bench/crowd"
	"warren/lab"
)

// EstablishOptions say how much of a responder is measured. The zero value is a
// full run, a minute.
type EstablishOptions struct {
	Sessions int       `json:"sessions"` // of each load; zero means 1000
	Parallel int       `json:"parallel"` // under way at a time in the second load; zero means 8
	Rounds   int       `json:"rounds"`   // zero means 5
	Progress io.Writer `json:"-"`        // nil discards a line for each figure
}

func (o EstablishOptions) withDefaults() EstablishOptions {
	o.Sessions = cmp.Or(o.Sessions, 1000)
	o.Parallel = cmp.Or(o.Parallel, 8)
	o.Rounds = cmp.Or(o.Rounds, 5)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Establish is what responders need for each IKE SA with its child SA.
type Establish struct {
	Started time.Time                  `json:"started"`
	Machine Machine                    `json:"machine"`
	Options EstablishOptions           `json:"options"`
	Version map[string]string          `json:"versions"`
	CPU     map[string]map[int]float64 `json:"cpu"`   // milliseconds, by establishKey and round
	Rates   map[string]map[int]float64 `json:"rates"` // sessions a second
}

// establishKey names a responder with a load.
func establishKey(responder, load string) string { return responder + "-" + load }

// Save writes the result into dir and returns the file.
func (r *Establish) Save(dir string) (string, error) {
	return save(filepath.Join(dir, "establish-"+r.Started.UTC().Format(stamp)+".json"), r)
}

// An establishLoad is a way in which sessions come.
type establishLoad struct {
	name, title string
	parallel    func(EstablishOptions) int
}

func establishLoads() []establishLoad {
	return []establishLoad{
		{"one", "one after the other", func(EstablishOptions) int { return 1 }},
		{"parallel", "several at a time", func(o EstablishOptions) int { return o.Parallel }},
	}
}

// A responder answers the crowd.
type responder struct {
	name, title string
	start       func(ctx context.Context, n *lab.Node) (*lab.Process, error)
}

func responders() []responder {
	return []responder{
		{"warren", "warren", startWarrenResponder},
		{"charon", "strongSwan's charon", startCharonResponder},
	}
}

const (
	responderAddr = "192.0.2.1"
	responderID   = "gw.example"
	responderPSK  = "as public as this line"
)

func startWarrenResponder(ctx context.Context, n *lab.Node) (*lab.Process, error) {
	w, err := n.StartWarren(ctx, lab.Config{Name: "gw", ID: responderID, PSK: responderPSK, Forwarding: true,
		Listen: responderAddr, Profile: &lab.Profile{IKE: algorithms().IKE, ESP: []string{establishESP}},
		Accept: []lab.Accept{{Name: "road", IDs: []string{"*.example"}, Pool: []string{leases},
			Local: []string{"0.0.0.0/0"}, Modes: []string{"tunnel"}}}})
	if err != nil {
		return nil, err
	}
	return w.Process, nil
}

// establishESP is what charon's ESP in userspace has too.
const establishESP = "aes128gcm16"

// startCharonResponder has charon find IKE SAs by hash, and log little more of a
// session than warren does: that it comes, and is up.
func startCharonResponder(ctx context.Context, n *lab.Node) (*lab.Process, error) {
	c, err := n.StartStrongSwan(ctx, lab.StrongSwan{
		Connections: []lab.CharonConfig{{LocalID: responderID, RemoteID: "%any", PSK: responderPSK, Local: responderAddr,
			Pools: []string{leases}, LocalTS: []string{"0.0.0.0/0"}, IKE: algorithms().IKE[0], ESP: establishESP}},
		Settings: []string{"ikesa_table_size = 4096", "ikesa_table_segments = 4",
			"filelog {\n stderr {\n default = 0\n ike = 0\n knl = 0\n flush_line = no\n }\n }"},
	})
	if err != nil {
		return nil, err
	}
	return c.Process, nil
}

// MeasureEstablish measures all responders, round by round, each time in another
// order and with a new daemon.
func MeasureEstablish(ctx context.Context, o EstablishOptions) (res *Establish, err error) {
	o = o.withDefaults()
	dir, err := lab.TempDir(os.TempDir())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	warren, err := lab.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	res = &Establish{Started: time.Now(), Machine: ThisMachine(), Options: o, Version: versions(ctx),
		CPU: make(map[string]map[int]float64), Rates: make(map[string]map[int]float64)}
	all := responders()
	for round := range o.Rounds {
		for i := range all {
			for _, load := range establishLoads() {
				if err := res.cell(ctx, warren, all[(i+round)%len(all)], load, round); err != nil {
					return res, err
				}
			}
		}
	}
	return res, nil
}

// cell is one responder under one load in one round.
func (r *Establish) cell(ctx context.Context, warren string, who responder, load establishLoad, round int) (err error) {
	l, err := lab.New(lab.Options{Warren: warren})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	n, err := l.AddNode("host")
	if err != nil {
		return err
	}
	if err := n.IP(ctx, "addr add "+responderAddr+"/32 dev lo", "route add local "+homes+" dev lo"); err != nil {
		return err
	}
	daemon, err := who.start(ctx, n)
	if err != nil {
		return err
	}
	defer daemon.Kill() // at once, rather than after a goodbye to everybody
	var c *crowd.Crowd
	err = n.Do(func() error {
		c, err = crowd.Open(crowd.Target{Addr: netip.MustParseAddr(responderAddr), ID: responderID, PSK: responderPSK,
			IKE: algorithms().IKE[0], ESP: establishESP}, home)
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := r.load(ctx, c, daemon, who, load, round); err != nil {
		return fmt.Errorf("bench: %s: %w\n%s", who.title, err, daemon.Tail(10))
	}
	return nil
}

// load is one load, after some sessions of its kind that are not measured.
func (r *Establish) load(ctx context.Context, c *crowd.Crowd, daemon *lab.Process, who responder, load establishLoad, round int) error {
	n, parallel := r.Options.Sessions, load.parallel(r.Options)
	if err := c.Establish(ctx, max(n/20, 1), parallel); err != nil {
		return err
	}
	before, err := cpuNow([]int{daemon.Pid()})
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := c.Establish(ctx, n, parallel); err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := cpuNow([]int{daemon.Pid()})
	if err != nil {
		return err
	}
	key := establishKey(who.name, load.name)
	if r.CPU[key] == nil {
		r.CPU[key], r.Rates[key] = make(map[int]float64), make(map[int]float64)
	}
	r.CPU[key][round] = after.minus(before).daemons / float64(n) * 1e3
	r.Rates[key][round] = float64(n) / took.Seconds()
	fmt.Fprintf(r.Options.Progress, "round %d  %-20s %-20s %.3f ms of CPU each, %s a second\n",
		round+1, who.title, load.title, r.CPU[key][round], number(r.Rates[key][round]))
	return nil
}
