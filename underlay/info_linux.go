package underlay

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// off is the note for what the options switch off.
const off = " is off by the configuration (offloads)"

const (
	noteNoGSO    = "udp: the kernel has no UDP_SEGMENT: a system call for every packet sent; use Linux 4.18 or later"
	noteGSOOff   = "udp: gso" + off + ": a system call for every packet sent"
	noteNoGRO    = "udp: the kernel has no UDP_GRO: a system call for every packet received; use Linux 5.0 or later"
	noteGROOff   = "udp: gro" + off + ": a system call for every packet received"
	noteOneQueue = "udp: the kernel shares no port between sockets: what is received is one worker's"
)

// Info is Underlay's.
func (s *Sockets) Info() Info {
	info := s.info
	info.GSO, info.GRO = true, true
	failed := unix.Errno(0)
	for _, sock := range s.all {
		if sock.role == roleESP {
			continue
		}
		info.GSO = info.GSO && sock.gso.Load()
		info.GRO = info.GRO && sock.gro
		if errno := sock.failed.Load(); errno != 0 {
			failed = unix.Errno(errno)
		}
	}
	info.Notes = s.notes(info, failed)
	return info
}

func (s *Sockets) notes(info Info, failed unix.Errno) (notes []string) {
	switch {
	case info.GSO:
	case s.opt.NoGSO:
		notes = append(notes, noteGSOOff)
	case failed != 0:
		notes = append(notes, fmt.Sprintf("udp: sending runs with UDP_SEGMENT failed with %q, and packet by packet it did not: "+
			"that is how they are sent until the node starts again; a network device without checksum offload does this (ethtool -k)", failed.Error()))
	default:
		notes = append(notes, noteNoGSO)
	}
	switch {
	case info.GRO:
	case s.opt.NoGRO:
		notes = append(notes, noteGROOff)
	default:
		notes = append(notes, noteNoGRO)
	}
	if info.Queues < s.opt.Queues {
		notes = append(notes, noteOneQueue)
	}
	return notes
}
