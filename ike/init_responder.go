package ike

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/sa"
)

// initKey knows an IKE_SA_INIT request again when it is repeated.
type initKey struct {
	via    sa.Layer
	remote netip.AddrPort
	sum    [sha256.Size]byte
}

// halfState is what IKE_AUTH needs of IKE_SA_INIT.
type halfState struct {
	ni, nr           []byte
	initMsg, respMsg []byte
	additional
	peer   peerSupport
	ticket *ticket     // of the session that is to be resumed
	mixed  crypt.Keys  // with the PPK, where one may be in use
	idr    *message.ID // as initiator: who has proven itself before EAP
}

// initPayloads are the payloads that both IKE_SA_INIT messages must have.
type initPayloads struct {
	sa    *message.SA
	ke    *message.KE
	nonce []byte

	ticket []byte // of IKE_SESSION_RESUME, in place of sa and ke
	proven bool   // the request returned a cookie
}

// readOpening reads a request that is to open an IKE SA.
func readOpening(m *message.Message) (in initPayloads, err error) {
	if m.Exchange != message.IKESessionResume {
		return readInit(m)
	}
	if in.nonce, err = readNonce(m); err != nil {
		return in, err
	}
	n := message.GetNotify(m.Payloads, message.TicketOpaque)
	if n == nil || len(n.Data) == 0 {
		return in, errors.New("it has no ticket")
	}
	in.ticket = n.Data
	return in, nil
}

// readNonce is the one nonce of a message.
func readNonce(m *message.Message) ([]byte, error) {
	if c := message.Count(m.Payloads, message.PayloadNonce); c != 1 {
		return nil, fmt.Errorf("it has %d nonces instead of one", c)
	}
	n, _ := message.Get[*message.Nonce](m.Payloads)
	if len(n.Data) < 16 || len(n.Data) > 256 {
		return nil, errors.New("its nonce is too short or too long")
	}
	return n.Data, nil
}

func readInit(m *message.Message) (initPayloads, error) {
	var in initPayloads
	for _, t := range []message.PayloadType{message.PayloadSA, message.PayloadKE} {
		if n := message.Count(m.Payloads, t); n != 1 {
			return in, fmt.Errorf("it has %d payloads of type %v instead of one", n, t)
		}
	}
	in.sa, _ = message.Get[*message.SA](m.Payloads)
	in.ke, _ = message.Get[*message.KE](m.Payloads)
	var err error
	in.nonce, err = readNonce(m)
	return in, err
}

// MaxInit is how large an IKE_SA_INIT request may be. It is kept until IKE_AUTH,
// and nobody knows yet whose it is.
const MaxInit = 8 << 10

// initRequest answers an IKE_SA_INIT request (RFC 7296, Section 1.2), or one of
// IKE_SESSION_RESUME, which takes its place (RFC 5723, Section 4.3.2).
func (e *Engine) initRequest(d Datagram, now time.Time) {
	if len(d.Data) > MaxInit {
		e.refuse(RefusedMalformed)
		return
	}
	key := initKey{d.Path.Via, d.Path.Remote, sha256.Sum256(d.Data)}
	if sa := e.inits[key]; sa != nil {
		e.repeatInit(sa, d, now)
		return
	}
	if len(e.opt.Accept) == 0 {
		e.refuse(RefusedNotAccepting)
		return
	}
	m, err := message.Parse(d.Data)
	if err != nil {
		e.refuseInit(d, err, now)
		return
	}
	in, err := readOpening(m)
	if err != nil {
		e.refuseInit(d, err, now)
		return
	}
	from := d.Path.Remote.Addr()
	in.proven = e.returnsCookie(m, d, in.nonce, now)
	switch {
	case !in.proven && !e.strange.take(source(from), now):
		e.refuse(RefusedSourceRate)
	case !in.proven && e.cookieWanted(from):
		e.challenge(d, m.Header, in.nonce, now)
	case e.crowded(from):
		e.refuse(RefusedHalfOpen)
	default:
		accept, why := e.acceptInit, RefusedInit
		if in.ticket != nil {
			accept, why = e.acceptResume, RefusedTicket
		}
		if err := accept(d, m, in, key, now); err != nil {
			e.refuse(why)
			e.strangers.line(now, slog.LevelInfo, "ike: "+m.Exchange.String()+" refused", "remote", d.Path.Remote.String(), "err", err)
		}
	}
}

