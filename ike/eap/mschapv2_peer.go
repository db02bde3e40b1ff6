package eap

import (
	"errors"
	"fmt"
	"io"

	"warren/ike/crypt"
)

// An mschapPeer is the peer's side of EAP-MSCHAPv2.
type mschapPeer struct {
	rand io.Reader
	exchange
	nt       crypt.Secret // hash of the password
	response []byte       // the NT-Response that was sent
	id       uint8
	result   *Result
}

func (m *mschapPeer) Type() Type { return TypeMSCHAPv2 }

func (m *mschapPeer) Result() *Result { return m.result }

func (m *mschapPeer) Close() {
	m.nt.Wipe()
	if m.result != nil {
		m.result.MSK.Wipe()
		m.result = nil
	}
}

func (m *mschapPeer) Answer(data []byte) ([]byte, error) {
	msg, err := parseMS(data)
	if err != nil {
		return nil, err
	}
	switch {
	case msg.op == opChallenge && len(data) > 1 && m.response == nil:
		return m.respond(msg)
	case msg.op == opSuccess && msg.id == m.id && m.response != nil && m.result == nil:
		return m.believe(msg)
	case msg.op == opFailure && m.response != nil && m.result == nil:
		return nil, refusal(m.user, msg.text)
	}
	return nil, fmt.Errorf("a %v of EAP-MSCHAPv2 is out of turn", msg.op)
}

// respond proves that this side knows the password.
func (m *mschapPeer) respond(msg msMessage) ([]byte, error) {
	m.peer = make([]byte, challengeLen)
	if _, err := io.ReadFull(m.rand, m.peer); err != nil {
		return nil, err
	}
	m.authenticator, m.id = append([]byte(nil), msg.value...), msg.id
	m.response = m.ntResponse(m.nt)
	value := make([]byte, responseLen)
	copy(value, m.peer)
	copy(value[ntOff:], m.response)
	return msMessage{op: opResponse, id: m.id, value: value, text: m.user}.marshal(), nil
}

// believe checks that the authenticator knows the password as well.
func (m *mschapPeer) believe(msg msMessage) ([]byte, error) {
	proof, err := proofOf(msg.text)
	if err != nil {
		return nil, err
	}
	if !equal(proof, m.authenticatorResponse(m.nt, m.response)) {
		return nil, errors.New("the server does not know the password: its authenticator response is wrong")
	}
	m.result = &Result{MSK: mschapMSK(m.nt, m.response)}
	return []byte{byte(opSuccess)}, nil
}
