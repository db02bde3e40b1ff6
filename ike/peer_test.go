package ike

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
	"warren/sa"
)

// A hostile stands between two honest ends and has the keys of both: it hears all,
// and says to each what it likes in the other's name. It is the worst peer that
// there can be, and both ends are held to what is sound.
type hostile struct {
	*pair
	t     *rapid.T
	c     PeerConfig
	heard []crypt.Plain // what was inside messages, some of the last
	old   []flight      // datagrams, some of the last

	layers int // that were asked for
}

func newHostile(t *rapid.T) *hostile {
	c, a := hostileConfig(t)
	opt := func(i, r *Options) {
		if rapid.Bool().Draw(t, "cookies") {
			r.CookieThreshold = -1
		}
		if rapid.Bool().Draw(t, "small path") {
			small(400)(i, r)
		}
		r.Addresses = []netip.Addr{addrR.Addr(), elsewhereR}
	}
	p := newSeededPair(t, rapid.Uint64Range(1, 1<<20).Draw(t, "seed"), a, opt)
	p.i.quiet, p.r.quiet = true, true
	h := &hostile{pair: p, t: t, c: again(c)}
	h.initiate()
	return h
}

// hostileConfig is what two ends may have agreed on.
func hostileConfig(t *rapid.T) (c PeerConfig, a AcceptConfig) {
	switch rapid.IntRange(0, 5).Draw(t, "proofs") {
	case 0:
		c, a = eapPair(t)
	case 1:
		c, a = certPair(t, "ecdsa-p256", "ed25519")
	default:
		c, a = peerConfig(t), acceptConfig(t)
	}
	a.Liveness, c.Liveness = 10*time.Second, 10*time.Second
	a.MOBIKE, c.MOBIKE = true, rapid.Bool().Draw(t, "mobile")
	if rapid.IntRange(0, 2).Draw(t, "NAT") == 0 {
		c.Encap = EncapUDP // which feigns one
	}
	if c.Resumption = rapid.Bool().Draw(t, "tickets"); c.Resumption {
		a.Resumption, a.Rekey.IKE = true, 20*time.Minute
	}
	if rapid.IntRange(0, 3).Draw(t, "childless") == 0 {
		c.Childless = ChildlessPrefer
	}
	if rapid.IntRange(0, 3).Draw(t, "PPK") == 0 {
		withPPK(&c, &a, false, true)
	}
	switch rapid.IntRange(0, 3).Draw(t, "key exchanges") {
	case 1:
		a.ESP, c.ESP = espProposals(t, "aes128gcm16-x25519-ecp256"), espProposals(t, "aes128gcm16-ecp256-x25519")
	case 2:
		a.IKE, a.ESP = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_ecp256"), espProposals(t, "aes128gcm16-x25519-ke1_ecp256")
		c.IKE, c.ESP = a.IKE, a.ESP
	}
	return c, a
}

// initiate has the initiator open a session.
func (h *hostile) initiate() {
	if _, err := h.i.e.Initiate(h.c, h.now); err != nil {
		h.t.Fatal(err)
	}
	h.collect()
}

// comesBack has the initiator lose a session without a word, or all and come again.
func (h *hostile) comesBack(*rapid.T) {
	all := h.i.e.Sessions()
	if len(all) > 0 && rapid.Bool().Draw(h.t, "one") {
		all = all[:1]
	}
	for _, s := range all {
		for _, c := range s.Children {
			delete(h.i.in, c.SPIIn)
			if h.i.out[c.Layer] == c.SPIIn {
				delete(h.i.out, c.Layer)
			}
		}
		delete(h.i.up, s.ID)
		h.i.e.Abort(s.ID)
	}
	if len(h.i.e.Sessions()) == 0 { // a layer is of one session, and of the next
		h.initiate()
	}
}

// collect is flush, and listens.
func (h *hostile) collect() {
	n := len(h.tap)
	h.flush()
	for _, f := range h.tap[n:] {
		h.old = append(h.old, f)
		if p, ok := h.inside(f); ok {
			h.heard = append(h.heard, p)
		}
	}
	h.tap = nil
	h.old, h.heard = h.old[max(0, len(h.old)-24):], h.heard[max(0, len(h.heard)-24):]
	for _, n := range []*end{h.i, h.r} {
		n.strict()
	}
}

