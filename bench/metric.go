package bench

import "fmt"

// A Metric is one thing that is measured of every system.
type Metric struct {
	Key   string  // in the JSON
	Title string  // in the table
	Unit  string  // of the table
	Scale float64 // from the JSON's unit to the table's
	Lower bool    // less is better
}

// The keys of the figures of a round. Rates are bit/s and packets/s, times are
// seconds, and CPU time is seconds for 10^9 bits.
const (
	TCP1      = "tcp1"
	TCP4      = "tcp4"
	RTTIdle   = "rtt_idle"
	RTTRare   = "rtt_rare"
	RTTLoaded = "rtt_loaded"
	CPU1      = "cpu1"         // of the whole machine, one stream
	CPU4      = "cpu4"         // four streams
	Daemons4  = "cpu4_daemons" // the part of the system's own processes
)

// UDP is the key of the loss-free rate of packets with so much payload.
func UDP(size int) string { return fmt.Sprintf("udp%d", size) }

// Sizes are the UDP payloads that rates are searched for.
func Sizes() []int { return []int{64, 512, 1350} }

// Metrics lists what is measured, in the order of the table.
func Metrics() []Metric {
	m := []Metric{
		{Key: TCP1, Title: "TCP, 1 stream", Unit: "Gbit/s", Scale: 1e-9},
		{Key: TCP4, Title: "TCP, 4 streams", Unit: "Gbit/s", Scale: 1e-9},
	}
	for _, size := range Sizes() {
		m = append(m, Metric{Key: UDP(size), Title: fmt.Sprintf("UDP %d B", size), Unit: "kpps", Scale: 1e-3})
	}
	return append(m,
		Metric{Key: RTTIdle, Title: "RTT, idle", Unit: "ms", Scale: 1e3, Lower: true},
		Metric{Key: RTTRare, Title: "RTT, rare", Unit: "ms", Scale: 1e3, Lower: true},
		Metric{Key: RTTLoaded, Title: "RTT, 4 streams", Unit: "ms", Scale: 1e3, Lower: true},
		Metric{Key: CPU1, Title: "CPU, 1 stream", Unit: "s/Gbit", Scale: 1, Lower: true},
		Metric{Key: CPU4, Title: "CPU, 4 streams", Unit: "s/Gbit", Scale: 1, Lower: true},
		Metric{Key: Daemons4, Title: "of it daemons", Unit: "s/Gbit", Scale: 1, Lower: true},
	)
}
