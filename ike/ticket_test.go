package ike

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/ike/message"
	"warren/sa"
)

// slowPRF is prf of prfsha256 (RFC 7296, Section 2.13).
func slowPRF(key []byte, data ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(bytes.Join(data, nil))
	return m.Sum(nil)
}

// TestResumedOnTheWire reads IKE_AUTH of a resumed session with nothing but SK_d of
// the old one and the formulas of RFC 5723, Sections 4.3.3 and 5.1, RFC 7296,
// Sections 2.14 and 2.15, and RFC 5282.
func TestResumedOnTheWire(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	p.interrupt()
	seed := reflect.ValueOf(p.i.e.tickets.kept[0].seed).FieldByName("old").FieldByName("p").Elem().Elem()
	skd := bytes.Clone(seed.FieldByName("d").Bytes())
	from := len(p.tap)
	p.comesBack(c, wasResumed)
	request, response, auth := p.tap[from].d.Data, p.tap[from+1].d.Data, p.tap[from+2].d.Data
	nonce := func(data []byte) []byte {
		m, err := message.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := message.Get[*message.Nonce](m.Payloads)
		return n.Data
	}
	ni, nr := nonce(request), nonce(response)
	skeyseed := slowPRF(skd, []byte("Resumption"), ni, nr)
	spis := response[:16]
	var keys, block []byte
	for i := byte(1); len(keys) < 32+2*20+2*32; i++ {
		block = slowPRF(skeyseed, block, ni, nr, spis, []byte{i})
		keys = append(keys, block...)
	}
	skei, skpi := keys[32:32+20], keys[32+40:32+40+32] // after SK_d, without SK_a, which an AEAD has not

	aes128, err := aes.NewCipher(skei[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(aes128)
	if err != nil {
		t.Fatal(err)
	}
	body := auth[28+4:] // behind the IKE header and that of the SK payload
	plain, err := gcm.Open(nil, slices.Concat(skei[16:], body[:8]), body[8:], auth[:32])
	if err != nil {
		t.Fatalf("SK_ei of the formulas does not open IKE_AUTH: %v", err)
	}
	plain = plain[:len(plain)-1-int(plain[len(plain)-1])]
	ps, err := message.ParsePayloads(message.PayloadType(auth[28]), plain)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := message.Get[*message.Auth](ps)
	idi := append([]byte{2, 0, 0, 0}, "alice.example"...) // ID_FQDN
	want := slowPRF(skpi, request, nr, slowPRF(skpi, idi))
	if !bytes.Equal(got.Data, want) || got.Method != message.AuthPSK {
		t.Errorf("AUTH is %v %x, want %x", got.Method, got.Data, want)
	}
	if message.Count(ps, message.PayloadCert) != 0 || message.GetNotify(ps, message.TicketRequest) == nil {
		t.Error("IKE_AUTH has a certificate, or asks for no other ticket")
	}
}

// TestHostileTickets: whatever is presented that is no ticket of this responder gets
// TICKET_NACK and leaves nothing behind.
func TestHostileTickets(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a, func(_, r *Options) { r.InitRate = 1 << 20 })
	p.establish(c)
	good := p.i.e.order[0].resumption.ticket.ref
	elsewhere := newSeededPair(t, 5, a)
	elsewhere.establish(c)
	tickets := [][]byte{elsewhere.i.e.order[0].resumption.ticket.ref, append(bytes.Clone(good), 0), good[1:],
		append([]byte{0}, good...), make([]byte, 7000)}
	for n := 1; n <= 300; n++ {
		tickets = append(tickets, bytes.Repeat([]byte{0xa5}, n))
	}
	for n := 1; n < len(good); n++ {
		tickets = append(tickets, good[:n])
	}
	for bit := range 8 * len(good) {
		flipped := bytes.Clone(good)
		flipped[bit/8] ^= 1 << (bit % 8)
		tickets = append(tickets, flipped)
	}
	before, known := p.r.state(), len(p.r.e.tickets.issued)
	for _, ref := range tickets {
		answer := p.present(&message.Nonce{Data: make([]byte, 32)}, &message.Notify{Kind: message.TicketOpaque, Data: ref})
		if answer == nil || !answer.nack(t) || len(answer.d.Data) > 28+8 {
			t.Fatalf("ticket %x is answered by %v", ref, answer)
		}
	}
	if p.r.state() != before || len(p.r.e.tickets.issued) != known || p.r.e.refused[RefusedTicket] != uint64(len(tickets)) {
		t.Errorf("state %s, and %s before; %d refused of %d", p.r.state(), before, p.r.e.refused[RefusedTicket], len(tickets))
	}

	malformed := map[string][]message.Payload{
		"no nonce":      {&message.Notify{Kind: message.TicketOpaque, Data: good}},
		"two nonces":    {&message.Nonce{Data: make([]byte, 32)}, &message.Nonce{Data: make([]byte, 32)}, &message.Notify{Kind: message.TicketOpaque, Data: good}},
		"a short nonce": {&message.Nonce{Data: make([]byte, 15)}, &message.Notify{Kind: message.TicketOpaque, Data: good}},
		"a long nonce":  {&message.Nonce{Data: make([]byte, 257)}, &message.Notify{Kind: message.TicketOpaque, Data: good}},
		"no ticket":     {&message.Nonce{Data: make([]byte, 32)}},
		"an empty one":  {&message.Nonce{Data: make([]byte, 32)}, &message.Notify{Kind: message.TicketOpaque}},
		"nothing":       nil,
		"critical":      {&message.Unknown{Kind: 200, Critical: true}},
	}
	for name, ps := range malformed {
		if answer := p.present(ps...); answer != nil && answer.nack(t) || p.r.state() != before {
			t.Errorf("%s: answered by %v, state %s", name, answer, p.r.state())
		}
	}
	if p.r.e.refused[RefusedMalformed] != uint64(len(malformed)) {
		t.Errorf("%d of %d were malformed", p.r.e.refused[RefusedMalformed], len(malformed))
	}
	p.interrupt() // and the good one is still good
	p.comesBack(c, wasResumed)
}

// present sends the responder an IKE_SESSION_RESUME, and returns its answer.
func (p *pair) present(ps ...message.Payload) *flight {
	p.t.Helper()
	m := message.Message{Header: message.Header{SPIi: message.SPI(len(p.tap) + 1), Exchange: message.IKESessionResume, Flags: message.FlagInitiator}, Payloads: ps}
	data, err := m.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	p.r.e.Receive(Datagram{Path: Path{Local: addrR, Remote: addrI}, Data: data}, p.now)
	out := p.r.take()
	if len(out) == 0 {
		return nil
	}
	return &flight{p.r, p.i, out[0]}
}

// TestStrangeTickets: what an initiator takes for a ticket.
func TestStrangeTickets(t *testing.T) {
	lasts := func(seconds uint32, ref ...byte) *message.Notify {
		return &message.Notify{Kind: message.TicketLTOpaque, Data: append(binary.BigEndian.AppendUint32(nil, seconds), ref...)}
	}
	tests := map[string]struct {
		n    *message.Notify
		life time.Duration // zero means that none is taken
	}{
		"good":           {lasts(3600, 1, 2, 3), time.Hour},
		"one octet":      {lasts(3600, 1), time.Hour},
		"for ever":       {lasts(1<<32-1, 1), 4 * time.Hour}, // as long as the IKE SA
		"over already":   {lasts(0, 1), 0},
		"the longest":    {lasts(60, make([]byte, maxRef)...), time.Minute},
		"too long":       {lasts(60, make([]byte, maxRef+1)...), 0},
		"empty":          {lasts(60), 0},
		"no lifetime":    {&message.Notify{Kind: message.TicketLTOpaque, Data: []byte{1, 2, 3}}, 0},
		"no data":        {&message.Notify{Kind: message.TicketLTOpaque}, 0},
		"TICKET_NACK":    {&message.Notify{Kind: message.TicketNACK}, 0},
		"not as offered": {&message.Notify{Kind: message.TicketOpaque, Data: []byte{1, 2, 3, 4, 5}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			a.Resumption = false
			p := newPair(t, a)
			p.establish(c)
			s := p.i.e.order[0]
			if s.resumption.ticket != nil || len(p.r.e.tickets.issued) != 0 {
				t.Fatal("a ticket was given where none are")
			}
			askTicket{}.done(p.i.e, s.cur, []message.Payload{tt.n}, nil, p.now)
			got := s.resumption.ticket
			if taken := got != nil && !got.ended(p.now); taken != (tt.life > 0) || taken && got.until != p.now.Add(tt.life) {
				t.Errorf("taken: %+v", got)
			}
		})
	}
}

// TestTicketFollowsRekey: a ticket is of one IKE SA. When either end rekeys that, the
// old one is worth nothing and the initiator asks for another.
func TestTicketFollowsRekey(t *testing.T) {
	for _, byResponder := range []bool{false, true} {
		c, a := resumable(t)
		p := newPair(t, a)
		p.establish(c)
		old := p.i.e.order[0].resumption.ticket
		if byResponder {
			p.rekeyIKE(p.r)
		} else {
			p.rekeyIKE(p.i)
		}
		p.advance(time.Millisecond)
		fresh := p.i.e.order[0].resumption.ticket
		if fresh == nil || fresh == old || bytes.Equal(fresh.ref, old.ref) || len(p.r.e.tickets.issued) != 1 {
			t.Fatalf("by the responder %v: no other ticket; the responder knows %d", byResponder, len(p.r.e.tickets.issued))
		}
		if answer := p.present(&message.Nonce{Data: make([]byte, 32)}, &message.Notify{Kind: message.TicketOpaque, Data: old.ref}); !answer.nack(t) {
			t.Errorf("by the responder %v: the old ticket is still good", byResponder)
		}
		p.interrupt()
		p.comesBack(c, wasResumed)
	}
}

// TestTicketLater: a responder that gives no ticket now is asked once more, and one
// that is asked in a rekey says to ask later (RFC 5723, Section 4.1).
func TestTicketLater(t *testing.T) {
	for want, gives := range map[message.NotifyType]bool{message.TicketACK: true, message.TicketNACK: false} {
		c, a := peerConfig(t), acceptConfig(t)
		c.Resumption, a.Resumption = true, gives
		p := newPair(t, a)
		p.establish(c)
		s := p.i.e.order[0]
		ps, ok := p.tell(p.i, p.i.say(message.CreateChildSA, s.cur.sendID, false, append(ikeRekeyRequest(t), &message.Notify{Kind: message.TicketRequest})...))
		if !ok || message.GetNotify(ps, want) == nil {
			t.Errorf("a rekey that asks is answered by %v, want %v", ps, want)
		}
		if got := p.i.e.takeTicket(s, ps, p.now); got != gives {
			t.Errorf("%v is followed by a request: %v", want, got)
		}
	}
}

// TestTicketLifetime: however often a session is resumed, its key exchange and the
// proof of identity serve no longer.
func TestTicketLifetime(t *testing.T) {
	tests := map[string]struct {
		own, peer Rekey
		most      time.Duration
	}{
		"the IKE SA here":      {Rekey{IKE: time.Hour}, Rekey{IKE: 4 * time.Hour}, time.Hour},
		"the IKE SA there":     {Rekey{IKE: 4 * time.Hour}, Rekey{IKE: time.Hour}, time.Hour},
		"authentication here":  {Rekey{IKE: 4 * time.Hour, Reauth: 2 * time.Hour}, Rekey{IKE: 4 * time.Hour}, 2 * time.Hour},
		"authentication there": {Rekey{IKE: 4 * time.Hour}, Rekey{IKE: 4 * time.Hour, Reauth: 2 * time.Hour}, 2 * time.Hour},
		"none":                 {Rekey{}, Rekey{}, ticketLife},
		"a very long one":      {Rekey{IKE: 1000 * time.Hour}, Rekey{IKE: 1000 * time.Hour}, maxTicket},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := resumable(t)
			c.Rekey, a.Rekey = tt.own, tt.peer
			c.Rekey.Jitter, a.Rekey.Jitter = -1, -1
			p := newPair(t, a)
			p.establish(c)
			began := p.now
			for p.now.Sub(began) < tt.most-tt.most/7-4*time.Second {
				p.advance(tt.most / 7)
				p.interrupt()
				p.comesBack(c, wasResumed)
			}
			if at := p.i.e.order[0].cur.rekeyAt; tt.own.IKE > 0 && !at.Equal(began.Add(tt.own.IKE)) {
				t.Errorf("the IKE SA is to be rekeyed at %v, %v after the key exchange", at, at.Sub(began))
			}
			p.interrupt()
			p.forgets()
			p.advance(tt.most - p.now.Sub(began))
			p.comesBack(c, inFull)
		})
	}
}

