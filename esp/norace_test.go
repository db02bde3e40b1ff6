//go:build !race

package esp

const raced = false
