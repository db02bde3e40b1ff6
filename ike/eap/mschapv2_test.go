package eap

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren/ike/crypt"
)

// serve is a Server as converse wants it; the last Step is put into last.
func serve(t testing.TB, ask bool, last *Step) (*Server, func([]byte) []byte) {
	t.Helper()
	s, first, err := NewServer(rand.Reader, users, ask)
	if err != nil {
		t.Fatal(err)
	}
	return s, func(answer []byte) []byte {
		if answer == nil {
			return first
		}
		*last = s.Next(answer)
		return last.Message
	}
}

func TestMSCHAPv2(t *testing.T) {
	for _, ask := range []bool{true, false} {
		for _, name := range []string{user, `CORP\alice`} {
			var last Step
			s, next := serve(t, ask, &last)
			p := passwordPeer(name, password)
			done, _, err := converse(p, next, nil)
			if err != nil || !last.Done || last.Err != nil || s.User() != name {
				t.Fatalf("%v; %+v; user %q", err, last, s.User())
			}
			if len(done.MSK) != 64 || !bytes.Equal(done.MSK, s.MSK()) || bytes.Equal(done.MSK[:16], make([]byte, 16)) || done.Server != nil {
				t.Errorf("the keys differ: %+v", done)
			}
			msk := done.MSK
			p.Close()
			s.Close()
			for _, k := range []crypt.Secret{msk, s.MSK(), p.method.(*mschapPeer).nt} {
				if !bytes.Equal(k, make([]byte, len(k))) {
					t.Error("a key is left")
				}
			}
		}
	}
}

// TestMSCHAPv2Refused: a wrong password and a user who is not there look alike to the
// peer, octet by octet but for what is random.
func TestMSCHAPv2Refused(t *testing.T) {
	var seen []string
	for name, tt := range map[string]struct{ user, password string }{
		"wrong password":          {user, "guess"},
		"no such user":            {"mallory", "guess"},
		"no such user, no secret": {"mallory", ""},
		"other case":              {"Alice", password},
		"user of no domain":       {`OTHER\alice`, password},
		"long name":               {strings.Repeat("x", 400), "guess"},
	} {
		t.Run(name, func(t *testing.T) {
			var last Step
			var said []byte
			s, next := serve(t, false, &last)
			done, answer, err := converse(passwordPeer(tt.user, tt.password), next, func(n int, b []byte) []byte { said = b; return b })
			if done != nil || answer != nil || err == nil || !strings.Contains(err.Error(), "the user name or the password is wrong (error 691") {
				t.Fatalf("%v %v %v", done, answer, err)
			}
			if strings.Contains(err.Error(), tt.password) && tt.password != "" {
				t.Errorf("the password shows: %v", err)
			}
			if !last.Slow || last.Done || last.Err != nil || !errors.Is(s.Reason(), ErrPassword) || len(s.MSK()) != 0 {
				t.Errorf("%+v %v", last, s.Reason())
			}
			said[1], said[6] = 0, 0 // the identifiers are random
			i := bytes.Index(said, []byte("C="))
			copy(said[i:], bytes.Repeat([]byte("C"), 34))
			seen = append(seen, string(said))

			ack := Packet{Code: CodeResponse, ID: s.id, Type: TypeMSCHAPv2, Data: []byte{byte(opFailure)}}.Marshal()
			if end := s.Next(ack); !errors.Is(end.Err, ErrPassword) || !bytes.Equal(end.Message, []byte{4, s.id, 0, 4}) {
				t.Errorf("at the end: %+v", end)
			}
		})
	}
	if len(slices.Compact(seen)) != 1 {
		t.Errorf("they can be told apart: %q", seen)
	}
}