// TestResumedReauth: a resumed session is authenticated anew when the first one would
// have been, in full.
func TestResumedReauth(t *testing.T) {
	c, a := resumable(t)
	c.Rekey.Reauth = 2 * time.Hour
	p := newPair(t, a)
	p.establish(again(c))
	p.advance(time.Hour)
	p.interrupt()
	p.comesBack(again(c), wasResumed)
	from := len(p.tap)
	p.advance(time.Hour)
	if got := p.askedFor(from); got != inFull+" INFORMATIONAL" || p.i.theSession().Reauths != 1 || p.i.theSession().Resumed {
		t.Errorf("exchanges %s, session %+v", got, p.i.theSession())
	}
	p.interrupt()
	p.comesBack(again(c), wasResumed)
}

// TestResumeKeepsThePPK: it is in SK_d, and who needs it does not lose it.
func TestResumeKeepsThePPK(t *testing.T) {
	for _, childless := range []Childless{ChildlessNever, ChildlessForce} {
		keepsThePPK(t, childless)
	}
}

func keepsThePPK(t *testing.T, childless Childless) {
	t.Helper()
	c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, true), map[string]string{ppkID: ppkSecret}, true)
	c.Resumption, a.Resumption, c.Childless = true, true, childless
	p := newPair(t, a)
	p.establish(c)
	p.advance(time.Second)
	p.interrupt()
	from := len(p.tap)
	want := wasResumed
	if childless == ChildlessForce {
		want += " CREATE_CHILD_SA" // and no rekey of the IKE SA first
	}
	p.comesBack(c, want)
	for _, n := range []*end{p.i, p.r} {
		if s := n.theSession(); !s.PPK || !s.Resumed {
			t.Errorf("%s: %+v", n.name, s)
		}
	}
	p.interrupt()
	p.r.e.opt.Accept[0].PPK = func(string) ([]byte, bool) { return []byte("another secret, of thirty-two octets"), true }
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.advance(time.Second)
	if f, ok := last[SessionFailed](p.i); !ok || f.PeerReason != "AUTHENTICATION_FAILED" {
		t.Errorf("a PPK that has changed: %s; exchanges %s", dump(p.i.events), p.askedFor(from))
	}
}

