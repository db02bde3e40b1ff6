package ike

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

type saState uint8

const (
	saInit     saState = iota // initiator, keys not agreed on yet
	saHalf                    // keys agreed on, peer not authenticated yet
	saUp                      // both ends authenticated
	saReplaced                // rekeyed, or redundant: only a DELETE is missing
	saClosed                  // repeats its last response, nothing else
)

// An ikeSA is one IKE SA. A session has one that it uses, and while rekeying
// others on their way in or out.
type ikeSA struct {
	sess       *session
	state      saState
	initiator  bool // original initiator of this IKE SA: sets the I flag
	spiI, spiR message.SPI
	choice     crypt.Choice
	keys       crypt.Keys
	sk         *crypt.SK

	sendID uint32 // of the next request
	out    *exchange
	queue  []task

	recvID   uint32            // of the next request of the peer
	part     *reassembly       // the fragments of it that are there
	lastReq  [sha256.Size]byte // its previous one, or the first fragment of that
	lastKind message.ExchangeType
	resp     [][]byte // the answer to lastReq, in datagrams

	promises  []*promise
	initKey   *initKey // in Engine.inits
	counted   bool     // in Engine.halfOpen
	born      time.Time
	exchanged time.Time // the key exchange that its keys come from
	rekeyAt   time.Time
	hardAt    time.Time
	dropAt    time.Time // saReplaced: the peer did not delete it in time
	grave     timer     // saClosed
}

// own is the SPI that this node chose.
func (sa *ikeSA) own() message.SPI {
	if sa.initiator {
		return sa.spiI
	}
	return sa.spiR
}

func (sa *ikeSA) flags(response bool) message.Flags {
	var f message.Flags
	if sa.initiator {
		f |= message.FlagInitiator
	}
	if response {
		f |= message.FlagResponse
	}
	return f
}

// setKeys arms sa with its keys, or wipes them.
func (sa *ikeSA) setKeys(c crypt.Choice, k crypt.Keys) error {
	sk, err := crypt.NewSK(k, sa.initiator)
	if err != nil {
		k.Wipe()
		return err
	}
	sa.choice, sa.keys, sa.sk = c, k, sk
	return nil
}

// protect makes ps a message of sa, in fragments if it is too long for its
// path.
func (e *Engine) protect(sa *ikeSA, kind message.ExchangeType, id uint32, response bool, ps []message.Payload) ([][]byte, error) {
	p, err := crypt.PlainOf(ps)
	if err != nil {
		return nil, err
	}
	data, err := sa.sk.SealFragments(message.Header{
		SPIi: sa.spiI, SPIr: sa.spiR, Exchange: kind, Flags: sa.flags(response), MessageID: id,
	}, p, e.fragmentSize(sa.sess, len(p.Data)))
	if err == nil && kind == message.IKEIntermediate {
		err = sa.cover(sa.initiator, data[0], p)
	}
	return data, err
}

// newSA adds an IKE SA to the session. spi is this node's.
func (e *Engine) newSA(s *session, initiator bool, spi message.SPI, now time.Time) *ikeSA {
	sa := &ikeSA{sess: s, initiator: initiator, born: now, exchanged: now}
	if initiator {
		sa.spiI = spi
	} else {
		sa.spiR = spi
	}
	e.sas[spi] = sa
	s.sas = append(s.sas, sa)
	return sa
}

// age sets the timers of an IKE SA that is up.
func (e *Engine) age(sa *ikeSA, now time.Time) {
	if r := sa.sess.rekey; r.IKE > 0 {
		sa.rekeyAt = e.rekeyTime(sa.sess, now, r.IKE)
		sa.hardAt = now.Add(r.IKE + r.IKE/4)
	}
}

// closeSA takes sa out of its session and wipes its keys. If it answered a
// request, it stays around to repeat that answer, which may have been lost; one
// whose peer failed to authenticate counts as half-open until then.
func (e *Engine) closeSA(sa *ikeSA, now time.Time) {
	if sa.state == saClosed {
		return
	}
	s := sa.sess
	if t, ok := currentTask(s.cur).(*rekeyIKE); ok && t.passive == sa {
		t.passive, t.theirs = nil, nil // no rival any more
	}
	s.sas = slices.DeleteFunc(s.sas, func(o *ikeSA) bool { return o == sa })
	out, queue := sa.out, sa.queue
	sa.out, sa.queue, sa.part, sa.state = nil, nil, nil, saClosed
	if out != nil {
		out.task.dropped(e, sa, now)
	}
	for _, t := range queue {
		t.dropped(e, sa, now)
	}
	e.breakPromises(sa, func(*promise) bool { return true })
	if sa.sk != nil {
		sa.keys.Wipe()
		sa.sk = nil
	}
	if sa.resp == nil {
		e.forgetSA(sa)
		return
	}
	sa.grave = timer{index: -1, fire: func(time.Time) { e.forgetSA(sa) }}
	e.timers.set(&sa.grave, now.Add(e.opt.Linger))
}

func (e *Engine) forgetSA(sa *ikeSA) {
	e.setHalfOpen(sa, false)
	delete(e.sas, sa.own())
	if sa.initKey != nil {
		delete(e.inits, *sa.initKey)
	}
}

// setHalfOpen keeps the count of half-open IKE SAs of this node as responder.
func (e *Engine) setHalfOpen(sa *ikeSA, half bool) {
	if sa.counted == half {
		return
	}
	from := source(sa.sess.proven)
	if sa.counted = half; half {
		e.halfOpen++
		e.halfFrom[from]++
		return
	}
	e.halfOpen--
	if e.halfFrom[from]--; e.halfFrom[from] == 0 {
		delete(e.halfFrom, from)
	}
}

// source is what one peer may be assumed to send from.
func source(a netip.Addr) netip.Prefix {
	if a = a.Unmap(); a.Is6() {
		return netip.PrefixFrom(a.WithZone(""), 64).Masked()
	}
	return netip.PrefixFrom(a, 32)
}

// crowded reports whether no further IKE SA from a may be half-open: one source,
// though it answers cookies, may not take all places.
func (e *Engine) crowded(a netip.Addr) bool {
	return e.halfOpen >= e.opt.MaxHalfOpen || e.halfFrom[source(a)] >= max(e.opt.MaxHalfOpen/8, 16)
}
