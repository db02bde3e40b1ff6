package esp

import "warren/packet"

// BurstLen is how many packets a burst takes before it runs by itself.
const BurstLen = 32

// A job is one ESP packet whose cipher is to run.
type job struct {
	transform transform
	packet    *packet.Packet
	esp       []byte // from SPI to ICV, in place
	seq       uint64 // only its low half is in esp

	// scratch has nonce and associated data: on the stack they would be moved
	// to the heap, and in the transform they would be shared.
	scratch [scratchLen]byte
}

// A burst is jobs of any number of SAs that run one after the other, those of
// one packet in the order of its layers: what it costs to begin is paid once.
type burst struct {
	n    int
	jobs [BurstLen]job
}

func (b *burst) full() bool { return b.n == len(b.jobs) }

func (b *burst) add(t transform, p *packet.Packet, seq uint64) {
	j := &b.jobs[b.n]
	b.n++
	j.transform, j.packet, j.esp, j.seq = t, p, p.Bytes(), seq
}

// reset forgets the jobs, and with them the keys that they refer to.
func (b *burst) reset() {
	clear(b.jobs[:b.n])
	b.n = 0
}

// A SealBurst gathers packets for [Sealer.Add]. It belongs to one goroutine; the
// zero value is empty. What was added is an ESP packet only after Run, and stays
// where it is until then.
type SealBurst struct{ burst }

// Run seals what was added. The burst is empty afterwards.
func (b *SealBurst) Run() {
	for jobs := b.jobs[:b.n]; len(jobs) > 0; {
		jobs = jobs[jobs[0].transform.seal(jobs):]
	}
	b.reset()
}

// An OpenBurst gathers packets for [Opener.Add]. It belongs to one goroutine; the
// zero value is empty. What was added stays where it is until Run.
type OpenBurst struct{ burst }

// Run opens what was added, and marks as AuthFailed what is not authentic. The
// burst is empty afterwards.
func (b *OpenBurst) Run() {
	for jobs := b.jobs[:b.n]; len(jobs) > 0; {
		jobs = jobs[jobs[0].transform.open(jobs):]
	}
	b.reset()
}
