package ike

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/packet"
)

// maxCandidates bounds how many answers to IKE_SA_INIT an initiator follows at
// a time.
const maxCandidates = 4

// A candidate is an answer to IKE_SA_INIT and what has followed it up to IKE_AUTH.
// Anyone may have sent that answer, so a session goes on with each that it got
// until one proves to be of the peer (RFC 7296, Section 2.4). One of them is in
// use, in the fields of the session and its IKE SA; the others wait.
type candidate struct {
	spiR    message.SPI
	choice  crypt.Choice
	keys    crypt.Keys
	sk      *crypt.SK
	half    *halfState
	path    Path
	natt    bool
	encap   packet.Encap
	peerNAT bool
	support support
	sendID  uint32
	out     *exchange
}

// candidate is the one in use.
func (s *session) candidate() *candidate {
	sa := s.cur
	return &candidate{spiR: sa.spiR, choice: sa.choice, keys: sa.keys, sk: sa.sk, half: s.half,
		path: s.path, natt: s.natt, encap: s.encap, peerNAT: s.peerNAT, support: s.support, sendID: sa.sendID, out: sa.out}
}

// assume makes c the one in use.
func (s *session) assume(c *candidate) {
	sa := s.cur
	sa.state = saHalf
	sa.spiR, sa.choice, sa.keys, sa.sk, sa.sendID, sa.out = c.spiR, c.choice, c.keys, c.sk, c.sendID, c.out
	s.half, s.path, s.natt, s.encap, s.peerNAT, s.support = c.half, c.path, c.natt, c.encap, c.peerNAT, c.support
}

// drop forgets a candidate that is not in use.
func (c *candidate) drop(e *Engine, sa *ikeSA, now time.Time) {
	c.keys.Wipe()
	c.half.mixed.Wipe()
	if c.out != nil {
		c.out.task.dropped(e, sa, now)
	}
}

// settleCandidates forgets all but the one in use, and what could make more.
func (e *Engine) settleCandidates(s *session, now time.Time) {
	others := s.others
	s.others = nil
	for _, c := range others {
		c.drop(e, s.cur, now)
	}
	if s.init != nil {
		if s.init.ke != nil {
			s.init.ke.Wipe()
		}
		s.init = nil
	}
}

// finishInit takes an answer to IKE_SA_INIT and goes on to IKE_INTERMEDIATE or
// IKE_AUTH with it.
func (e *Engine) finishInit(s *session, m *message.Message, now time.Time) error {
	newCandidate := s.newCandidate
	if s.init.ticket != nil {
		newCandidate = s.resumedCandidate
	}
	c, err := newCandidate(m)
	if err != nil {
		return err
	}
	if s.cur.state == saHalf {
		s.others = append(s.others, s.candidate())
	}
	s.init.reason, s.init.notify, s.init.failAt = "", 0, time.Time{}
	s.assume(c)
	e.enqueue(s.cur, s.afterInit(), now)
	return nil
}

// knows reports whether m was taken already.
func (s *session) knows(m *message.Message) bool {
	same := func(h *halfState) bool { return bytes.Equal(h.respMsg, m.Raw) }
	return same(s.half) || slices.ContainsFunc(s.others, func(c *candidate) bool { return same(c.half) })
}

// newCandidate takes the responder's choice and derives the keys.
func (s *session) newCandidate(m *message.Message) (*candidate, error) {
	i := s.init
	in, err := readInit(m)
	if err != nil {
		return nil, err
	}
	if m.SPIr == 0 {
		return nil, errors.New("its answer has no SPI")
	}
	choice, err := crypt.Verify(in.sa, s.ike, 0)
	if err != nil {
		return nil, err
	}
	if choice.DH != i.ke.Group() || in.ke.Group != choice.DH {
		return nil, fmt.Errorf("its answer mixes the groups %v, %v and %v", i.ke.Group(), choice.DH, in.ke.Group)
	}
	c := &candidate{spiR: m.SPIr, choice: choice, path: s.initPath(), sendID: 1, support: supportOf(m.Payloads),
		half: &halfState{ni: i.ni, nr: slices.Clone(in.nonce), initMsg: i.request, respMsg: m.Raw, additional: additional{more: choice.More()}, peer: readSupport(m.Payloads)}}
	if len(choice.More()) > 0 && !c.support.intermediate {
		return nil, fmt.Errorf("its answer %v has additional key exchanges, and the peer does not support IKE_INTERMEDIATE to do them in", choice)
	}
	if err := c.agreePPK(s.auth.ppk); err != nil {
		return nil, err
	}
	if err := c.agreeChildless(s.peer.Childless); err != nil {
		return nil, err
	}
	if err := c.encapsulate(s, detectNAT(m.Payloads, s.cur.spiI, m.SPIr, c.path)); err != nil {
		return nil, err
	}
	return c, c.derive(i, in, s.cur.spiI)
}

