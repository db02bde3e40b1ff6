package control

import "context"

// Backend is the node behind the server. Its methods are called from several
// goroutines at once and return copies that the caller may keep.
//
// A type that embeds an *EventLog has Subscribe and History.
type Backend interface {
	Version() Version
	Status() Status

	// Up brings a chain up, or every chain with the name "all", and returns when
	// it is up or has failed. Progress, if not nil, is called for each step,
	// never after Up returned. When ctx ends first the chain keeps on trying.
	Up(ctx context.Context, chain string, progress func(Event)) error

	// Down takes a chain down, innermost layer first, and returns when it is.
	Down(ctx context.Context, chain string, progress func(Event)) error

	// Rekey replaces the SAs of every layer of a chain, or of every chain with the
	// name "all", and returns when it has.
	Rekey(ctx context.Context, chain string, progress func(Event)) error

	// Reauth replaces the sessions of every layer of a chain, or of every chain with
	// the name "all", and returns when it has, or when one has failed.
	Reauth(ctx context.Context, chain string, progress func(Event)) error

	// Reload reads the configuration anew and goes by it, in full or, with an
	// error, not at all.
	Reload() (Reloaded, error)

	SAs() []SA
	IKE() []IKE
	Certificates() []Certificate

	// Keys tells the keys of all SAs, or why not.
	Keys() (Keys, error)

	Rules() []Rule
	Leases() []Lease
	Drops() map[string]uint64
	Routes() []Route

	// Subscribe delivers events until ctx ends, then closes the channel. With
	// all, the events still remembered come first.
	Subscribe(ctx context.Context, all bool) <-chan Event

	// History returns the events still remembered, oldest first.
	History() []Event
}
