package node

import (
	"cmp"
	"runtime"
	"slices"

	"warren/control"
	"warren/esp"
)

// maxWorkers is how many workers there are if nothing is said: more than have
// been measured may do no good.
const maxWorkers = 4

// cpus is how many CPUs this process may use.
var cpus = runtime.GOMAXPROCS(0)

// workers is how many workers are wanted: one per CPU.
func (n *Node) workers() int {
	return cmp.Or(n.cfg.Limits.Workers, min(cpus, maxWorkers))
}

// makeRoom has the runtime run so many threads more at a time: workers do not give
// way while they have packets, or wait for them but a moment. IKE and commands get
// theirs from the kernel, which shares the CPUs among all.
func (n *Node) makeRoom(workers int) {
	runtime.GOMAXPROCS(cpus + workers)
	n.onClose(func() error {
		runtime.GOMAXPROCS(cpus)
		return nil
	})
}

// dataplane says how packets are moved, and why not faster.
func (n *Node) dataplane() control.Dataplane {
	tun, net := n.dev.Info(), n.net.Info()
	d := control.Dataplane{
		Workers: tun.Queues, WorkersWanted: n.workers(), Sockets: net.Queues,
		TunOffloads: []string{}, UDPGSO: net.GSO, UDPGRO: net.GRO, Cipher: esp.Backend(),
		Notes: slices.Concat([]string{}, tun.Notes, net.Notes),
	}
	if tun.TSO {
		d.TunOffloads = append(d.TunOffloads, "tso")
	}
	if tun.USO {
		d.TunOffloads = append(d.TunOffloads, "uso")
	}
	if tun.Ring {
		d.TunOffloads = append(d.TunOffloads, "io_uring")
	}
	return d
}

// watchOffloads logs what the dataplane lacks, each thing once: some is only
// found out when packets are sent.
func (n *Node) watchOffloads() {
	for _, note := range n.dataplane().Notes {
		if !slices.Contains(n.noted, note) {
			n.noted = append(n.noted, note)
			n.log.Warn("slower than it could be", "why", note)
		}
	}
}
