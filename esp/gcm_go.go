//go:build !ipsecmb

package esp

// Backend names what runs AES-GCM in this build.
func Backend() string { return goBackend }

// newBackendGCM returns nil: AES-GCM is the standard library's.
func newBackendGCM([]byte, aeadSalt) transform { return nil }
