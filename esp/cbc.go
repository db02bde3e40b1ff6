package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"sync"

	"warren/packet"
)

// A cbcHMAC is AES-CBC, then an HMAC of what that made (RFC 3602; RFC 4868; RFC
// 4303, Section 3.3.2.1).
//
// Nobody may be able to predict an IV, above all who chooses what is encrypted
// (RFC 3602, Section 3). So the IV of a packet is its sequence number, encrypted
// under a key that is drawn at random for this transform and used for nothing
// else. A sequence number never comes twice, and AES of different blocks under an
// unknown key cannot be told from random blocks, however many of them were seen.
// The key of the SA would not do: its users could have it encrypt blocks that are
// IVs to be. When the same keys are installed again, the IVs are others.
type cbcHMAC struct {
	block  cipher.Block
	ivs    cipher.Block
	integ  Integ
	key    []byte // of the HMAC
	icv    int
	esn    bool
	states sync.Pool // of *cbcState
}

// A cbcState is what a goroutine needs for itself while it works.
type cbcState struct {
	enc, dec ivMode
	mac      hash.Hash
	sum      [sha512.Size]byte
}

// An ivMode starts anew with each packet. The block modes of the standard library
// are ivModes; its crypto/tls relies on that too.
type ivMode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

func newSeparate(s Suite, key []byte) (transform, error) {
	n := s.Cipher.spec().key
	block, err := aes.NewCipher(key[:n])
	if err != nil {
		return nil, err
	}
	var ivKey [32]byte
	_, _ = rand.Read(ivKey[:]) // never fails
	defer clear(ivKey[:])
	ivs, err := aes.NewCipher(ivKey[:])
	if err != nil {
		return nil, err
	}
	c := &cbcHMAC{
		block: block, ivs: ivs, integ: s.Integ, key: bytes.Clone(key[n:]), icv: s.Integ.icvLen(), esn: s.ESN,
	}
	c.states.New = c.newState
	return c, nil
}

func (c *cbcHMAC) newState() any {
	iv := make([]byte, aes.BlockSize)
	return &cbcState{
		enc: cipher.NewCBCEncrypter(c.block, iv).(ivMode),
		dec: cipher.NewCBCDecrypter(c.block, iv).(ivMode),
		mac: hmac.New(c.integ.hash(), c.key),
	}
}

func (c *cbcHMAC) keys() []byte  { return nil }
func (c *cbcHMAC) touch() uint64 { return uint64(c.icv) }

// run has do work on the jobs at the front that are of c, and returns how many.
func (c *cbcHMAC) run(jobs []job, do func(*cbcHMAC, *cbcState, *job)) (n int) {
	st := c.states.Get().(*cbcState)
	for ; n < len(jobs) && jobs[n].transform == transform(c); n++ {
		do(c, st, &jobs[n])
	}
	c.states.Put(st)
	return n
}

func (c *cbcHMAC) seal(jobs []job) int { return c.run(jobs, (*cbcHMAC).sealOne) }
func (c *cbcHMAC) open(jobs []job) int { return c.run(jobs, (*cbcHMAC).openOne) }

func (c *cbcHMAC) sealOne(st *cbcState, j *job) {
	iv := j.esp[HeaderLen:cbcFront]
	binary.BigEndian.PutUint64(iv, j.seq)
	clear(iv[ivLen:])
	c.ivs.Encrypt(iv, iv)
	c.encrypt(st, j)
}

// encrypt does what sealing is, with the IV that is in place.
func (c *cbcHMAC) encrypt(st *cbcState, j *job) {
	iv, text, icv := c.parts(j)
	st.enc.SetIV(iv)
	st.enc.CryptBlocks(text, text)
	copy(icv, c.sum(st, j))
}

// openOne decrypts nothing that is not authentic. What is authentic and not of
// whole blocks is from nobody who knows the algorithm.
func (c *cbcHMAC) openOne(st *cbcState, j *job) {
	iv, text, icv := c.parts(j)
	if len(text)%aes.BlockSize != 0 || !hmac.Equal(icv, c.sum(st, j)) {
		j.packet.Drop = packet.AuthFailed
		return
	}
	st.dec.SetIV(iv)
	st.dec.CryptBlocks(text, text)
}

func (c *cbcHMAC) parts(j *job) (iv, text, icv []byte) {
	end := len(j.esp) - c.icv
	return j.esp[HeaderLen:cbcFront], j.esp[cbcFront:end], j.esp[end:]
}

// sum is the ICV of the whole packet but for its ICV, and with ESN of the high
// half of the number, which is not sent (RFC 4303, Section 3.3.2.1).
func (c *cbcHMAC) sum(st *cbcState, j *job) []byte {
	st.mac.Reset()
	st.mac.Write(j.esp[:len(j.esp)-c.icv])
	if c.esn {
		hi := j.scratch[:4]
		binary.BigEndian.PutUint32(hi, uint32(j.seq>>32))
		st.mac.Write(hi)
	}
	return st.mac.Sum(st.sum[:0])[:c.icv]
}