// agreeChildless reports whether the peer knows what must be known to it (RFC 6023).
func (c *candidate) agreeChildless(own Childless) error {
	if own == ChildlessForce && !c.support.childless {
		return unfit("the peer does not support IKE SAs without a child SA, and childless is force: use prefer or never")
	}
	return nil
}

// derive finishes the key exchange. The private value is kept for other answers.
func (c *candidate) derive(i *initState, in initPayloads, spiI message.SPI) error {
	shared, err := i.ke.Finish(in.ke.Data)
	if err != nil {
		return err
	}
	defer shared.Wipe()
	c.keys, err = crypt.DeriveKeys(c.choice, crypt.KeyInput{Ni: i.ni, Nr: in.nonce, SPIi: spiI, SPIr: c.spiR, Shared: shared})
	if err != nil {
		return err
	}
	c.sk, err = crypt.NewSK(c.keys, true)
	return err
}

// An unfit answer is well formed, but the configuration cannot go with it: with a
// NAT, or the lack of its traversal, or of a PPK.
type unfit string

func (u unfit) Error() string { return string(u) }

// encapsulate decides how ESP is carried.
func (c *candidate) encapsulate(s *session, nat natView) error {
	want := s.peer.Encap
	c.peerNAT = nat.peer
	switch {
	case want == EncapESP && (nat.peer || nat.here):
		return unfit("a NAT is in between, and encap is esp: use auto or udp")
	case want == EncapUDP && !nat.known:
		return unfit("the peer knows no NAT traversal, and encap is udp: use esp")
	case s.peer.Mode == esp.Transport && nat.here: // RFC 7296, Section 2.23.1 is not implemented
		return unfit(fmt.Sprintf("a NAT translates the address %v, which transport mode does not survive: use tunnel mode",
			c.path.Local.Addr()))
	}
	if want != EncapESP && nat.known {
		c.encap = encapFor(true)
	}
	if nat.known && (want != EncapESP || s.peer.mobile()) { // RFC 4555, Section 3.3
		c.float(s.peer)
	}
	return nil
}

// choose brings the candidate into use that d is an answer to.
func (e *Engine) choose(sa *ikeSA, d Datagram, h message.Header) {
	s := sa.sess
	if len(s.others) == 0 || s.wait != nil || !h.IsResponse() || h.Exchange != message.IKEAuth && h.Exchange != message.IKEIntermediate {
		return
	}
	m, err := message.Parse(d.Data)
	if err != nil || h.SPIr == sa.spiR && decrypts(sa.sk, m) {
		return
	}
	for i, c := range s.others {
		if c.spiR == h.SPIr && decrypts(c.sk, m) {
			s.others[i] = s.candidate()
			s.assume(c)
			return
		}
	}
}

func decrypts(sk *crypt.SK, m *message.Message) bool {
	_, err := sk.OpenPlain(m)
	if message.Count(m.Payloads, message.PayloadSKF) > 0 {
		_, err = sk.OpenFragment(m)
	}
	return err == nil || openError(err) != errUnauthentic
}

// nextCandidate drops the one in use, which proved false, for another, and
// reports whether there was one.
func (e *Engine) nextCandidate(s *session, now time.Time) bool {
	n := len(s.others)
	if n == 0 || s.state != sessionConnecting {
		return false
	}
	forged, next := s.candidate(), s.others[n-1]
	s.others = s.others[:n-1]
	s.assume(next)
	forged.drop(e, s.cur, now)
	return true
}
