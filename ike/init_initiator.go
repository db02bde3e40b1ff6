package ike

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// maxInitRounds bounds how often IKE_SA_INIT starts again with a cookie or
// another group. Nobody has authenticated the answers that ask for it.
const maxInitRounds = 8

// initState is an initiator's IKE_SA_INIT under way.
type initState struct {
	ticket  *ticket // IKE_SESSION_RESUME takes the place of IKE_SA_INIT
	ke      crypt.KeyExchange
	ni      []byte
	cookie  []byte
	request []byte // as sent last: the initiator's signed octets start with it
	rounds  int

	// What an unauthenticated answer complained about, and when to believe it.
	reason string
	notify message.NotifyType
	failAt time.Time
}

// Initiate starts a session. Its outcome is an event: SessionUp with ChildUp,
// or SessionFailed.
func (e *Engine) Initiate(c PeerConfig, now time.Time) (SessionID, error) {
	return e.initiate(c, nil, now)
}

// initiate starts a session, to take the place of pred if that is not nil.
func (e *Engine) initiate(c PeerConfig, pred *session, now time.Time) (SessionID, error) {
	if err := c.check(); err != nil {
		return 0, fmt.Errorf("ike: peer %q: %w", c.Name, err)
	}
	auth := &credentials{cert: c.Cert, trust: c.Trust, psk: slices.Clone(c.PSK), eap: c.EAP, ppk: c.PPK.clone()}
	c.PSK, c.PPK, c.LocalID = nil, PPK{}, exactID(c.LocalID, c.Cert)
	if c.Local.Port() == 0 {
		c.Local = netip.AddrPortFrom(c.Local.Addr(), 500)
	}
	s := &session{
		state: sessionConnecting, initiator: true, peer: &c, auth: auth,
		name: c.Name, localID: c.LocalID, remoteID: c.RemoteID, ike: c.IKE, esp: c.ESP,
		rekey: c.Rekey, liveness: c.Liveness, window: c.Window, layer: c.Layer, via: c.Via,
		path: Path{Via: c.Via, Local: c.Local, Remote: c.Remote}, proven: c.Remote.Addr(),
	}
	spi, err := e.newSPI()
	if err != nil {
		return 0, err
	}
	if pred == nil { // else it is to be authenticated with credentials
		s.resumption.spare = e.takeKept(&c, auth, now)
	}
	s.init = &initState{ticket: s.resumption.spare}
	s.cur = e.newSA(e.newSession(s), true, spi, now)
	e.acquaint(s)
	if err := e.beginInit(s, now); err != nil {
		e.end(s, ending{silent: true}, now)
		return 0, fmt.Errorf("ike: peer %q: %w", c.Name, err)
	}
	e.succeed(pred, s)
	e.arm(s)
	return s.id, nil
}

// beginInit sends the first message of s, with a nonce and a key exchange of its
// own.
func (e *Engine) beginInit(s *session, now time.Time) (err error) {
	if s.init.ni, err = e.random(nonceLen); err != nil {
		return err
	}
	if s.init.ticket == nil {
		if err = e.newKE(s.init, firstGroup(s.ike)); err != nil {
			return err
		}
	}
	return e.sendInit(s, now)
}

// nonceLen is enough for every prf (RFC 7296, Section 2.10).
const nonceLen = 32

func firstGroup(ps []Proposal) message.DHGroup {
	for _, p := range ps {
		if len(p.DH) > 0 {
			return p.DH[0]
		}
	}
	return message.DHNone
}

// newKE makes a fresh key exchange of group g.
func (e *Engine) newKE(i *initState, g message.DHGroup) error {
	ke, err := crypt.NewKeyExchange(g, e.opt.Rand)
	if err != nil {
		return err
	}
	if i.ke != nil {
		i.ke.Wipe()
	}
	i.ke = ke
	return nil
}

// sendInit builds and sends an IKE_SA_INIT or IKE_SESSION_RESUME request, whose message id is 0 each
// time (RFC 7296, Section 2.6.1).
func (e *Engine) sendInit(s *session, now time.Time) error {
	i, sa := s.init, s.cur
	var ps []message.Payload
	if i.cookie != nil {
		ps = append(ps, &message.Notify{Kind: message.Cookie, Data: i.cookie})
	}
	nat, err := e.natNotifies(sa.spiI, 0, s.path, s.peer.Encap != EncapESP)
	if err != nil {
		return err
	}
	x := &exchange{kind: i.kind(), task: initTask{}}
	if i.ticket != nil {
		x.retry = e.opt.Retransmit
		x.retry.Tries = min(x.retry.Tries, resumeTries)
		ps = slices.Concat(ps, i.resumePayloads(), nat, support{fragments: true}.notifies())
	} else {
		ps = slices.Concat(ps, s.initPayloads(), nat, s.offers().notifies(), s.initExtras())
	}
	m := message.Message{
		Header:   message.Header{SPIi: sa.spiI, Exchange: x.kind, Flags: message.FlagInitiator},
		Payloads: ps,
	}
	if i.request, err = m.Marshal(); err != nil {
		return err
	}
	i.rounds++
	x.data = [][]byte{i.request}
	e.transmit(sa, x, now)
	sa.sendID = 1
	return nil
}

// initPayloads are those of IKE_SA_INIT beside cookie, NAT detection and what is
// supported.
func (s *session) initPayloads() []message.Payload {
	i := s.init
	return []message.Payload{
		crypt.Offer(s.ike, nil),
		&message.KE{Group: i.ke.Group(), Data: i.ke.Public()},
		&message.Nonce{Data: i.ni},
	}
}

