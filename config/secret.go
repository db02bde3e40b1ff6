package config

import (
	"fmt"
	"log/slog"
)

// A Secret is a pre-shared key. However it is printed, logged or marshalled, it
// shows only that it is there; whoever needs the bytes converts it to []byte.
type Secret []byte

const hidden = "(secret)"

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hidden)) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
