package lab

import (
	"fmt"
	"time"
)

// pollEvery is the pause between two looks. Most things waited for take a few
// tens of milliseconds.
const pollEvery = 20 * time.Millisecond

// Poll calls f until it returns nil, and gives up with f's last error.
func Poll(within time.Duration, f func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", within, err)
		}
		time.Sleep(pollEvery)
	}
}
