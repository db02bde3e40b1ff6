package esp

import (
	"bytes"
	"testing"

	"warren/packet"
)

// TestBurst takes packets of all suites in turn, two layers each, through one
// burst, which is not long enough for them.
func TestBurst(t *testing.T) {
	const n = 3*BurstLen + 5
	sealers, openers := make([]*Sealer, len(suites)), make([]*Opener, len(suites))
	for i, s := range suites {
		sealers[i], openers[i] = newPair(t, s)
	}
	which := func(i, layer int) int { return (i/(layer+1) + 3*layer) % len(suites) }
	b := packet.NewBatch(n, 200)
	var seal SealBurst
	for i, p := range b {
		p.Set(plaintext(i))
		for layer := range 2 {
			sealers[which(i, layer)].Add(&seal, p, testSPI, uint64(i+1), packet.ProtoIPv4)
		}
	}
	seal.Run()
	seal.Run() // an empty one
	for _, i := range []int{0, 7, BurstLen, n - 1} {
		whole := b[i].Bytes()
		whole[len(whole)-1] ^= 1
	}
	var open OpenBurst
	for layer := range 2 {
		for i, p := range b {
			openers[which(i, 1-layer)].Add(&open, p, uint64(i+1))
		}
		open.Run()
		for i, p := range b {
			openers[which(i, 1-layer)].Finish(p)
		}
	}
	for i, p := range b {
		switch i {
		case 0, 7, BurstLen, n - 1:
			if p.Drop != packet.AuthFailed {
				t.Errorf("packet %d, changed: %v, want %v", i, p.Drop, packet.AuthFailed)
			}
		default:
			if p.Drop != packet.Live || !bytes.Equal(p.Bytes(), plaintext(i)) {
				t.Errorf("packet %d: %v, %d bytes %x", i, p.Drop, p.Len(), p.Bytes())
			}
		}
	}
}

// TestBurstForgets: a burst that has run refers to no key.
func TestBurstForgets(t *testing.T) {
	sealer, opener := newPair(t, suites[0])
	var seal SealBurst
	var open OpenBurst
	p := newPacket(plaintext(40))
	sealer.Add(&seal, p, testSPI, 1, packet.ProtoIPv4)
	seal.Run()
	opener.Add(&open, p, 1)
	open.Run()
	for i := range BurstLen {
		if seal.jobs[i].transform != nil || open.jobs[i].transform != nil {
			t.Fatalf("job %d is still there", i)
		}
	}
}
