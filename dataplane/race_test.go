//go:build race

package dataplane

// raced is whether the race detector is there, with which a sync.Pool forgets at
// random.
const raced = true
