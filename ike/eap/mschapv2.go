package eap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// An opCode is a kind of EAP-MSCHAPv2 message (draft-kamath-pppext-eap-mschapv2,
// Section 2).
type opCode uint8

const (
	opChallenge opCode = 1
	opResponse  opCode = 2
	opSuccess   opCode = 3
	opFailure   opCode = 4
)

func (c opCode) String() string {
	switch c {
	case opChallenge, opResponse, opSuccess, opFailure:
		return [...]string{"Challenge", "Response", "Success", "Failure"}[c-1]
	}
	return fmt.Sprintf("message %d", uint8(c))
}

// An msMessage is the Type-Data of EAP-MSCHAPv2.
type msMessage struct {
	op    opCode
	id    uint8  // MS-CHAPv2-ID, the same in all messages of a try
	value []byte // of a Challenge or Response
	text  string // its name, or the message of a Success or Failure
}

const (
	msHeaderLen = 4                            // OpCode, MS-CHAPv2-ID, MS-Length
	responseLen = challengeLen + 8 + ntLen + 1 // Peer-Challenge, reserved, NT-Response, Flags
	ntOff       = challengeLen + 8             // of the NT-Response
	maxName     = 253                          // as long as a User-Name of RADIUS may be
)

// parseMS reads the Type-Data. The answers to a Success and a Failure are an
// OpCode alone.
func parseMS(b []byte) (msMessage, error) {
	bad := func(why string) (msMessage, error) {
		return msMessage{}, fmt.Errorf("%w: %s in EAP-MSCHAPv2", ErrMalformed, why)
	}
	if len(b) == 1 {
		return msMessage{op: opCode(b[0])}, nil
	}
	if len(b) < msHeaderLen || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return bad("wrong length")
	}
	m, body := msMessage{op: opCode(b[0]), id: b[1]}, b[msHeaderLen:]
	want := map[opCode]int{opChallenge: challengeLen, opResponse: responseLen}[m.op]
	if want == 0 {
		m.text = string(body)
		return m, nil
	}
	if len(body) < 1+want || int(body[0]) != want {
		return bad("wrong value size")
	}
	m.value, m.text = body[1:1+want], string(body[1+want:])
	return m, nil
}

func (m msMessage) marshal() []byte {
	b := []byte{byte(m.op), m.id, 0, 0}
	if m.value != nil {
		b = append(append(b, byte(len(m.value))), m.value...)
	}
	b = append(b, m.text...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// proofOf is the authenticator response in the text of a Success: "S=" and 40
// digits, and behind them what the server likes to say.
func proofOf(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "S=")
	if !ok || len(digits) < 40 {
		return nil, fmt.Errorf("%w: no S= in a Success of EAP-MSCHAPv2", ErrMalformed)
	}
	proof, err := hex.DecodeString(digits[:40])
	if err != nil {
		return nil, fmt.Errorf("%w: no hexadecimal S= in a Success of EAP-MSCHAPv2", ErrMalformed)
	}
	return proof, nil
}

// refusal words the text of a Failure: "E=691 R=0 C=... V=3 M=words".
func refusal(user, text string) error {
	code, _, _ := strings.Cut(text, " ")
	code, _ = strings.CutPrefix(code, "E=")
	why := map[string]string{"646": "it is not let in at this hour", "647": "its account is disabled", "648": "its password has expired",
		"649": "it may not dial in", "691": "the user name or the password is wrong", "709": "its password could not be changed"}[code]
	if why == "" {
		why = "it does not say why"
	}
	_, words, _ := strings.Cut(text, " M=")
	if words = printable(words); words != "" {
		words = fmt.Sprintf(", %q", words)
	}
	return fmt.Errorf("user %s is refused: %s (error %s%s)", printable(user), why, printable(code), words)
}

// printable is the beginning of a text of the other end without what would garble
// a terminal or a log.
func printable(s string) string {
	const most = 120
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), most)])
}