// repeatInit answers a repeated IKE_SA_INIT request with the same bytes, until
// IKE_AUTH has come.
func (e *Engine) repeatInit(sa *ikeSA, d Datagram, now time.Time) {
	switch {
	case sa.state != saHalf || sa.recvID != 1:
		e.refuse(RefusedOutOfWindow)
	case !e.strange.take(source(d.Path.Remote.Addr()), now):
		e.refuse(RefusedSourceRate)
	default:
		e.send(d.Path, d.NATT, sa.sess.half.respMsg)
	}
}

// refuseInit answers a malformed IKE_SA_INIT request.
func (e *Engine) refuseInit(d Datagram, err error, now time.Time) {
	e.refuse(RefusedMalformed)
	e.answerMalformed(d, err, now)
}

func (e *Engine) answerMalformed(d Datagram, err error, now time.Time) {
	h, ok := rawHeader(d.Data)
	if !ok || !e.replies.take(now, e.opt.UnprotectedReplies) {
		return
	}
	n := &message.Notify{Kind: message.InvalidSyntax}
	var bad *message.ParseError
	if errors.As(err, &bad) && errors.Is(err, message.ErrCritical) {
		n = &message.Notify{Kind: message.UnsupportedCriticalPayload, Data: []byte{byte(bad.Payload)}}
	}
	e.unprotected(d, h, n)
}

// chooseInit picks the algorithms that the first fitting AcceptConfig allows.
func (e *Engine) chooseInit(offer *message.SA, local netip.Addr, knows support) (crypt.Choice, []Proposal, error) {
	err := crypt.ErrNoProposal
	var own []Proposal
	for i := range e.opt.Accept {
		a := &e.opt.Accept[i]
		if !a.serves(local) {
			continue
		}
		accepted := a.IKE
		if !knows.intermediate { // nor then additional key exchanges
			accepted = crypt.WithoutAddKE(accepted)
		}
		own = append(own, a.IKE...)
		choice, selErr := crypt.Select(offer, accepted, 0)
		if selErr == nil {
			return choice, a.IKE, nil
		}
		err = selErr
	}
	return crypt.Choice{}, own, err
}

// acceptInit makes the half-open IKE SA, or refuses.
func (e *Engine) acceptInit(d Datagram, m *message.Message, in initPayloads, key initKey, now time.Time) error {
	knows := supportOf(m.Payloads)
	choice, own, err := e.chooseInit(in.sa, d.Path.Local.Addr(), knows)
	if err != nil {
		e.unprotected(d, m.Header, &message.Notify{Kind: message.NoProposalChosen})
		return fmt.Errorf("%w: offered %s, acceptable %s", err, crypt.Describe(in.sa), proposalText(own))
	}
	knows.intermediate = len(choice.More()) > 0 // else there is no use for it
	knows.childless = true
	knows.ppk = knows.ppk && e.hasPPK(d.Path.Local.Addr())
	if in.ke.Group != choice.DH {
		e.unprotected(d, m.Header, invalidKE(choice.DH))
		return fmt.Errorf("key exchange is for %v, %v is wanted", in.ke.Group, choice.DH)
	}
	public, shared, err := crypt.Respond(choice.DH, e.opt.Rand, in.ke.Data)
	if err != nil {
		e.answerMalformed(d, err, now)
		return err
	}
	defer shared.Wipe()
	return e.openHalf(d, m, halfInput{choice, knows, in.nonce, public, shared, key, in.proven, nil}, now)
}

func invalidKE(g message.DHGroup) *message.Notify {
	return &message.Notify{Kind: message.InvalidKEPayload, Data: binary.BigEndian.AppendUint16(nil, uint16(g))}
}

