package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
	"unsafe"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/sa"
)

// Weaknesses of other implementations that no other test of the engine names.

// opening is the initiator's IKE_SA_INIT, to change and to send again.
func opening(t *testing.T) (*pair, *message.Message, Datagram) {
	t.Helper()
	p := newPair(t, acceptConfig(t))
	if _, err := p.i.e.Initiate(peerConfig(t), p.now); err != nil {
		t.Fatal(err)
	}
	d := p.i.take()[0]
	return p, must1(message.Parse(d.Data)), d
}

// TestCVE_2009_1957: after an IKE_SA_INIT that cannot be used there is nothing for
// any later exchange to meet, whatever keys it is sealed with.
func TestCVE_2009_1957(t *testing.T) {
	other := newPair(t, acceptConfig(t))
	other.establish(peerConfig(t))
	other.rekeyChild(other.i)
	other.settle()
	other.rekeyIKE(other.i)
	other.settle()
	for name, change := range mangled() {
		p, m, d := opening(t)
		m.Payloads = change(m.Payloads)
		d.Data = must1(m.Marshal())
		p.hand(flight{p.i, p.r, d})
		p.r.take()
		before := p.r.state()
		for _, f := range other.tap {
			if f.from != other.i || opens(f.kind()) {
				continue
			}
			for _, spiR := range []uint64{0, 1, binary.BigEndian.Uint64(f.d.Data[8:])} {
				late := d
				late.Data = bytes.Clone(f.d.Data)
				binary.BigEndian.PutUint64(late.Data, uint64(m.SPIi))
				binary.BigEndian.PutUint64(late.Data[8:], spiR)
				p.hand(flight{p.i, p.r, late})
			}
		}
		if p.r.take(); p.r.state() != before || len(p.r.e.sas) != 0 {
			t.Errorf("%s: %s, and then %s", name, before, p.r.state())
		}
	}
}

// strangeTypes are payload types that mean nothing in IKEv2, or not yet.
func strangeTypes() (kinds []message.PayloadType) {
	for k := range message.PayloadType(255) {
		if k > 0 && (k < message.PayloadSA || k > message.PayloadEAP) && k != message.PayloadSKF {
			kinds = append(kinds, k)
		}
	}
	return append(kinds, 255)
}

// TestCVE_2015_3991: the types of IKEv1 and the private ones are unknown payloads, in
// each exchange: left out of account, or, if critical, the end of the message.
func TestCVE_2015_3991(t *testing.T) {
	for _, k := range strangeTypes() {
		for _, critical := range []bool{false, true} {
			strange := &message.Unknown{Kind: k, Critical: critical, Data: []byte{0, 0, 0, 1}}
			p, m, d := opening(t)
			m.Payloads = append([]message.Payload{strange}, m.Payloads...)
			d.Data = must1(m.Marshal())
			p.hand(flight{p.i, p.r, d})
			if p.r.take(); (len(p.r.e.sas) == 1) == critical {
				t.Errorf("IKE_SA_INIT with %v, critical %v: %d IKE SAs", k, critical, len(p.r.e.sas))
			}
		}
	}
	eachSide(t, func(t *testing.T, p *pair, a, b *end) {
		for _, k := range strangeTypes() {
			for _, critical := range []bool{false, true} {
				strange := &message.Unknown{Kind: k, Critical: critical, Data: []byte{0, 0, 0, 1}}
				got, ok := p.tell(a, a.say(message.Informational, b.e.order[0].cur.recvID, false, strange))
				n := childError(got)
				if !ok || (n != nil) != critical || critical && (n.Kind != message.UnsupportedCriticalPayload || !bytes.Equal(n.Data, []byte{byte(k)})) {
					t.Errorf("a request with %v, critical %v: %+v", k, critical, got)
				}
				a.e.order[0].cur.sendID++
			}
		}
		p.steady()
	})
}