// TestResumeInside: an inner session is resumed through an outer one that was. What
// came through the old one ends with it, and can be resumed too.
func TestResumeInside(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.vias = map[sa.Layer]sa.Layer{}
	p.chainBy(c, time.Millisecond)
	leases := a.Pool.Leases()
	p.interrupt()
	p.chainBy(c, time.Millisecond)
	if len(p.r.e.order) != 4 || len(p.r.out) != 4 || !slices.Equal(a.Pool.Leases(), leases) {
		t.Errorf("%d sessions, %d layers, leases %v, and %v before", len(p.r.e.order), len(p.r.out), a.Pool.Leases(), leases)
	}
	for _, s := range p.r.e.Sessions() {
		if !s.Resumed {
			t.Errorf("%+v was not resumed", s)
		}
	}
	p.agree()
}

// TestTicketsAreWiped: nothing is left of a session that was deleted.
func TestTicketsAreWiped(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	mine, theirs := p.i.e.order[0].resumption.ticket, p.r.e.order[0].resumption.ticket
	p.i.quiet, p.r.quiet = true, true
	noError(p, p.i.e.Delete(p.i.session(), p.now))
	p.settle()
	for _, x := range []*ticket{mine, theirs} {
		if x.seed.Choice(); !wiped(x) {
			t.Error("SK_d is still there")
		}
	}
	if len(p.r.e.tickets.issued) != 0 || len(p.i.e.tickets.kept) != 0 {
		t.Error("tickets are remembered")
	}
}

