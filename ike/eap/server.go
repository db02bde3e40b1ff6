package eap

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"warren/ike/crypt"
)

// Users is what a Server knows of those who may come in: the password of a user,
// which it neither keeps nor changes.
type Users func(user string) (password []byte, ok bool)

// ErrPassword means that a user name or password is wrong; nobody is told which.
var ErrPassword = errors.New("the user name or the password is wrong")

type serverState uint8

const (
	wantIdentity serverState = iota
	wantProof
	wantSuccess // the peer's word that it believes this side
	wantFailure // the peer's word that it knows
	over
)

// A Server is the authenticator of one peer, by EAP-MSCHAPv2.
type Server struct {
	rand  io.Reader
	users Users
	state serverState
	id    uint8 // of the last request
	exchange
	msID   uint8 // of the challenge
	msk    crypt.Secret
	reason error // why it will end with a Failure
}

// A Step is what a Server wants done.
type Step struct {
	Message []byte // to be sent

	// Done says that it is a Success: User and MSK are there.
	Done bool

	// Err says that it is a Failure, and why. Nothing more is to come.
	Err error

	// Slow says that the peer has tried in vain: the longer the message is held
	// back, the fewer passwords can be tried.
	Slow bool
}

// NewServer returns a Server and its first request. Its peer is asked for its
// identity first where ask is set, though nothing but the name in its proof
// counts: some peers insist.
func NewServer(rand io.Reader, users Users, ask bool) (*Server, []byte, error) {
	s := &Server{rand: rand, users: users}
	random := make([]byte, 1+challengeLen)
	if _, err := io.ReadFull(rand, random); err != nil {
		return nil, nil, err
	}
	s.id, s.authenticator = random[0], random[1:]
	if ask {
		return s, s.request(TypeIdentity, nil), nil
	}
	return s, s.challenge(), nil
}

// User is who has proven itself; before, who it said to be.
func (s *Server) User() string { return s.user }

// MSK is the master session key. It stays the server's.
func (s *Server) MSK() crypt.Secret { return s.msk }

// Reason is why the peer will be refused, nil where that is not known.
func (s *Server) Reason() error { return s.reason }

// Close wipes what is secret.
func (s *Server) Close() { s.msk.Wipe() }

// request is a further one.
func (s *Server) request(t Type, data []byte) []byte {
	s.id++
	return Packet{Code: CodeRequest, ID: s.id, Type: t, Data: data}.Marshal()
}

func (s *Server) say(m msMessage) []byte {
	m.id = s.msID
	return s.request(TypeMSCHAPv2, m.marshal())
}

// serverName is what this side calls itself in a challenge, which nobody reads.
const serverName = "warren"

func (s *Server) challenge() []byte {
	s.state, s.msID = wantProof, s.id+1
	return s.say(msMessage{op: opChallenge, value: s.authenticator, text: serverName})
}

// fail ends EAP, for the first reason that there was.
func (s *Server) fail(err error) Step {
	s.state, s.reason = over, cmp.Or(s.reason, err)
	return Step{Message: Packet{Code: CodeFailure, ID: s.id}.Marshal(), Err: s.reason}
}

// Next takes a message of the peer.
func (s *Server) Next(b []byte) Step {
	in, err := Parse(b)
	switch {
	case err != nil:
		return s.fail(err)
	case s.state == over || in.Code != CodeResponse || in.ID != s.id:
		return s.fail(fmt.Errorf("%w: it answers nothing that was asked", ErrMalformed))
	case in.Type == TypeNak:
		return s.fail(naked(in.Data))
	case in.Type == TypeIdentity && s.state == wantIdentity:
		s.user = string(in.Data)
		return Step{Message: s.challenge()}
	case in.Type != TypeMSCHAPv2 || s.state == wantIdentity:
		return s.fail(fmt.Errorf("%w: %v is not what was asked for", ErrMalformed, in.Type))
	}
	m, err := parseMS(in.Data)
	switch {
	case err != nil:
		return s.fail(err)
	case m.op == opResponse && len(in.Data) > 1 && m.id == s.msID && s.state == wantProof:
		return s.judge(m)
	case m.op == opSuccess && s.state == wantSuccess:
		s.state = over
		return Step{Message: Packet{Code: CodeSuccess, ID: s.id}.Marshal(), Done: true}
	case s.state == wantFailure:
		return s.fail(s.reason)
	}
	return s.fail(fmt.Errorf("%w: a %v of EAP-MSCHAPv2 is out of turn", ErrMalformed, m.op))
}

// naked words which methods a peer wants instead (RFC 3748, Section 5.3.1).
func naked(types []byte) error {
	want := Type(0)
	if len(types) > 0 {
		want = Type(types[0])
	}
	return fmt.Errorf("it wants %v, and %v is all there is", want, TypeMSCHAPv2)
}

// judge looks at a proof. Who is not known is refused as if the password were
// wrong, after the same work.
func (s *Server) judge(m msMessage) Step {
	s.user, s.peer = m.text, m.value[:challengeLen]
	password, known := s.users(s.user)
	if len(s.user) > maxName {
		known = false
	}
	nt := ntHash(password)
	defer nt.Wipe()
	response := s.ntResponse(nt)
	proof, msk := s.authenticatorResponse(nt, response), mschapMSK(nt, response)
	if !equal(response, m.value[ntOff:ntOff+ntLen]) || !known {
		msk.Wipe()
		return s.deny()
	}
	s.state, s.msk = wantSuccess, msk
	return Step{Message: s.say(msMessage{op: opSuccess, text: "S=" + hexUpper(proof) + " M=Welcome"})}
}

// deny tells the peer that it is refused, for good.
func (s *Server) deny() Step {
	next := make([]byte, challengeLen)
	if _, err := io.ReadFull(s.rand, next); err != nil {
		return s.fail(err)
	}
	s.state, s.reason = wantFailure, ErrPassword
	return Step{Slow: true, Message: s.say(msMessage{op: opFailure, text: "E=691 R=0 C=" + hexUpper(next) + " V=3 M=Authentication failed"})}
}