// TestCVE_2022_34721: vendor ids of any length, in the clear and protected.
func TestCVE_2022_34721(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 4096, 7000, MaxInit, 60000} {
		vendor := &message.VendorID{Data: make([]byte, n)}
		p, m, d := opening(t)
		m.Payloads = append(m.Payloads, vendor)
		d.Data = must1(m.Marshal())
		p.hand(flight{p.i, p.r, d})
		if p.r.take(); (len(p.r.e.sas) == 1) != (len(d.Data) <= MaxInit) {
			t.Errorf("IKE_SA_INIT of %d octets: %d IKE SAs", len(d.Data), len(p.r.e.sas))
		}
		q, auth := halfway(t)
		ps := must1(q.r.e.open(q.r.e.order[0].cur, auth))
		q.hand(flight{q.i, q.r, q.i.say(message.IKEAuth, 1, false, append(ps, vendor)...)})
		if q.r.take(); count[SessionUp](q.r) != 1 {
			t.Errorf("IKE_AUTH with %d octets: %s", n, dump(q.r.events))
		}
	}
}

// TestCVE_2025_39965: an SPI of 0 to 255 names no SA (RFC 4303, Section 2.1), so the
// peer can neither offer it nor answer with it.
func TestCVE_2025_39965(t *testing.T) {
	for _, spi := range []uint32{0, 1, 2, 127, 128, 254, 255, 256} {
		good := spi > 255
		offer := func(t *testing.T) *message.SA {
			return crypt.Offer(espProposals(t, "aes128gcm16-esn"), binary.BigEndian.AppendUint32(nil, spi))
		}
		for _, rekey := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d offered, rekey %v", spi, rekey), func(t *testing.T) {
				p := newPair(t, acceptConfig(t))
				p.establish(peerConfig(t))
				ps := childRequest(t, 0)
				if rekey {
					ps = childRequest(t, p.i.only().SPIIn)
				}
				ps = replace(message.PayloadSA, func(message.Payload) []message.Payload { return []message.Payload{offer(t)} })(ps)
				got, _ := p.tell(p.i, p.i.say(message.CreateChildSA, p.r.e.order[0].cur.recvID, false, ps...))
				if n := childError(got); (n == nil) != good || len(p.r.in) == 2 != good {
					t.Errorf("%+v, %d pairs", n, len(p.r.in))
				}
			})
		}
		t.Run(fmt.Sprintf("%d answered", spi), func(t *testing.T) {
			eachSide(t, func(t *testing.T, p *pair, a, b *end) {
				c := a.only()
				p.rekeyChild(a)
				a.take()
				local, remote := c.LocalTS, c.RemoteTS
				p.answerWith(a, b, offer(t), &message.Nonce{Data: make([]byte, 32)}, tsPayload(false, local), tsPayload(true, remote))
				if made := count[ChildAdded](a) == 1; made != good {
					t.Errorf("made a pair: %v", made)
				}
			})
		})
	}
}

// TestCVE_2021_46873: who sets the clock moves no timer. Times that the engine
// compares have a monotonic reading, and go by that.
func TestCVE_2021_46873(t *testing.T) {
	const years = 10 * 365 * 24 * 3600
	for name, jump := range map[string]int64{"forward": years, "back": -years} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			p.now = time.Now() // with a monotonic reading
			c := peerConfig(t)
			c.Liveness, c.Rekey.IKE = 20*time.Second, time.Hour
			c.Rekey.Child = sa.Lifetime{SoftTime: 45 * time.Minute, HardTime: time.Hour}
			p.establish(c)
			next := p.i.e.Next()
			p.now = setClock(p.now, jump)
			for _, n := range []*end{p.i, p.r} {
				n.e.Tick(p.now)
			}
			p.settle()
			if got := p.i.e.Next(); !got.Equal(next) || p.i.theSession().Rekeys != 0 {
				t.Errorf("the next timer is due %v after it was", got.Sub(next))
			}
			p.advance(90 * time.Minute)
			if p.i.theSession().Rekeys == 0 {
				t.Error("no rekey in 90 minutes")
			}
			p.steady()
			p.close()
		})
	}
}

// setClock is t by a clock that was set forward by some seconds. Package time
// offers no way to make one: its first word holds the seconds since 1885 from bit 30
// on, beside the monotonic reading in the second.
func setClock(t time.Time, seconds int64) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall += uint64(seconds << 30)
	return t
}
