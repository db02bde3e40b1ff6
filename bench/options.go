package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options says how much is measured. The zero value is a full run, which takes
// some 20 minutes.
type Options struct {
	// Rounds is how often each system is measured. Zero means 5.
	Rounds int `json:"rounds"`
	// Seconds is how long each TCP transfer takes. Zero means 4.
	Seconds int `json:"tcp_seconds"`
	// Probe is how long each trial of a UDP rate takes, in milliseconds. Zero
	// means 300.
	Probe int `json:"probe_milliseconds"`
	// Loss is the part of the packets that a loss-free rate may lose. Zero means
	// one in a thousand.
	Loss float64 `json:"loss"`
	// Pings is how many round trips are measured idle. Zero means 200.
	Pings int `json:"pings"`
	// Congestion is the algorithm that TCP controls congestion by. Empty means
	// cubic, the kernel's own default, whatever the machine's is.
	Congestion string `json:"tcp_congestion"`
	// Segments is how many UDP packets the sender hands over as one. Zero means
	// that each is sent for itself, 64 to a system call.
	Segments int `json:"segments"`
	// Short says that this is a look rather than a measurement.
	Short bool `json:"short,omitempty"`

	// Systems are their names; none means all.
	Systems []string `json:"-"`
	// Only are the keys of what is measured, some of Steps; none means all. Others are
	// measured on the way: RTTLoaded with TCP4.
	Only []string `json:"only,omitempty"`
	// Label is printed above the results.
	Label string `json:"-"`
	// Progress gets a line for each system and round. Nil discards them.
	Progress io.Writer `json:"-"`
}

func (o Options) withDefaults() Options {
	o.Rounds = cmp.Or(o.Rounds, 5)
	o.Seconds = cmp.Or(o.Seconds, 4)
	o.Probe = cmp.Or(o.Probe, 300)
	o.Loss = cmp.Or(o.Loss, 0.001)
	o.Pings = cmp.Or(o.Pings, 200)
	o.Congestion = cmp.Or(o.Congestion, "cubic")
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// check reports what Only names and nothing measures.
func (o Options) check() error {
	for _, key := range o.Only {
		if known := Steps(); !slices.Contains(known, key) {
			return fmt.Errorf("bench: nothing measures %q, there are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

// Shortened is a run of some four minutes that shows whether all works.
func Shortened() Options {
	return Options{Rounds: 2, Seconds: 1, Probe: 100, Pings: 50, Short: true}
}