// TestServerRefuses has peers that do not do as they should.
func TestServerRefuses(t *testing.T) {
	response := func(s *Server, typ Type, data []byte) []byte {
		return Packet{Code: CodeResponse, ID: s.id, Type: typ, Data: data}.Marshal()
	}
	proof := func(id uint8) []byte {
		return msMessage{op: opResponse, id: id, value: make([]byte, responseLen), text: user}.marshal()
	}
	for name, tt := range map[string]struct {
		ask  bool
		send func(s *Server) []byte
		want string
	}{
		"wants another method":     {send: func(s *Server) []byte { return response(s, TypeNak, []byte{13}) }, want: "it wants EAP-TLS"},
		"wants no method":          {send: func(s *Server) []byte { return response(s, TypeNak, []byte{0}) }, want: "it wants no other method"},
		"empty Nak":                {send: func(s *Server) []byte { return response(s, TypeNak, nil) }, want: "it wants no other method"},
		"Nak to an identity":       {ask: true, send: func(s *Server) []byte { return response(s, TypeNak, []byte{21}) }, want: "it wants EAP-TTLS"},
		"another method":           {send: func(s *Server) []byte { return response(s, TypeTLS, []byte{0}) }, want: "EAP-TLS is not what was asked for"},
		"identity unasked":         {send: func(s *Server) []byte { return response(s, TypeIdentity, []byte(user)) }, want: "EAP-Identity is not what was asked for"},
		"proof before identity":    {ask: true, send: func(s *Server) []byte { return response(s, TypeMSCHAPv2, proof(0)) }, want: "not what was asked for"},
		"a request":                {send: func(s *Server) []byte { return Packet{CodeRequest, s.id, TypeMSCHAPv2, proof(s.id)}.Marshal() }, want: "answers nothing"},
		"a Success":                {send: func(s *Server) []byte { return []byte{3, s.id, 0, 4} }, want: "answers nothing"},
		"a Failure":                {send: func(s *Server) []byte { return []byte{4, s.id, 0, 4} }, want: "answers nothing"},
		"another identifier":       {send: func(s *Server) []byte { return Packet{CodeResponse, s.id + 1, TypeMSCHAPv2, proof(s.id)}.Marshal() }, want: "answers nothing"},
		"another challenge":        {send: func(s *Server) []byte { return response(s, TypeMSCHAPv2, proof(s.id+1)) }, want: "a Response of EAP-MSCHAPv2 is out of turn"},
		"success before the proof": {send: func(s *Server) []byte { return response(s, TypeMSCHAPv2, []byte{3}) }, want: "a Success of EAP-MSCHAPv2 is out of turn"},
		"failure before the proof": {send: func(s *Server) []byte { return response(s, TypeMSCHAPv2, []byte{4}) }, want: "a Failure of EAP-MSCHAPv2 is out of turn"},
		"a change of password":     {send: func(s *Server) []byte { return response(s, TypeMSCHAPv2, []byte{7}) }, want: "message 7"},
		"a challenge of its own": {send: func(s *Server) []byte {
			return response(s, TypeMSCHAPv2, msMessage{op: opChallenge, value: s.authenticator}.marshal())
		}, want: "a Challenge of EAP-MSCHAPv2 is out of turn"},
		"a response of one octet": {send: func(s *Server) []byte { s.msID = 0; return response(s, TypeMSCHAPv2, []byte{2}) }, want: "out of turn"},
		"nothing":                 {send: func(s *Server) []byte { return nil }, want: "its length is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := NewServer(rand.Reader, users, tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // and it stays so
				got := s.Next(tt.send(s))
				if got.Err == nil || !strings.Contains(got.Err.Error(), tt.want) || got.Done || got.Slow || len(s.MSK()) != 0 || got.Message[0] != byte(CodeFailure) {
					t.Errorf("%+v, want %q", got, tt.want)
				}
			}
		})
	}
}

