//go:build ipsecmb

package esp

/*
#cgo LDFLAGS: -lIPSec_MB
#cgo CFLAGS: -O2
#cgo noescape warren_seal
#cgo nocallback warren_seal
#cgo noescape warren_decrypt
#cgo nocallback warren_decrypt
#cgo noescape warren_expand
#cgo nocallback warren_expand
#include "ipsecmb.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"warren/packet"
)

// An ipsecmb is libipsec-mb for the CPU at hand. It is read only, so any number
// of goroutines may use it.
type ipsecmb struct{ manager unsafe.Pointer }

// flagNoAESNI makes the library believe that the CPU has no AES.
const flagNoAESNI = 1 << 1

// openIPsecMB returns nil where the CPU lacks what makes the library worth it.
func openIPsecMB(flags uint64) *ipsecmb {
	return newIPsecMB(C.warren_open(C.uint64_t(flags)))
}

// loaded returns the library as it is for all SAs.
func loaded() *ipsecmb { return newIPsecMB(C.warren_library()) }

func newIPsecMB(manager unsafe.Pointer) *ipsecmb {
	if manager == nil {
		return nil
	}
	return &ipsecmb{manager}
}

// Backend names what runs AES-GCM in this build and on this machine.
func Backend() string { return loaded().String() }

func (m *ipsecmb) String() string {
	if m == nil {
		return goBackend
	}
	return fmt.Sprintf("ipsec-mb %s (%s)", C.GoString(C.warren_version()), C.GoString(C.warren_arch(m.manager)))
}

// newBackendGCM returns AES-GCM by the library, nil where there is none.
func newBackendGCM(key []byte, salt aeadSalt) transform {
	if m := loaded(); m != nil {
		return m.newGCM(key, salt)
	}
	return nil
}

// An mbGCM is a transform by libipsec-mb.
type mbGCM struct {
	aeadSalt
	lib  *ipsecmb
	size uint8  // of the key: 0, 1, 2 for 128, 192, 256 bits
	key  *byte  // in expanded, aligned as the library wants it
	mem  []byte // of the expanded key
}

// newGCM expands key. The memory is Go's, so it is there as long as any burst
// refers to the SA, and it is cleared when none does any more and the garbage
// collector finds out, which is at most some minutes later.
func (m *ipsecmb) newGCM(key []byte, salt aeadSalt) *mbGCM {
	mem := make([]byte, int(C.warren_key_len())+C.WARREN_KEY_ALIGN-1)
	off := -uintptr(unsafe.Pointer(&mem[0])) & (C.WARREN_KEY_ALIGN - 1)
	g := &mbGCM{aeadSalt: salt, lib: m, size: uint8(len(key)/8 - 2), key: &mem[off], mem: mem}
	C.warren_expand(m.manager, C.int(g.size), unsafe.Pointer(&key[0]), unsafe.Pointer(g.key))
	runtime.AddCleanup(g, func(mem []byte) { clear(mem) }, mem)
	return g
}

func (g *mbGCM) keys() []byte { return g.mem }

// mbJobs are the library's descriptors of a burst. The addresses in them are
// numbers to Go too: what is there is kept alive by the burst, and is on the
// heap, where nothing moves.
type mbJobs [BurstLen]C.struct_warren_job

// describe makes d the job to encrypt or decrypt text, which has its tag behind.
func (g *mbGCM) describe(d *C.struct_warren_job, text, nonce, aad []byte) {
	d.key = address(g.key)
	d.text = address(unsafe.SliceData(text))
	d.nonce = address(unsafe.SliceData(nonce))
	d.aad = address(unsafe.SliceData(aad))
	d.len = C.uint32_t(len(text))
	d.aad_len = C.uint16_t(len(aad))
	d.size = C.uint8_t(g.size)
	d.tag_len = C.uint8_t(g.icv)
}

func address(p *byte) C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(p))) }

// describeRun describes the jobs at the front that are for the library, and
// returns how many.
func (d *mbJobs) describeRun(jobs []job) (n int) {
	for n < min(len(jobs), len(d)) {
		j := &jobs[n]
		g, ok := j.transform.(*mbGCM)
		if !ok {
			break
		}
		nonce, aad := g.nonceAndAAD(j)
		g.describe(&d[n], j.esp[frontLen:len(j.esp)-g.icv], nonce, aad)
		n++
	}
	return n
}

func (d *mbJobs) seal(m *ipsecmb, n int) { C.warren_seal(m.manager, &d[0], C.int(n)) }

// open returns how many of the first n jobs it marked as bad.
func (d *mbJobs) open(m *ipsecmb, n int) int {
	return int(C.warren_decrypt(m.manager, &d[0], C.int(n)))
}

func (g *mbGCM) seal(jobs []job) int {
	var d mbJobs
	n := d.describeRun(jobs)
	d.seal(g.lib, n)
	runtime.KeepAlive(jobs)
	return n
}

func (g *mbGCM) open(jobs []job) int {
	var d mbJobs
	n := d.describeRun(jobs)
	bad := d.open(g.lib, n)
	runtime.KeepAlive(jobs)
	for i := 0; bad > 0; i++ {
		if d[i].bad != 0 {
			jobs[i].packet.Drop = packet.AuthFailed
			bad--
		}
	}
	return n
}
