package ike

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// state is what must not change: a print of sessions, SAs and what was told, with
// the sum of a snapshot of all else.
func (n *end) state() string {
	return fmt.Sprintf("%s; all %x", n.summary(), sha256.Sum256([]byte(strings.Join(n.snapshot(), "\n"))))
}

func (n *end) summary() string {
	s := fmt.Sprintf("%d events, %d IKE SAs, %d SPIs, %d half-open;", len(n.events), len(n.e.sas), len(n.spis.taken), n.e.halfOpen)
	for _, x := range n.e.order {
		s += fmt.Sprintf(" %+v cur %d/%d lastIn %v", x.info(), x.cur.sendID, x.cur.recvID, x.lastIn)
	}
	return s
}

// say seals ps as a message of n's current IKE SA.
func (n *end) say(kind message.ExchangeType, id uint32, response bool, ps ...message.Payload) Datagram {
	n.t.Helper()
	s := n.e.order[0]
	data, err := s.cur.seal(kind, id, response, ps)
	if err != nil {
		n.t.Fatal(err)
	}
	return Datagram{Path: s.path, NATT: s.natt, Data: data}
}

// tell hands a message of one end to the other and returns the answer, opened
// with the first one's keys.
func (p *pair) tell(from *end, d Datagram) ([]message.Payload, bool) {
	p.t.Helper()
	to := p.other(from)
	p.hand(flight{from, to, d})
	out := to.take()
	if len(out) == 0 {
		return nil, false
	}
	ps, err := from.e.open(from.e.order[0].cur, out[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return ps, true
}

// halfway brings a pair to where the initiator has sent IKE_AUTH, which waits.
func halfway(t *testing.T) (p *pair, auth Datagram) {
	t.Helper()
	p = newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	p.deliver(0)
	auth = p.wire[0].d
	p.wire = nil
	return p, auth
}

// childRequest are the payloads of a rekey of the child that n has.
func childRequest(t *testing.T, rekey esp.SPI) []message.Payload {
	ps := []message.Payload{
		crypt.Offer(espProposals(t, "aes128gcm16-esn"), spiBytes(0xabcdef)),
		&message.Nonce{Data: make([]byte, 32)},
		tsPayload(false, policy.Everything()), tsPayload(true, policy.Everything()),
	}
	if rekey != 0 {
		ps = append([]message.Payload{&message.Notify{Protocol: message.ProtoESP, SPI: spiBytes(rekey), Kind: message.RekeySA}}, ps...)
	}
	return ps
}

func ikeRekeyRequest(t *testing.T) []message.Payload {
	ke, err := crypt.NewKeyExchange(message.DHX25519, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []message.Payload{
		crypt.Offer(ikeProposals(t, "aes128gcm16-prfsha256-x25519"), ikeSPIBytes(0x1234)),
		&message.Nonce{Data: make([]byte, 32)}, &message.KE{Group: message.DHX25519, Data: ke.Public()},
	}
}

// Nothing but IKE_AUTH is answered, or does anything, before IKE_AUTH is over.
func TestCVE_2014_2338(t *testing.T) {
	requests := map[string]struct {
		kind message.ExchangeType
		ps   []message.Payload
	}{
		"rekey IKE":     {message.CreateChildSA, ikeRekeyRequest(t)},
		"create child":  {message.CreateChildSA, childRequest(t, 0)},
		"rekey child":   {message.CreateChildSA, childRequest(t, 0x2001)},
		"empty":         {message.Informational, nil},
		"delete IKE":    {message.Informational, []message.Payload{&message.Delete{Protocol: message.ProtoIKE}}},
		"delete child":  {message.Informational, []message.Payload{&message.Delete{Protocol: message.ProtoESP, SPIs: []uint32{0x2001}}}},
		"auth failed":   {message.Informational, []message.Payload{&message.Notify{Kind: message.AuthenticationFailed}}},
		"followup KE":   {message.IKEFollowupKE, nil},
		"intermediate":  {message.IKEIntermediate, nil},
		"unknown":       {99, nil},
		"IKE_SA_INIT":   {message.IKESAInit, nil},
		"critical":      {message.Informational, []message.Payload{&message.Unknown{Kind: 200, Critical: true}}},
		"eap, no proof": {message.IKEIntermediate, []message.Payload{&message.EAP{Data: []byte{3, 1, 0, 4}}}},
	}
	for name, tt := range requests {
		for _, responder := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s responder=%v", name, responder), func(t *testing.T) {
				p, auth := halfway(t)
				from := p.i
				if !responder {
					from = p.r
				}
				for id := range uint32(3) {
					before := p.other(from).state()
					d := from.say(tt.kind, id, false, tt.ps...)
					p.hand(flight{from, p.other(from), d})
					if out := p.other(from).take(); len(out) != 0 {
						t.Errorf("answered")
					}
					if after := p.other(from).state(); after != before {
						t.Errorf("state changed from %s to %s", before, after)
					}
				}
				p.hand(flight{p.i, p.r, auth})
				p.settle()
				if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
					t.Errorf("IKE_AUTH fails afterwards: %s %s", dump(p.i.events), dump(p.r.events))
				}
			})
		}
	}
}