// TestPeerRefuses has authenticators that do not do as they should, with n the
// message that is another one: the challenge, the success of MS-CHAPv2, the end.
func TestPeerRefuses(t *testing.T) {
	change := func(f func(m *msMessage)) func(Packet) []byte {
		return func(p Packet) []byte {
			m := must(parseMS(p.Data))
			f(&m)
			p.Data = m.marshal()
			return p.Marshal()
		}
	}
	text := func(s string) func(Packet) []byte { return change(func(m *msMessage) { m.text = s }) }
	for name, tt := range map[string]struct {
		n      int
		change func(p Packet) []byte
		want   string
	}{
		"wrong S":               {1, text("S=" + strings.Repeat("0", 40)), "does not know the password"},
		"S cut off":             {1, text("S=" + strings.Repeat("0", 39)), "no S="},
		"S no digits":           {1, text("S=" + strings.Repeat("x", 40)), "no hexadecimal S="},
		"no S":                  {1, text("M=Welcome"), "no S="},
		"empty":                 {1, text(""), "no S="},
		"S of another id":       {1, change(func(m *msMessage) { m.id++ }), "out of turn"},
		"success first":         {0, change(func(m *msMessage) { *m = msMessage{op: opSuccess, id: m.id, text: "S=" + strings.Repeat("0", 40)} }), "out of turn"},
		"failure first":         {0, change(func(m *msMessage) { *m = msMessage{op: opFailure, id: m.id, text: "E=691"} }), "out of turn"},
		"a second challenge":    {1, change(func(m *msMessage) { *m = msMessage{op: opChallenge, id: m.id, value: make([]byte, 16)} }), "out of turn"},
		"a change of password":  {1, change(func(m *msMessage) { m.op = 7 }), "message 7"},
		"a response":            {0, change(func(m *msMessage) { *m = msMessage{op: opResponse, value: make([]byte, responseLen)} }), "out of turn"},
		"account disabled":      {1, change(func(m *msMessage) { m.op, m.text = opFailure, "E=647 R=0 C=00 V=3 M=Ask \x1b[1mBob" }), `its account is disabled (error 647, "Ask ?[1mBob")`},
		"an odd failure":        {1, change(func(m *msMessage) { m.op, m.text = opFailure, "\n" }), "it does not say why"},
		"another method midway": {1, func(p Packet) []byte { p.Type = TypeTLS; return p.Marshal() }, "asks for EAP-TLS in the middle of EAP-MSCHAPv2"},
		"identity midway":       {1, func(p Packet) []byte { p.Type = TypeIdentity; return p.Marshal() }, "asks for EAP-Identity in the middle"},
		"an answer":             {0, func(p Packet) []byte { p.Code = CodeResponse; return p.Marshal() }, "sends an answer"},
		"failure in the end":    {2, func(p Packet) []byte { p.Code = CodeFailure; return p.Marshal() }, "ends EAP with a Failure"},
		"a word behind the end": {2, func(p Packet) []byte { return Packet{CodeRequest, 9, TypeMSCHAPv2, []byte{3}}.Marshal() }, "out of turn"},
	} {
		t.Run(name, func(t *testing.T) {
			var last Step
			_, next := serve(t, false, &last)
			done, answer, err := converse(passwordPeer(user, password), next, func(n int, b []byte) []byte {
				if n == tt.n {
					return tt.change(must(Parse(b)))
				}
				return b
			})
			if done != nil || answer != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v % x %v, want %q", done, answer, err, tt.want)
			}
		})
	}
}