func wiped(x *ticket) bool {
	d := reflect.ValueOf(x.seed).FieldByName("old").FieldByName("p").Elem().Elem().FieldByName("d").Bytes()
	return bytes.Equal(d, make([]byte, len(d)))
}

// TestTicketsAreBounded: an initiator keeps so many, a responder gives no more than it
// knows room for.
func TestTicketsAreBounded(t *testing.T) {
	c, a := resumable(t)
	p := newPair(t, a)
	p.establish(c)
	first := p.i.e.order[0].resumption.ticket
	p.i.e.keep(first, p.now)
	for range maxKept {
		p.i.e.keep(&ticket{}, p.now)
	}
	if len(p.i.e.tickets.kept) != maxKept || !wiped(first) {
		t.Errorf("%d tickets are kept, the first is wiped: %v", len(p.i.e.tickets.kept), wiped(first))
	}
	for i := range maxIssued {
		key := [32]byte{1, byte(i), byte(i >> 8), byte(i >> 16)}
		p.r.e.tickets.issued[key] = &ticket{key: key, until: p.now.Add(time.Minute)}
	}
	ps := p.r.e.answerTicket(p.r.e.order[0], []message.Payload{&message.Notify{Kind: message.TicketRequest}}, p.now)
	if len(ps) != 1 || message.GetNotify(ps, message.TicketNACK) == nil {
		t.Errorf("one more is answered by %v", ps)
	}
	p.advance(3 * time.Minute)
	if n := len(p.r.e.tickets.issued); n != 0 {
		t.Errorf("%d tickets outlive their end", n)
	}
}

