package crypt

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is all that a secret shows of itself.
const hidden = "[secret]"

// A Secret is key material. However it is printed, logged or marshalled, its
// bytes do not show, except where package fmt finds it in an unexported field of
// another struct: keep a [Keys] there.
type Secret []byte

// Wipe overwrites s with zeros.
func (s Secret) Wipe() { clear(s) }

// redacted gives the type that embeds it a way to be printed, logged and
// marshalled that shows nothing.
type redacted struct{}

// String returns a placeholder.
func (redacted) String() string { return hidden }

// GoString returns a placeholder.
func (redacted) GoString() string { return hidden }

// Format writes a placeholder for every verb.
func (redacted) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue returns a placeholder.
func (redacted) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a placeholder.
func (redacted) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// Format writes a placeholder for every verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a placeholder, and JSON uses it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
