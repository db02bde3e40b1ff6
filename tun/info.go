package tun

// off is the note for what the options switch off.
const off = " is off by the configuration (offloads)"

const (
	noteNoVNet   = "tun: the kernel has no virtio headers or no TSO for TUN devices: packets are read and written one by one, by one worker; use Linux 3.8 or later"
	noteVNetOff  = "tun: tso" + off + ": packets are read and written one by one, by one worker"
	noteNoUSO    = "tun: the kernel has no USO for TUN devices: UDP is read and written packet by packet; use Linux 6.2 or later"
	noteUSOOff   = "tun: uso" + off + ": UDP is read and written packet by packet"
	noteOneQueue = "tun: the kernel makes no device with several queues: there is one worker; use Linux 3.8 or later"
	noteNoRing   = "tun: there is no io_uring that reads several packets at once: small ones cost a system call each; use Linux 5.6 or later, and allow it (sysctl kernel.io_uring_disabled=0, in containers the seccomp profile)"
	noteRingOff  = "tun: io_uring" + off + ": small packets cost a system call each"
	noteRefused  = "tun: the kernel refused to cut what was written for it: it is written packet by packet until the node starts again"
)