// FuzzResume presents what the fuzzer likes in place of a good IKE_SESSION_RESUME, and
// of IKE_AUTH after it. A good ticket may make a half-open IKE SA, nothing else may.
func FuzzResume(f *testing.F) {
	f.Add([]byte{}, uint16(0), false)
	f.Add([]byte{0xff}, uint16(7), false)
	f.Add([]byte{1, 2, 3}, uint16(80), false)
	f.Add([]byte{0, 0}, uint16(100), false)
	f.Add([]byte{0, 0, 0, 1}, uint16(35), true)
	f.Add([]byte{0x29, 0, 0, 8}, uint16(41), true)
	f.Fuzz(func(t *testing.T, patch []byte, at uint16, keyed bool) {
		c, a := resumable(t)
		c.IKE, a.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519"), ikeProposals(t, "aes128gcm16-prfsha256-x25519")
		p := newPair(t, a)
		p.establish(c)
		p.interrupt()
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		if keyed {
			p.deliver(0)
			p.deliver(0)
			p.wire = nil
			p.fuzzInside(p.tap[len(p.tap)-1], patch, int(at))
		} else {
			orig := p.wire[0]
			p.wire = nil
			ref := p.i.e.order[0].resumption.spare.ref
			before, half := p.r.state(), p.r.e.halfOpen
			orig.d.Data = overlay(orig.d.Data, patch, int(at))
			p.hand(orig)
			p.r.take()
			if good := bytes.Contains(orig.d.Data, ref); p.r.e.halfOpen != half && !good || p.r.e.halfOpen == half && p.r.state() != before {
				t.Errorf("%x made %s of %s", orig.d.Data, p.r.state(), before)
			}
		}
		p.advance(time.Minute)
		for _, n := range []*end{p.i, p.r} {
			if n.e.halfOpen != 0 || len(n.spis.twice) != 0 || len(n.e.sas) > 1 {
				t.Errorf("%s: %d half-open, %d IKE SAs, SPIs freed twice %v", n.name, n.e.halfOpen, len(n.e.sas), n.spis.twice)
			}
		}
	})
}

