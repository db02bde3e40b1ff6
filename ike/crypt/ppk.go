package crypt

// WithPPK returns the keys that prove and derive like k does where both ends have
// mixed in a post-quantum pre-shared key (RFC 8784, Section 3). They protect
// nothing: SK_e and SK_a stay as they are. [Keys.Adopt] makes them those of the IKE
// SA, else they are to be wiped.
func (k Keys) WithPPK(ppk Secret) (Keys, error) {
	if err := k.usable(); err != nil {
		return Keys{}, err
	}
	if len(ppk) == 0 {
		return Keys{}, ErrNoPSK
	}
	m := k.m()
	mixed := &material{choice: m.choice, prf: m.prf}
	for _, x := range []struct{ to, from *Secret }{{&mixed.d, &m.d}, {&mixed.pi, &m.pi}, {&mixed.pr, &m.pr}} {
		var err error
		if *x.to, err = m.prf.Plus(ppk, len(*x.from), *x.from); err != nil {
			return Keys{}, err
		}
	}
	return newKeys(mixed), nil
}

// Adopt takes SK_d, SK_pi and SK_pr over from mixed, in every copy of k, and wipes
// those that it had. Mixed cannot be used any more.
func (k Keys) Adopt(mixed Keys) error {
	if err := k.usable(); err != nil {
		return err
	}
	if err := mixed.usable(); err != nil {
		return err
	}
	m, o := k.m(), mixed.m()
	m.d, m.pi, m.pr, o.d, o.pi, o.pr = o.d, o.pi, o.pr, m.d, m.pi, m.pr
	mixed.Wipe()
	return nil
}