// inside opens a message as its receiver could.
func (h *hostile) inside(f flight) (crypt.Plain, bool) {
	m, err := message.Parse(f.d.Data)
	if err != nil {
		return crypt.Plain{}, false
	}
	if opens(m.Exchange) {
		p, err := crypt.PlainOf(m.Payloads)
		return p, err == nil
	}
	for _, sa := range f.to.e.sas {
		if sa.spiI == m.SPIi && sa.spiR == m.SPIr && sa.sk != nil {
			p, err := sa.sk.OpenPlain(m)
			return p, err == nil
		}
	}
	return crypt.Plain{}, false
}

// give hands one datagram to an end, as it came by p, and holds the end to what
// every one must do with it.
func (h *hostile) give(to *end, d Datagram) {
	h.t.Helper()
	before := to.take()
	in, inErr := message.ParseHeader(d.Data)
	to.rand.answering = true
	to.e.Receive(d, h.now)
	to.rand.answering = false
	out := to.take()
	answers := map[uint32]int{}
	for _, o := range out {
		hd, err := message.ParseHeader(o.Data)
		if err != nil {
			h.t.Fatalf("%s sends what is no message: %v", to.name, err)
		}
		if hd.IsResponse() {
			answers[hd.MessageID]++
			if inErr == nil && (in.IsResponse() || hd.MessageID != in.MessageID || hd.Exchange != in.Exchange) {
				h.t.Fatalf("%s answers %v %d with %v %d", to.name, in.Exchange, in.MessageID, hd.Exchange, hd.MessageID)
			}
		}
	}
	if len(answers) > 1 {
		h.t.Fatalf("%s answers more than once", to.name)
	}
	for _, o := range append(before, out...) {
		h.send(to, o)
	}
	h.collect()
}

// send puts what an end wants to send on the wire.
func (h *hostile) send(from *end, d Datagram) {
	f := flight{from, h.other(from), d}
	h.tap, h.wire = append(h.tap, f), append(h.wire, f)
}

// victim picks an IKE SA whose keys there are.
func (h *hostile) victim() (*end, *ikeSA) {
	n := rapid.SampledFrom([]*end{h.i, h.r}).Draw(h.t, "victim")
	var all []*ikeSA
	for _, s := range n.e.order {
		for _, sa := range s.sas {
			if sa.sk != nil {
				all = append(all, sa)
			}
		}
	}
	if len(all) == 0 {
		h.t.Skip("no keys")
	}
	return n, all[rapid.IntRange(0, len(all)-1).Draw(h.t, "IKE SA")]
}

func (h *hostile) wait(d time.Duration) {
	h.now = h.now.Add(d)
	for _, n := range []*end{h.i, h.r} {
		n.e.Tick(h.now)
	}
	h.collect()
}

// layer is one that nobody uses.
func (h *hostile) layer() sa.Layer {
	h.layers++
	return sa.Layer(900 + h.layers)
}