// TestPeerBesides: identity, notifications and other methods do not keep a peer from
// its own method.
func TestPeerBesides(t *testing.T) {
	p := passwordPeer(user, password)
	for _, tt := range []struct {
		in   Packet
		want Packet
	}{
		{Packet{Type: TypeNotification, Data: []byte("Hello")}, Packet{Type: TypeNotification}},
		{Packet{Type: TypeIdentity, Data: []byte("Who?")}, Packet{Type: TypeIdentity, Data: []byte(user)}},
		{Packet{Type: TypeTLS, Data: []byte{flagStart}}, Packet{Type: TypeNak, Data: []byte{byte(TypeMSCHAPv2)}}},
		{Packet{Type: 254, Data: make([]byte, 8)}, Packet{Type: TypeNak, Data: []byte{byte(TypeMSCHAPv2)}}},
	} {
		tt.in.Code, tt.in.ID, tt.want.Code, tt.want.ID = CodeRequest, 9, CodeResponse, 9
		answer, done, err := p.Next(tt.in.Marshal())
		if err != nil || done != nil || !bytes.Equal(answer, tt.want.Marshal()) {
			t.Errorf("% x, %v, %v; want % x", answer, done, err, tt.want.Marshal())
		}
	}
	var last Step
	_, next := serve(t, false, &last)
	if done, _, err := converse(p, next, nil); err != nil || done == nil {
		t.Errorf("%v", err)
	}
	p = passwordPeer(user, password)
	must2(p.Next(Packet{CodeRequest, 1, 4, nil}.Marshal()))
	if _, _, err := p.Next([]byte{4, 1, 0, 4}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "it asked for EAP-MD5 first, this node has EAP-MSCHAPv2") {
		t.Errorf("%v", err)
	}
}

func must2[A, B any](_ A, _ B, err error) {
	if err != nil {
		panic(err)
	}
}

// TestPeerRounds: nobody keeps a peer busy for ever.
func TestPeerRounds(t *testing.T) {
	p := passwordPeer(user, password)
	for n := range maxRounds + 1 {
		_, _, err := p.Next(Packet{CodeRequest, 1, TypeNotification, nil}.Marshal())
		if bad := n == maxRounds; bad != (err != nil) {
			t.Fatalf("round %d: %v", n, err)
		}
	}
}

// TestCVE_2025_62291: length fields of EAP and of EAP-MSCHAPv2 that are too small or
// too large are refused, in every message, at both ends.
func TestCVE_2025_62291(t *testing.T) {
	for _, where := range []string{"EAP", "MS-Length", "value size", "cut off"} {
		for n := range 5 {
			for by := -4; by <= 4; by++ {
				if by == 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s, message %d, by %d", where, n, by), func(t *testing.T) {
					var last Step
					changed := false
					wrong := func(b []byte) []byte {
						b = slices.Clone(b)
						switch {
						case where == "EAP":
							binary.BigEndian.PutUint16(b[2:], uint16(len(b)+by))
						case where == "cut off" && by < 0 && len(b)+by >= 4:
							b = b[:len(b)+by]
							binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
						case where == "MS-Length" && len(b) >= 9:
							binary.BigEndian.PutUint16(b[7:], uint16(len(b)-5+by))
						case where == "value size" && len(b) >= 10 && (b[5] == 1 || b[5] == 2):
							b[9] += byte(by)
						default:
							return b
						}
						changed = true
						return b
					}
					_, next := serve(t, false, &last)
					at := 0
					turn := func(b []byte) []byte {
						if at++; at-1 == n {
							return wrong(b)
						}
						return b
					}
					done, _, err := converse(passwordPeer(user, password), func(answer []byte) []byte {
						if answer != nil {
							answer = turn(answer)
						}
						return next(answer)
					}, func(_ int, b []byte) []byte { return turn(b) })
					if changed && (done != nil || err == nil) {
						t.Errorf("%v, %v", done, err)
					}
				})
			}
		}
	}
}

// TestShortFailure is the very message of CVE-2025-62291: a Failure without room
// for its header.
func TestShortFailure(t *testing.T) {
	for n := range 9 {
		p := passwordPeer(user, password)
		must2(p.Next(must(challengeOf(t))))
		data := []byte{byte(opFailure), 0, 0, byte(n), 'E', '=', '6', '9', '1'}[:n]
		_, done, err := p.Next(Packet{CodeRequest, 2, TypeMSCHAPv2, data}.Marshal())
		if done != nil || err == nil {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}
