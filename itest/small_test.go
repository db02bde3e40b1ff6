package itest

import (
	"errors"
	"net/netip"
	"strconv"
)

// What a poll says when its time is up; the caller adds the details.
var (
	errLeft   = errors.New("something is left")
	errNotYet = errors.New("not yet")
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// number reads a decimal, 0 where there is none.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
