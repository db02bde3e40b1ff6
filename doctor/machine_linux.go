package doctor

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"warren/esp"
	"warren/ike/crypt"
)

// cipher finds out whether AES-GCM is right, and fast.
func (p *patient) cipher() []Check {
	const name = "cipher"
	if err := crypt.SelfTest(); err != nil {
		return fail(name, err.Error(), "this build or this machine computes wrong: do not use it")
	}
	fast := cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		runtime.GOARCH == "s390x" || runtime.GOARCH == "ppc64le"
	if !fast {
		return warn(name, "this CPU has no instructions for AES-GCM, or hides them", "in a virtual machine pass the host's CPU through; else put chacha20poly1305 first in the profiles")
	}
	return ok(name, "AES-GCM by "+esp.Backend()+", with the CPU's help")
}

// clock finds out whether the time can be right.
func (p *patient) clock() []Check {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return judgeClock(time.Now(), err == nil && state != timeError)
}

// timeError is what adjtimex returns while nothing keeps the clock.
const timeError = 5

// oldest is a time before which this program did not exist.
func oldest() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

func judgeClock(now time.Time, kept bool) []Check {
	const name = "clock"
	const fix = "run an NTP client (systemd-timesyncd, chrony)"
	switch {
	case now.Before(oldest()):
		return fail(name, fmt.Sprintf("it says %s: certificates are not valid yet, and log lines lie", now.UTC().Format(time.DateTime)), fix)
	case !kept:
		return warn(name, "nothing keeps it: when it is off, certificates seem expired or not valid yet", fix)
	}
	return ok(name, "it is kept")
}
