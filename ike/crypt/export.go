package crypt

import "bytes"

// Exported are the keys that protect the messages of an IKE SA, in copies, for
// the analysis of captures. Each is printed as a Secret.
type Exported struct{ Ei, Er, Ai, Ar Secret }

// Export copies what decrypts messages; what only derives other keys stays.
func (k Keys) Export() (Exported, error) {
	if err := k.usable(); err != nil {
		return Exported{}, err
	}
	m := k.m()
	return Exported{Ei: bytes.Clone(m.ei), Er: bytes.Clone(m.er), Ai: bytes.Clone(m.ai), Ar: bytes.Clone(m.ar)}, nil
}

// Wipe overwrites the copies.
func (x Exported) Wipe() {
	for _, s := range []Secret{x.Ei, x.Er, x.Ai, x.Ar} {
		s.Wipe()
	}
}
