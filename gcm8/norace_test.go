//go:build !race

package gcm8

const raced = false