// A flipped bit anywhere changes nothing and is not answered.
func TestCVE_2019_10155(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	messages := map[string]Datagram{
		"delete":   p.i.say(message.Informational, 2, false, &message.Delete{Protocol: message.ProtoIKE}),
		"create":   p.i.say(message.CreateChildSA, 2, false, childRequest(t, 0)...),
		"auth":     p.i.say(message.IKEAuth, 1, false, &message.Auth{Method: message.AuthPSK, Data: make([]byte, 32)}),
		"response": p.i.say(message.Informational, 0, true),
	}
	for name, d := range messages {
		all := p.r.snapshot()
		for bit := range len(d.Data) * 8 {
			bad := d
			bad.Data = bytes.Clone(d.Data)
			bad.Data[bit/8] ^= 1 << (bit % 8)
			before := p.r.summary()
			p.hand(flight{p.i, p.r, bad})
			out := p.r.take()
			for _, o := range out {
				if h, _ := message.ParseHeader(o.Data); h.Next == message.PayloadSK {
					t.Errorf("%s: bit %d: answered", name, bit)
				}
			}
			if after := p.r.summary(); after != before {
				t.Fatalf("%s: bit %d changed %s to %s", name, bit, before, after)
			}
		}
		if diff := all.diff(p.r.snapshot()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	p.close()
}

// One request gets one answer of modest size, and a responder never repeats it
// by itself.
func TestCVE_2016_5361(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	req := p.wire[0]
	p.wire = nil
	p.hand(req)
	out := p.r.take()
	if len(out) != 1 || len(out[0].Data) > 3*len(req.d.Data) {
		t.Fatalf("%d answers", len(out))
	}
	for at := p.r.e.Next(); !at.IsZero(); at = p.r.e.Next() {
		p.now = at
		p.r.e.Tick(at)
		if out := p.r.take(); len(out) != 0 {
			t.Fatal("a responder repeats by itself")
		}
	}
	p.r.empty()
}

// Short datagrams, and other major versions.
func TestCVE_2013_4564(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	d := p.i.say(message.Informational, 2, false)
	before := p.r.state()
	for n := range message.HeaderLen + 5 {
		bad := d
		bad.Data = d.Data[:n]
		p.hand(flight{p.i, p.r, bad})
	}
	for major := range byte(16) {
		if major == 2 {
			continue
		}
		bad := d
		bad.Data = bytes.Clone(d.Data)
		bad.Data[17] = major << 4
		p.r.take()
		p.now = p.now.Add(time.Second)
		p.hand(flight{p.i, p.r, bad})
		out := p.r.take()
		if (len(out) == 1) != (major > 2) {
			t.Errorf("major %d: %d answers", major, len(out))
		}
		for _, o := range out {
			m, err := message.Parse(o.Data)
			if err != nil || message.GetNotify(m.Payloads, message.InvalidMajorVersion) == nil {
				t.Errorf("major %d: %v %+v", major, err, m)
			}
		}
	}
	if after := p.r.state(); after != before {
		t.Errorf("%s, then %s", before, after)
	}
}

// Replies outside an IKE SA are few, and never answer a response.
func TestUnprotectedRepliesLimited(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	d := p.i.say(message.Informational, 2, false)
	total := 0
	for i := range 1000 {
		bad := d
		bad.Data = bytes.Clone(d.Data)
		binary.BigEndian.PutUint64(bad.Data[8:], uint64(i+1))
		p.hand(flight{p.i, p.r, bad})
		for _, o := range p.r.take() {
			total++
			if m, err := message.Parse(o.Data); err != nil || message.GetNotify(m.Payloads, message.InvalidIKESPI) == nil || !m.IsResponse() {
				t.Errorf("%v %+v", err, m)
			}
			p.i.e.Receive(Datagram{Path: p.i.e.order[0].path, NATT: true, Data: o.Data}, p.now)
			if len(p.i.take()) != 0 {
				t.Error("a response was answered")
			}
		}
	}
	if total != 10 {
		t.Errorf("%d replies in one second, want 10", total)
	}
	p.close()
}

// Every subset of the payloads of each exchange.
func TestCVE_2013_6467(t *testing.T) {
	t.Run("IKE_SA_INIT", func(t *testing.T) {
		p := newPair(t, acceptConfig(t))
		if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		m, err := message.Parse(p.wire[0].d.Data)
		if err != nil {
			t.Fatal(err)
		}
		for mask := range 1 << len(m.Payloads) {
			bad := message.Message{Header: message.Header{SPIi: m.SPIi + 1, Exchange: message.IKESAInit, Flags: message.FlagInitiator}, Payloads: subset(m.Payloads, mask)}
			data, err := bad.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			sas, path := len(p.r.e.sas), p.wire[0].d.Path
			path.Local = netip.AddrPortFrom(floodSource(mask), 500) // one alone is asked for a cookie some day
			p.hand(flight{p.i, p.r, Datagram{Path: path, Data: data}})
			p.r.take()
			if made := len(p.r.e.sas) > sas; made != (mask&7 == 7) {
				t.Errorf("payloads %b: made an IKE SA: %v", mask, made)
			}
			p.now = p.now.Add(time.Second)
		}
	})
	t.Run("IKE_AUTH", func(t *testing.T) {
		_, auth := halfway(t)
		_ = auth
		n := 8
		for mask := range 1 << n {
			p, auth := halfway(t)
			ps, err := p.r.e.open(p.r.e.order[0].cur, auth)
			if err != nil || len(ps) > n {
				t.Fatal(err, len(ps))
			}
			bad := subset(ps, mask)
			p.hand(flight{p.i, p.r, p.i.say(message.IKEAuth, 1, false, bad...)})
			out := p.r.take()
			if len(out) != 1 {
				t.Fatalf("payloads %b: %d answers", mask, len(out))
			}
			_, hasAuth := message.Get[*message.Auth](bad)
			if up := count[SessionUp](p.r) == 1; up != (hasAuth && message.GetID(bad, false) != nil) {
				t.Errorf("payloads %b: up %v", mask, up)
			}
		}
	})
	t.Run("CREATE_CHILD_SA", func(t *testing.T) {
		full := childRequest(t, 0x2001)
		for mask := range 1 << len(full) {
			p := newPair(t, acceptConfig(t))
			p.establish(peerConfig(t))
			ps, ok := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false, subset(full, mask)...))
			if !ok {
				t.Fatalf("payloads %b: no answer", mask)
			}
			if made := childError(ps) == nil; made != (mask>>1 == 15) {
				t.Errorf("payloads %b: made %v", mask, made)
			}
			p.r.quiet = true
			p.empty2()
		}
	})
}