type halfInput struct {
	choice  crypt.Choice
	support support
	ni      []byte
	public  []byte
	shared  crypt.Secret
	key     initKey
	proven  bool
	ticket  *ticket // in place of public and shared
}

// keys are those of the IKE SA.
func (in *halfInput) keys(k crypt.KeyInput) (crypt.Keys, error) {
	if in.ticket != nil {
		return in.ticket.seed.Keys(k)
	}
	k.Shared = in.shared
	return crypt.DeriveKeys(in.choice, k)
}

// half is the state that IKE_AUTH needs.
func (in *halfInput) half(m *message.Message, nr, resp []byte) *halfState {
	h := &halfState{ni: slices.Clone(in.ni), nr: nr, initMsg: m.Raw, respMsg: resp, peer: readSupport(m.Payloads), ticket: in.ticket}
	if in.ticket == nil {
		h.more = in.choice.More()
	}
	return h
}

// maxAmplify is how much larger than a request its answer may be, as long as the
// source of the request is not proven.
const maxAmplify = 3

// openHalf makes the session and sends the response.
func (e *Engine) openHalf(d Datagram, m *message.Message, in halfInput, now time.Time) error {
	spi, err := e.newSPI()
	if err != nil {
		return err
	}
	nr, err := e.random(nonceLen)
	if err != nil {
		return err
	}
	data, err := e.halfResponse(d, m, in, spi, nr)
	if err != nil {
		return err
	}
	if !in.proven && len(data) > maxAmplify*len(d.Data) {
		e.challenge(d, m.Header, in.ni, now)
		return nil
	}
	keys, err := in.keys(crypt.KeyInput{Ni: in.ni, Nr: nr, SPIi: m.SPIi, SPIr: spi})
	if err != nil {
		return err
	}
	s := e.halfSession(d, m, now)
	s.support = in.support
	s.half = in.half(m, nr, data)
	sa := e.newSA(s, false, spi, now)
	s.cur = sa
	sa.spiI, sa.state, sa.recvID = m.SPIi, saHalf, 1
	if err := sa.setKeys(in.choice, keys); err != nil {
		e.end(s, ending{silent: true}, now)
		return err
	}
	e.setHalfOpen(sa, true)
	sa.initKey = &in.key
	e.inits[in.key] = sa
	e.send(d.Path, d.NATT, data)
	e.arm(s)
	return nil
}

// halfResponse is the response to m.
func (e *Engine) halfResponse(d Datagram, m *message.Message, in halfInput, spi message.SPI, nr []byte) ([]byte, error) {
	nat, err := e.natNotifies(m.SPIi, spi, d.Path, false)
	if err != nil {
		return nil, err
	}
	ps := []message.Payload{&message.Nonce{Data: nr}}
	extras := []message.Payload{}
	if in.ticket == nil {
		ps = append([]message.Payload{in.choice.Answer(nil), &message.KE{Group: in.choice.DH, Data: in.public}}, ps...)
		extras = e.answerExtras(m.Payloads, d.Path.Local.Addr())
	}
	resp := message.Message{
		Header:   message.Header{SPIi: m.SPIi, SPIr: spi, Exchange: m.Exchange, Flags: message.FlagResponse},
		Payloads: slices.Concat(ps, nat, in.support.notifies(), extras),
	}
	return resp.Marshal()
}

// halfSession is a new session of a responder.
func (e *Engine) halfSession(d Datagram, m *message.Message, now time.Time) *session {
	s := e.newSession(&session{
		state: sessionHalfOpen, path: d.Path, proven: d.Path.Remote.Addr(), natt: d.NATT, via: d.Path.Via,
		halfBy: now.Add(e.opt.HalfOpenTime),
	})
	nat := detectNAT(m.Payloads, m.SPIi, 0, d.Path)
	s.peerNAT = nat.peer
	s.encap = encapFor(nat.peer || nat.here)
	return s
}
