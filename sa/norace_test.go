//go:build !race

package sa

// slowdown is how many times less a test does where the race detector watches.
const slowdown = 1
