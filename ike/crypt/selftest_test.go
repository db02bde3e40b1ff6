package crypt

import "testing"

// TestSelfTest is the known-answer test of every advertised algorithm.
func TestSelfTest(t *testing.T) {
	if err := SelfTest(); err != nil {
		t.Fatal(err)
	}
}