// own has an end do something by itself.
func (h *hostile) own(*rapid.T) {
	n := rapid.SampledFrom([]*end{h.i, h.r}).Draw(h.t, "end")
	what := rapid.IntRange(0, 10).Draw(h.t, "task")
	for _, s := range n.e.Sessions() {
		switch what {
		case 0:
			_ = n.e.RekeyIKE(s.ID, h.now)
		case 1:
			for _, c := range s.Children {
				_ = n.e.RekeyChild(s.ID, c.SPIIn, h.now)
			}
		case 2:
			_ = n.e.Liveness(s.ID, h.now)
		case 3:
			_ = n.e.Move(s.ID, rapid.SampledFrom([]netip.Addr{addrI.Addr(), elsewhereI, addrR.Addr(), elsewhereR}).Draw(h.t, "to"), h.now)
		case 4:
			_ = n.e.Reauthenticate(s.ID, h.now)
		case 5:
			for _, c := range s.Children {
				n.e.ChildUsed(s.ID, c.SPIIn, h.now)
			}
		case 6:
			for _, c := range s.Children[:min(len(s.Children), 1)] {
				_ = n.e.DeleteChild(s.ID, c.SPIIn, h.now)
			}
		case 7:
			if len(n.in) < 6 {
				_ = n.e.CreateChild(s.ID, ChildConfig{Layer: h.layer(), LocalTS: policy.Everything(), RemoteTS: policy.Everything()}, h.now)
			}
		case 8:
			if rapid.IntRange(0, 3).Draw(h.t, "really") == 0 {
				_ = n.e.Delete(s.ID, h.now)
			}
		case 9:
			n.e.Resume(s.ID, h.now)
		case 10:
			if n == h.r && rapid.IntRange(0, 3).Draw(h.t, "reload") == 0 {
				_ = n.e.SetAccept(n.e.opt.Accept, h.now)
			}
		}
	}
	h.collect()
}

// TestHostilePeer: whatever a peer with the keys says, in whatever state: no panic,
// one answer to a request and none to an answer, and books that balance after
// every step. In the end nothing is left.
func TestHostilePeer(t *testing.T) { rapid.Check(t, hostilePeer) }

// FuzzHostilePeer is TestHostilePeer led by coverage: the fuzzer's octets decide how
// it begins, and a hash of them how it goes on.
func FuzzHostilePeer(f *testing.F) {
	for i := range byte(16) {
		seed := make([]byte, 64*int(i))
		_, _ = rand.NewChaCha8([32]byte{i}).Read(seed)
		f.Add(seed)
	}
	run := rapid.MakeFuzz(hostilePeer)
	f.Fuzz(func(t *testing.T, begin []byte) {
		rest := make([]byte, 1<<15)
		_, _ = rand.NewChaCha8(sha256.Sum256(begin)).Read(rest)
		run(t, append(begin[:len(begin)&^7], rest...))
	})
}

func hostilePeer(t *rapid.T) {
	h := newHostile(t)
	deliver := func(*rapid.T) {
		i := h.pick()
		f := h.wire[i]
		h.wire = slices.Delete(h.wire, i, i+1)
		d := f.d
		d.Data = bytes.Clone(d.Data)
		d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
		h.give(f.to, d)
	}
	for range rapid.IntRange(0, 8).Draw(t, "begin") { // how far it gets before
		if len(h.wire) > 0 {
			deliver(t)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"deliver": deliver, "deliver more": deliver,
		"all": func(*rapid.T) {
			for n := 0; len(h.wire) > 0 && n < 100; n++ {
				deliver(t)
			}
		},
		"drop":              func(*rapid.T) { i := h.pick(); h.wire = slices.Delete(h.wire, i, i+1) },
		"changed":           h.changed,
		"changed under way": h.changedOnTheWay,
		"invented":          h.invented,
		"invented too":      h.invented,
		"without keys":      h.unkeyed,
		"IKE_SA_INIT":       h.init,
		"own":               h.own,
		"comes back":        h.comesBack,
		"wait":              func(*rapid.T) { h.wait(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond) },
	})
	h.leave()
}

// leave ends all that there is, and lets time pass: nothing may be left.
func (h *hostile) leave() {
	for _, n := range []*end{h.i, h.r} {
		for _, s := range n.e.Sessions() {
			_ = n.e.Delete(s.ID, h.now)
		}
	}
	h.collect()
	h.wire, h.drop = nil, func(flight) bool { return true } // the peer is gone
	for range 400 {
		at := earliest(h.i.e.Next(), h.r.e.Next())
		if at.IsZero() {
			break
		}
		h.wait(max(at.Sub(h.now), time.Millisecond))
	}
	h.i.empty()
	h.r.empty()
	for _, n := range []*end{h.i, h.r} {
		if len(n.e.halfFrom) != 0 || len(n.up) != 0 {
			h.t.Errorf("%s: left: %v half-open, sessions %v without an end", n.name, n.e.halfFrom, n.up)
		}
	}
}