// empty2 deletes what there is on both sides, whatever that is.
func (p *pair) empty2() {
	p.t.Helper()
	for _, n := range []*end{p.i, p.r} {
		n.quiet = true
		for _, s := range n.e.Sessions() {
			_ = n.e.Delete(s.ID, p.now)
		}
	}
	p.empty()
}

func subset(ps []message.Payload, mask int) (out []message.Payload) {
	for i, p := range ps {
		if mask>>i&1 == 1 {
			out = append(out, p)
		}
	}
	return out
}

// All groups in the KE payload.
func TestCVE_2014_9221(t *testing.T) {
	p := newPair(t, acceptConfig(t), func(_, r *Options) { r.InitRate = 1 << 17 })
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	m, err := message.Parse(p.wire[0].d.Data)
	if err != nil {
		t.Fatal(err)
	}
	ke, _ := message.Get[*message.KE](m.Payloads)
	for g := range 1 << 16 {
		if ke.Group = message.DHGroup(g); ke.Group == message.DHX25519 {
			continue
		}
		m.Payloads = slices.Clone(m.Payloads)
		data, err := (&message.Message{Header: message.Header{SPIi: m.SPIi, Exchange: message.IKESAInit, Flags: message.FlagInitiator}, Payloads: m.Payloads}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p.hand(flight{p.i, p.r, Datagram{Path: p.wire[0].d.Path, Data: data}})
		out := p.r.take()
		if len(out) != 1 {
			t.Fatalf("group %d: %d answers", g, len(out))
		}
		r, err := message.Parse(out[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		n := message.GetNotify(r.Payloads, message.InvalidKEPayload)
		if n == nil || !bytes.Equal(n.Data, []byte{0, 31}) || len(p.r.e.sas) != 0 {
			t.Fatalf("group %d: %+v", g, r.Payloads)
		}
	}
}

// Public values of every wrong length, and of low order.
func TestCVE_2023_41913(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	m, err := message.Parse(p.wire[0].d.Data)
	if err != nil {
		t.Fatal(err)
	}
	ke, _ := message.Get[*message.KE](m.Payloads)
	for _, n := range []int{0, 1, 31, 32, 33, 64, 1000, 60000} { // 32 zeros are of low order
		ke.Data = make([]byte, n)
		data, err := (&message.Message{Header: message.Header{SPIi: m.SPIi, Exchange: message.IKESAInit, Flags: message.FlagInitiator}, Payloads: m.Payloads}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p.hand(flight{p.i, p.r, Datagram{Path: p.wire[0].d.Path, Data: data}})
		p.r.take()
		if len(p.r.e.sas) != 0 {
			t.Errorf("a public value of %d zeros was accepted", n)
		}
	}
}

// All protocols in REKEY_SA and DELETE: answered without an echo, or nothing
// happens.
func TestCVE_2023_38710(t *testing.T) {
	for proto := range 256 {
		p := newPair(t, acceptConfig(t))
		p.establish(peerConfig(t))
		ps := childRequest(t, 0x2001)
		ps[0].(*message.Notify).Protocol = message.Protocol(proto)
		out, ok := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false, ps...))
		if ok {
			n := childError(out)
			if (n == nil) != (message.Protocol(proto) == message.ProtoESP) {
				t.Errorf("REKEY_SA for protocol %d: %+v", proto, out)
			}
			if n != nil && (n.Protocol != 0 || len(n.SPI) != 0) {
				t.Errorf("REKEY_SA for protocol %d is echoed: %+v", proto, n)
			}
		}
		p.r.quiet = true
		p.empty2()
	}
}

func TestMalformedEndsTheSA(t *testing.T) { // RFC 7296, Section 2.21.3
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.r.quiet = true
	bad := &message.Unknown{Kind: message.PayloadNonce, Data: []byte{1}} // a nonce of one byte
	got, ok := p.tell(p.i, p.i.say(message.CreateChildSA, 2, false, bad))
	if n := childError(got); !ok || n == nil || n.Kind != message.InvalidSyntax {
		t.Errorf("%+v", got)
	}
	if d, ok := last[SessionDown](p.r); !ok || d.Reason != "the peer sent a malformed CREATE_CHILD_SA request" {
		t.Errorf("%s", dump(p.r.events))
	}
	p.i.e.Abort(p.i.session())
	clear(p.i.in) // without an event
	p.advance(time.Minute)
	p.r.empty()
}

// The peer may not answer with what was not asked for.
func TestResponderWidens(t *testing.T) {
	p, auth := halfway(t)
	_ = auth
	s := p.i.e.order[0]
	s.cur.out.task.(*authTask).child.remoteTS = []policy.Selector{policy.AddrSelector(addrR.Addr())}
	p.hand(flight{p.i, p.r, auth})
	p.r.quiet = true
	p.settle()
	f, ok := last[SessionFailed](p.i)
	if !ok || f.Err.Error() != "ike: sg1: IKE_AUTH: the peer widened the selectors: offered local 0.0.0.0/0, remote 192.0.2.1; answered local 10.99.1.2, remote 0.0.0.0/0, ::/0" {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()
}

// AUTH of every wrong kind.
func TestCVE_2013_2944(t *testing.T) {
	bad := map[string]*message.Auth{
		"empty":    {Method: message.AuthPSK},
		"zeros":    {Method: message.AuthPSK, Data: make([]byte, 32)},
		"one byte": {Method: message.AuthPSK, Data: []byte{1}},
		"long":     {Method: message.AuthPSK, Data: make([]byte, 64)},
		"null":     {Method: message.AuthNull, Data: make([]byte, 32)},
		"rsa":      {Method: message.AuthRSA, Data: make([]byte, 256)},
		"method 0": {Method: 0, Data: make([]byte, 32)},
	}
	for name, a := range bad {
		t.Run(name, func(t *testing.T) {
			p, auth := halfway(t)
			ps, err := p.r.e.open(p.r.e.order[0].cur, auth)
			if err != nil {
				t.Fatal(err)
			}
			for i := range ps {
				if _, ok := ps[i].(*message.Auth); ok {
					ps[i] = a
				}
			}
			p.hand(flight{p.i, p.r, p.i.say(message.IKEAuth, 1, false, ps...)})
			p.flush()
			if f, ok := last[SessionFailed](p.r); !ok || f.PeerReason != "AUTHENTICATION_FAILED" || count[SessionUp](p.r) != 0 {
				t.Errorf("%s", dump(p.r.events))
			}
		})
	}
}

// The key disappears between IKE_SA_INIT and IKE_AUTH.
func TestCVE_2024_2357(t *testing.T) {
	gone := false
	a := acceptConfig(t)
	a.PSK = func(ID) ([]byte, bool) { return []byte("correct horse"), !gone }
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	gone = true
	p.settle()
	if f, ok := last[SessionFailed](p.i); !ok || f.PeerReason != "AUTHENTICATION_FAILED" {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()
}

// Two equal SPIs of the responder: the wrong initiator flag, and reflection.
func TestReflection(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	before := p.i.state()
	for _, f := range p.tap {
		if f.from == p.i {
			d := f.d
			d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
			p.i.e.Receive(Datagram{Path: p.i.e.order[0].path, NATT: true, Data: bytes.Clone(f.d.Data)}, p.now)
		}
	}
	p.i.take()
	if p.i.state() != before {
		t.Errorf("%s, then %s", before, p.i.state())
	}
}
