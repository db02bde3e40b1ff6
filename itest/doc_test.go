// Package itest runs warren as its users do: whole daemons in network
// namespaces, driven by the warren command, watched by tcpdump, talking to
// strongSwan. It holds no code but tests.
//
// Every test builds its own lab, so each can be run alone, and none depends on
// another. They need root and the programs that `make deps` installs: where
// these are missing a test skips and says so, and in CI it fails.
package itest