// kind is the exchange that opens the IKE SA.
func (i *initState) kind() message.ExchangeType {
	if i.ticket != nil {
		return message.IKESessionResume
	}
	return message.IKESAInit
}

// initTask stands for IKE_SA_INIT in the window: its answers are not protected
// and take their own way.
type initTask struct{}

func (initTask) start(*Engine, *ikeSA, time.Time) *request                 { return nil }
func (initTask) done(*Engine, *ikeSA, []message.Payload, error, time.Time) {}
func (initTask) dropped(*Engine, *ikeSA, time.Time)                        {}

// initResponse handles an answer to IKE_SA_INIT. Anyone may have sent it, so an
// error is only remembered: a better answer may follow (RFC 7296, Section
// 2.21.1).
func (e *Engine) initResponse(sa *ikeSA, d Datagram, h message.Header, now time.Time) {
	s := sa.sess
	i := s.init
	if !h.IsResponse() || i == nil || h.Exchange != i.kind() || h.MessageID != 0 ||
		h.SPIi != sa.spiI || d.Path.Remote != s.initPath().Remote {
		e.refuse(RefusedOutOfWindow)
		return
	}
	m, err := message.Parse(d.Data)
	if sa.state == saHalf {
		if err == nil && s.state == sessionConnecting && s.wait == nil && len(s.others)+1 < maxCandidates && !s.knows(m) {
			_ = e.finishInit(s, m, now) // not a candidate, no matter why
		}
		return
	}
	if err != nil {
		i.remember(0, "its answer is malformed: "+err.Error())
		return
	}
	if e.initAgain(s, m, now) {
		return
	}
	for _, p := range m.Payloads {
		n, ok := p.(*message.Notify)
		switch {
		case ok && i.ticket != nil && (n.Kind.IsError() || n.Kind == message.TicketNACK):
			e.startOver(s, true, now)
			return
		case ok && n.Kind.IsError():
			e.initError(s, n.Kind, now)
			return
		}
	}
	if err := e.finishInit(s, m, now); err != nil {
		i.remember(0, err.Error())
		var no unfit
		switch {
		case !errors.As(err, &no):
		case i.ticket != nil: // IKE_SA_INIT may find other terms
			e.startOver(s, true, now)
		case i.failAt.IsZero():
			i.failAt = now.Add(e.opt.InitErrorGrace)
		}
	}
}

// initPath is where IKE_SA_INIT goes.
func (s *session) initPath() Path {
	return Path{Via: s.via, Local: s.peer.Local, Remote: s.peer.Remote}
}

// remember keeps the reason to tell if nothing better comes.
func (i *initState) remember(n message.NotifyType, reason string) {
	if i.failAt.IsZero() {
		i.notify, i.reason = n, reason
	}
}

func (e *Engine) initError(s *session, n message.NotifyType, now time.Time) {
	i := s.init
	if n != message.NoProposalChosen {
		i.remember(n, n.String())
		return
	}
	i.remember(n, fmt.Sprintf("%v accepts none of the proposals %s", s.path.Remote, proposalText(s.ike)))
	if i.failAt.IsZero() {
		i.failAt = now.Add(e.opt.InitErrorGrace)
	}
}

// initAgain starts over where the answer asks for a cookie or another group,
// and reports whether it did or need not.
func (e *Engine) initAgain(s *session, m *message.Message, now time.Time) bool {
	i := s.init
	if c := message.GetNotify(m.Payloads, message.Cookie); c != nil && m.SPIr == 0 {
		if len(c.Data) == 0 || len(c.Data) > 64 || string(c.Data) == string(i.cookie) {
			return true
		}
		i.cookie = slices.Clone(c.Data)
	} else if n := message.GetNotify(m.Payloads, message.InvalidKEPayload); n != nil && i.ticket == nil {
		if !e.otherGroup(s, n) {
			return true
		}
	} else {
		return false
	}
	if i.rounds >= maxInitRounds {
		i.remember(0, fmt.Sprintf("%v keeps asking for other cookies or groups", s.path.Remote))
		return true
	}
	if err := e.sendInit(s, now); err != nil {
		i.remember(0, err.Error())
	}
	return true
}

// otherGroup takes the group that an INVALID_KE_PAYLOAD asks for, if it was
// offered. That may be one that was left because of a forged answer.
func (e *Engine) otherGroup(s *session, n *message.Notify) bool {
	i := s.init
	g, ok := groupOf(n)
	if !ok || !offersGroup(s.ike, g) {
		i.remember(n.Kind, fmt.Sprintf("%v wants group %v, and %s was offered", s.path.Remote, g, proposalText(s.ike)))
		return false
	}
	if g == i.ke.Group() {
		return false
	}
	if err := e.newKE(i, g); err != nil {
		i.remember(n.Kind, err.Error())
		return false
	}
	return true
}

// groupOf is the group that an INVALID_KE_PAYLOAD names.
func groupOf(n *message.Notify) (message.DHGroup, bool) {
	if len(n.Data) != 2 {
		return 0, false
	}
	return message.DHGroup(binary.BigEndian.Uint16(n.Data)), true
}

func offersGroup(ps []Proposal, g message.DHGroup) bool {
	return g != message.DHNone && slices.ContainsFunc(ps, func(p Proposal) bool { return slices.Contains(p.DH, g) })
}
