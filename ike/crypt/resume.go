package crypt

import "crypto/hmac"

// A Resumption is what is kept of an IKE SA to make another one of it (RFC 5723,
// Section 5): its algorithms and SK_d. However it is printed, logged or marshalled,
// its bytes do not show. The zero Resumption resumes nothing.
type Resumption struct {
	redacted
	old Keys // of which only SK_d is there
}

// resumption stands in the seed of a resumed IKE SA.
const resumption = "Resumption"

// Resumption copies what it takes to resume the IKE SA of k.
func (k Keys) Resumption() (Resumption, error) {
	if err := k.usable(); err != nil {
		return Resumption{}, err
	}
	m := k.m()
	return Resumption{old: newKeys(&material{choice: m.choice, prf: m.prf, d: append(Secret{}, m.d...)})}, nil
}

// Choice returns the algorithms of the IKE SA, also of the resumed one.
func (r Resumption) Choice() Choice { return r.old.Choice() }

// Wipe overwrites the key, in every copy of r.
func (r Resumption) Wipe() { r.old.Wipe() }

// Keys computes the keys of a resumed IKE SA (RFC 5723, Section 5.1). There is no
// key exchange: of in, Shared and More are not used.
func (r Resumption) Keys(in KeyInput) (Keys, error) {
	if err := r.old.usable(); err != nil {
		return Keys{}, err
	}
	m := r.old.m()
	seed := m.prf.Sum(m.d, []byte(resumption), in.Ni, in.Nr)
	defer seed.Wipe()
	return expand(m.choice, m.prf, seed, in)
}

// ResumeAuth computes the data of the initiator's, or else the responder's, AUTH
// payload in a resumed IKE SA (RFC 5723, Section 4.3.3).
func (k Keys) ResumeAuth(initiator bool, in AuthInput) ([]byte, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	p := k.m().pr
	if initiator {
		p = k.m().pi
	}
	return k.m().prf.Sum(p, k.SignedOctets(initiator, in)), nil
}

// VerifyResume checks the data of the AUTH payload that the initiator, or else the
// responder, of a resumed IKE SA sent. Only nil means that it is right.
func (k Keys) VerifyResume(initiator bool, auth []byte, in AuthInput) error {
	want, err := k.ResumeAuth(initiator, in)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, auth) {
		return ErrVerify
	}
	return nil
}
