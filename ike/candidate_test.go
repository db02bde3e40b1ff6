package ike

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
)

// A forger watches an initiator and answers its IKE_SA_INIT in full.
type forger struct {
	p   *pair
	req *message.Message
	sas []forged

	next message.ExchangeType // what follows IKE_SA_INIT
}

type forged struct {
	spi message.SPI
	sk  *crypt.SK
}

func (f *forger) answer(spi message.SPI) {
	t := f.p.t
	t.Helper()
	in, err := readInit(f.req)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := crypt.Select(in.sa, f.p.i.e.order[0].ike, 0)
	if err != nil {
		t.Fatal(err)
	}
	public, shared, err := crypt.Respond(choice.DH, rand.Reader, in.ke.Data)
	if err != nil {
		t.Fatal(err)
	}
	nr := make([]byte, 32)
	nr[0] = byte(len(f.sas))
	keys, err := crypt.DeriveKeys(choice, crypt.KeyInput{Ni: in.nonce, Nr: nr, SPIi: f.req.SPIi, SPIr: spi, Shared: shared})
	if err != nil {
		t.Fatal(err)
	}
	sk, err := crypt.NewSK(keys, false)
	if err != nil {
		t.Fatal(err)
	}
	m := message.Message{
		Header: message.Header{SPIi: f.req.SPIi, SPIr: spi, Exchange: message.IKESAInit, Flags: message.FlagResponse},
		Payloads: append([]message.Payload{choice.Answer(nil), &message.KE{Group: choice.DH, Data: public}, &message.Nonce{Data: nr}},
			support{intermediate: true}.notifies()...),
	}
	data, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	f.next = message.IKEAuth
	if len(choice.More()) > 0 {
		f.next = message.IKEIntermediate
	}
	f.sas = append(f.sas, forged{spi, sk})
	f.p.i.e.Receive(Datagram{Path: Path{Local: addrI, Remote: addrR}, Data: data}, f.p.now)
	f.p.flush()
}

// refuse answers the IKE_AUTH or IKE_INTERMEDIATE that the i-th forged answer
// brought about.
func (f *forger) refuse(i int) {
	f.p.t.Helper()
	h := message.Header{SPIi: f.req.SPIi, SPIr: f.sas[i].spi, Exchange: f.next, Flags: message.FlagResponse, MessageID: 1}
	data, err := f.sas[i].sk.Seal(h, []message.Payload{&message.Notify{Kind: message.AuthenticationFailed}})
	if err != nil {
		f.p.t.Fatal(err)
	}
	f.p.i.e.Receive(Datagram{Path: Path{Local: addrI, Remote: addrR}, Data: data}, f.p.now)
	f.p.flush()
}

func newForger(t *testing.T, hybrid bool) (*forger, SessionID) {
	t.Helper()
	c, a := peerConfig(t), acceptConfig(t)
	if hybrid {
		c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_mlkem768")
		a.IKE = c.IKE
	}
	p := newPair(t, a)
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		t.Fatal(err)
	}
	p.flush()
	req, err := message.Parse(p.wire[0].d.Data)
	if err != nil {
		t.Fatal(err)
	}
	return &forger{p: p, req: req}, id
}

// A complete forged answer to IKE_SA_INIT does not hinder the real one,
// whichever comes first, nor does an IKE_AUTH that its sender refuses (RFC 7296,
// Sections 2.4 and 2.21.1).
func TestForgedCompleteInit(t *testing.T) {
	tests := map[string]func(f *forger){
		"before":   func(f *forger) { f.answer(0x666); f.p.settle() },
		"several":  func(f *forger) { f.answer(0x666); f.answer(0x667); f.answer(0x668); f.p.settle() },
		"after":    func(f *forger) { f.p.deliver(0); f.p.deliver(0); f.answer(0x666); f.p.settle() },
		"too many": func(f *forger) { f.p.deliver(0); f.p.deliver(0); f.flood(); f.p.settle() },
		"same SPI": func(f *forger) { f.p.deliver(0); f.answer(f.p.r.e.order[0].cur.spiR); f.p.settle() },
		"refusing": func(f *forger) { f.answer(0x666); f.p.deliver(0); f.p.deliver(1); f.refuse(0); f.p.settle() },
		"refusing late": func(f *forger) {
			f.p.deliver(0)
			f.p.deliver(0)
			f.answer(0x666)
			f.refuse(0)
			f.p.settle()
		},
		"lost at first": func(f *forger) {
			f.p.deliver(0)
			f.p.deliver(0)
			f.answer(0x666)
			f.p.wire = nil // the real IKE_AUTH too
			f.p.advance(10 * time.Second)
		},
	}
	for name, do := range tests {
		for _, hybrid := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hybrid %v", name, hybrid), func(t *testing.T) {
				testForged(t, do, hybrid)
			})
		}
	}
}

func testForged(t *testing.T, do func(f *forger), hybrid bool) {
	f, id := newForger(t, hybrid)
	do(f)
	if !f.p.i.up[id] {
		t.Fatalf("%s", dump(f.p.i.events))
	}
	if s := f.p.i.e.order[0]; len(s.others) != 0 || s.init != nil || len(f.p.i.spis.taken) != 1 {
		t.Errorf("left: %d candidates, SPIs %v", len(s.others), f.p.i.spis.taken)
	}
	f.p.steady()
	f.p.close()
}

func (f *forger) flood() {
	for i := range message.SPI(20) {
		f.answer(0x700 + i)
	}
	if n := len(f.p.i.e.order[0].others); n != maxCandidates-1 {
		f.p.t.Errorf("%d candidates wait", n)
	}
}

// Only forged answers: the attempt fails, and nothing is left.
func TestForgedInitAlone(t *testing.T) {
	f, _ := newForger(t, false)
	f.p.wire = nil
	f.p.drop = func(flight) bool { return true }
	f.answer(0x666)
	f.answer(0x667)
	f.refuse(1)
	if count[SessionFailed](f.p.i) != 0 {
		t.Error("one refusal of two ends the attempt")
	}
	f.p.advance(time.Minute)
	if count[SessionFailed](f.p.i) != 1 {
		t.Errorf("%s", dump(f.p.i.events))
	}
	f.p.empty()
}

// A forged request for a cookie makes a second half-open IKE SA at the peer,
// and the answers to both requests arrive.
func TestForgedCookie(t *testing.T) {
	f, id := newForger(t, false)
	f.p.answerInit(f.req, &message.Notify{Kind: message.Cookie, Data: []byte("forged")})
	f.p.settle()
	if !f.p.i.up[id] {
		t.Fatalf("%s", dump(f.p.i.events))
	}
	f.p.advance(time.Minute)
	f.p.steady()
	f.p.close()
}

// Transport mode through a NAT is refused with a reason (RFC 7296, Section
// 2.23.1 is not implemented).
func TestTransportThroughNAT(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	c.Mode, c.VirtualIP4 = esp.Transport, false
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.wire[0].d.Path.Local = netip.MustParseAddrPort("198.51.100.9:1024")
	p.deliver(0)
	p.drop = func(f flight) bool { return f.from == p.i } // repetitions
	p.advance(2 * time.Second)
	ev, ok := last[SessionFailed](p.i)
	want := "ike: sg1: IKE_SA_INIT: a NAT translates the address 192.0.2.100, which transport mode does not survive: use tunnel mode"
	if !ok || ev.Err.Error() != want {
		t.Errorf("%s", dump(p.i.events))
	}
	p.empty()
}
