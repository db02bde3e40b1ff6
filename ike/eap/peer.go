package eap

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// maxRounds bounds the requests of an authenticator. Certificates of EAP-TLS may
// come in many fragments; IKE wants at least ten (RFC 7296, Section 2.16).
const maxRounds = 64

// ErrRefused means that the authenticator has said so itself.
var ErrRefused = errors.New("the server ends EAP with a Failure")

// A Peer is the side that proves itself.
type Peer struct {
	identity string
	method   Method
	started  bool // the method has answered
	rounds   int
	notice   string // of the last Notification
}

// Start begins to prove a.
func (a *Account) Start(rand io.Reader, now time.Time) *Peer {
	return &Peer{identity: a.Identity, method: a.begin(rand, now)}
}

// Method is by what it proves itself.
func (p *Peer) Method() Type { return p.method.Type() }

// Next takes a message of the authenticator. It returns the answer; or, when the
// authenticator says that it is satisfied, what the method has brought. With an
// error EAP has failed for good, and an answer that comes with it is still to be
// sent.
func (p *Peer) Next(b []byte) (answer []byte, done *Result, err error) {
	in, err := Parse(b)
	if err != nil {
		return nil, nil, err
	}
	if p.rounds++; p.rounds > maxRounds {
		return nil, nil, fmt.Errorf("the server did not come to an end in %d rounds of EAP", maxRounds)
	}
	switch in.Code {
	case CodeRequest:
		out, err := p.answer(in)
		if out == nil {
			return nil, nil, p.noticed(err)
		}
		out.Code, out.ID = CodeResponse, in.ID
		return out.Marshal(), nil, p.noticed(err)
	case CodeSuccess:
		if p.method.Result() == nil {
			return nil, nil, fmt.Errorf("the server ends EAP with a Success before it has proven itself by %v", p.method.Type())
		}
		return nil, p.method.Result(), nil
	case CodeFailure:
		return nil, nil, p.noticed(ErrRefused)
	}
	return nil, nil, fmt.Errorf("%w: the server sends an answer", ErrMalformed)
}

// answer is the response to a request, without its header; nil for none.
func (p *Peer) answer(in Packet) (*Packet, error) {
	switch {
	case in.Type == TypeNotification: // RFC 3748, Section 5.2
		p.notice = fmt.Sprintf("it says %q", printable(string(in.Data)))
		return &Packet{Type: TypeNotification}, nil
	case in.Type == p.method.Type():
		p.started = true
		data, err := p.method.Answer(in.Data)
		if data == nil {
			return nil, err
		}
		return &Packet{Type: in.Type, Data: data}, err
	case p.started:
		return nil, fmt.Errorf("the server asks for %v in the middle of %v", in.Type, p.method.Type())
	case in.Type == TypeIdentity:
		return &Packet{Type: TypeIdentity, Data: []byte(p.identity)}, nil
	}
	p.notice = fmt.Sprintf("it asked for %v first, this node has %v", in.Type, p.method.Type())
	return &Packet{Type: TypeNak, Data: []byte{byte(p.method.Type())}}, nil // RFC 3748, Section 5.3.1
}

// noticed is err with what the authenticator has said before.
func (p *Peer) noticed(err error) error {
	if err == nil || p.notice == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, p.notice)
}

// Close ends EAP, wherever it is, and wipes what is secret.
func (p *Peer) Close() { p.method.Close() }
