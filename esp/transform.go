package esp

import "fmt"

// goBackend is what Backend says where the library is Go's.
const goBackend = "the Go standard library"

// A transform is what protects the packets of one SA: its algorithms and keys.
// It is immutable, so goroutines may share it.
type transform interface {
	// seal encrypts the first of jobs, and as many of those behind it as it can
	// in the same go, each behind the one before. It returns how many.
	seal(jobs []job) int

	// open is the same for decryption. It marks the packets that are not
	// authentic as AuthFailed; their bytes are void.
	open(jobs []job) int

	// keys is the memory that both read, nil where that is not known.
	keys() []byte

	// touch reads from the transform itself.
	touch() uint64
}

// touch reads from each cache line of mem. What it returns means nothing, and
// keeps the compiler from leaving that out.
func touch(mem []byte) (sum uint64) {
	const line = 64
	for i := 0; i < len(mem); i += line {
		sum += uint64(mem[i])
	}
	return sum
}

func newTransform(s Suite, key []byte) (transform, error) {
	if s.KeyLen() == 0 {
		return nil, fmt.Errorf("esp: %v is no suite", s)
	}
	if len(key) != s.KeyLen() {
		return nil, fmt.Errorf("esp: %v wants %d bytes of keying material, got %d", s, s.KeyLen(), len(key))
	}
	newOf := newCombined
	if s.Cipher.cbc() {
		newOf = newSeparate
	}
	t, err := newOf(s, key)
	if err != nil {
		return nil, fmt.Errorf("esp: %v: %w", s, err)
	}
	return t, nil
}