// Whatever is lost, doubled, delayed or replayed while a session is interrupted and
// resumed again and again: nothing leaks, and in the end both have the same one.
func TestRandomResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, a := peerConfig(t), acceptConfig(t)
		c.Resumption, a.Resumption = true, rapid.IntRange(0, 9).Draw(t, "gives") > 0
		a.Liveness, c.Liveness = 10*time.Second, 10*time.Second
		p := newSeededPair(t, rapid.Uint64Range(1, 1<<20).Draw(t, "seed"), a)
		p.i.quiet, p.r.quiet = true, true
		index := func() int {
			if len(p.wire) == 0 {
				t.Skip("nothing under way")
			}
			return rapid.IntRange(0, len(p.wire)-1).Draw(t, "message")
		}
		deliver := func(*rapid.T) { p.deliver(index()) }
		t.Repeat(map[string]func(*rapid.T){
			"deliver": deliver, "deliver too": deliver, "deliver again": deliver,
			"all":    func(*rapid.T) { p.settle() },
			"drop":   func(*rapid.T) { i := index(); p.wire = slices.Delete(p.wire, i, i+1) },
			"double": func(*rapid.T) { p.wire = append(p.wire, p.wire[index()]) },
			"replay": func(t *rapid.T) {
				if len(p.tap) > 0 {
					p.hand(rapid.SampledFrom(p.tap).Draw(t, "old message"))
					p.flush()
				}
			},
			"wait": func(t *rapid.T) {
				p.now = p.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
				p.i.e.Tick(p.now)
				p.r.e.Tick(p.now)
				p.flush()
			},
			"rekey": func(t *rapid.T) {
				n := rapid.SampledFrom([]*end{p.i, p.r}).Draw(t, "end")
				for _, s := range n.e.Sessions() {
					_ = n.e.RekeyIKE(s.ID, p.now)
				}
				p.flush()
			},
			"come": func(t *rapid.T) {
				p.interrupt()
				if _, err := p.i.e.Initiate(c, p.now); err != nil {
					t.Fatal(err)
				}
				p.flush()
			},
		})
		p.advance(3 * time.Minute)
		p.agree()
		if len(p.i.e.order) != len(p.r.e.order) || len(p.i.e.order) > 1 || p.r.e.halfOpen != 0 {
			t.Fatalf("%d and %d sessions, %d half-open\n%s\n%s", len(p.i.e.order), len(p.r.e.order), p.r.e.halfOpen, dump(p.i.events), dump(p.r.events))
		}
		for _, n := range []*end{p.i, p.r} {
			if len(n.spis.taken) != len(n.in) || len(n.spis.twice) != 0 || len(n.e.sas) != len(n.e.order) {
				t.Fatalf("%s: SPIs %v, pairs %d, freed twice %v, %d IKE SAs", n.name, n.spis.taken, len(n.in), n.spis.twice, len(n.e.sas))
			}
		}
		if n := len(p.r.e.tickets.issued); n > len(p.i.e.tickets.kept)+len(p.i.e.order)+1 {
			t.Fatalf("the responder knows %d tickets, %d are kept", n, len(p.i.e.tickets.kept))
		}
	})
}
