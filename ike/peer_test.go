package ike

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/esp"
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
	heard []crypt.Plain // what was inside messages, some of the last
	old   []flight      // datagrams, some of the last

	layers int // that were asked for
}

func newHostile(t *rapid.T) *hostile {
	a, c := acceptConfig(t), peerConfig(t)
	a.Liveness, c.Liveness = 10*time.Second, 10*time.Second
	a.MOBIKE, c.MOBIKE = true, rapid.Bool().Draw(t, "mobile")
	switch rapid.IntRange(0, 3).Draw(t, "key exchanges") {
	case 1:
		a.ESP, c.ESP = espProposals(t, "aes128gcm16-x25519-ecp256"), espProposals(t, "aes128gcm16-ecp256-x25519")
	case 2:
		a.IKE, a.ESP = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_ecp256"), espProposals(t, "aes128gcm16-x25519-ke1_ecp256")
		c.IKE, c.ESP = a.IKE, a.ESP
	}
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
	h := &hostile{pair: p, t: t}
	if _, err := p.i.e.Initiate(again(c), p.now); err != nil {
		t.Fatal(err)
	}
	h.collect()
	return h
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
	if m.Exchange == message.IKESAInit {
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

// here is how a datagram of the peer comes to s.
func comes(s *session, data []byte) Datagram {
	return Datagram{Path: s.path, NATT: s.natt, Data: bytes.Clone(data)}
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

// seal protects p as the peer of sa would, in one datagram or in fragments of
// size octets.
func seal(sa *ikeSA, h message.Header, p crypt.Plain, size int) [][]byte {
	sk, err := crypt.NewSK(sa.keys, !sa.initiator)
	if err != nil {
		return nil
	}
	h.SPIi, h.SPIr = sa.spiI, sa.spiR
	if !sa.initiator {
		h.Flags |= message.FlagInitiator
	}
	out, err := sk.SealFragments(h, p, size)
	if err != nil {
		return nil
	}
	return out
}

// header is one that fits, mostly.
func (h *hostile) header(sa *ikeSA) message.Header {
	hd := message.Header{MessageID: sa.recvID, Exchange: rapid.SampledFrom([]message.ExchangeType{message.Informational,
		message.CreateChildSA, message.IKEAuth, message.IKEIntermediate, message.IKEFollowupKE}).Draw(h.t, "exchange")}
	if x := sa.out; x != nil && rapid.Bool().Draw(h.t, "response") {
		hd = message.Header{MessageID: x.id, Exchange: x.kind, Flags: message.FlagResponse}
	}
	switch rapid.IntRange(0, 15).Draw(h.t, "header") {
	case 0:
		hd.MessageID += rapid.SampledFrom([]uint32{1, 2, 1<<32 - 1, 1 << 31}).Draw(h.t, "id")
	case 1:
		hd.Flags ^= message.FlagResponse
	case 2:
		hd.Exchange = message.ExchangeType(rapid.Byte().Draw(h.t, "exchange type"))
	}
	return hd
}

// say has the peer of sa say p, now and then in fragments that come as they like.
func (h *hostile) say(n *end, sa *ikeSA, hd message.Header, p crypt.Plain) {
	if !sa.sess.fragments || rapid.IntRange(0, 3).Draw(h.t, "fragments") > 0 {
		for _, b := range seal(sa, hd, p, 0) {
			h.give(n, comes(sa.sess, b))
		}
		return
	}
	parts := seal(sa, hd, p, rapid.IntRange(80, 300).Draw(h.t, "size"))
	if rapid.Bool().Draw(h.t, "two sets") {
		parts = append(parts, seal(sa, hd, p, rapid.IntRange(80, 300).Draw(h.t, "other size"))...)
	}
	for range min(len(parts)+2, 24) {
		b := bytes.Clone(rapid.SampledFrom(parts).Draw(h.t, "fragment"))
		if rapid.IntRange(0, 7).Draw(h.t, "spoil") == 0 && len(b) > 36 {
			binary.BigEndian.PutUint16(b[rapid.SampledFrom([]int{32, 34}).Draw(h.t, "field"):], rapid.Uint16().Draw(h.t, "number"))
		}
		h.give(n, comes(sa.sess, b))
	}
	if rapid.Bool().Draw(h.t, "all of them") {
		for _, b := range parts {
			h.give(n, comes(sa.sess, b))
		}
	}
}

// changed gives what was said before to who is to hear it, changed.
func (h *hostile) changed(*rapid.T) {
	n, sa := h.victim()
	if len(h.heard) == 0 {
		h.t.Skip("nothing heard")
	}
	p := mutate(h.t, rapid.SampledFrom(h.heard).Draw(h.t, "what"), h.heard)
	h.say(n, sa, h.header(sa), p)
}

// changedOnTheWay changes what is under way.
func (h *hostile) changedOnTheWay(*rapid.T) {
	i := h.pick()
	f := h.wire[i]
	p, ok := h.inside(f)
	hd, err := message.ParseHeader(f.d.Data)
	if !ok || err != nil || hd.Exchange == message.IKESAInit {
		h.t.Skip("it cannot be opened")
	}
	h.wire = slices.Delete(h.wire, i, i+1)
	p = mutate(h.t, p, h.heard)
	for _, sa := range f.to.e.sas {
		if sa.spiI == hd.SPIi && sa.spiR == hd.SPIr && sa.sk != nil {
			hd.Flags &^= message.FlagInitiator
			h.say(f.to, sa, hd, p)
			return
		}
	}
}

// pick is the index of a datagram under way.
func (h *hostile) pick() int {
	if len(h.wire) == 0 {
		h.t.Skip("nothing under way")
	}
	return rapid.IntRange(0, len(h.wire)-1).Draw(h.t, "under way")
}

// invented is a request, or an answer, that makes sense by itself.
func (h *hostile) invented(*rapid.T) {
	n, sa := h.victim()
	ps := h.invent(n, sa)
	p, err := crypt.PlainOf(ps)
	if err != nil {
		h.t.Fatal(err)
	}
	hd := h.header(sa)
	switch ps[0].(type) {
	case *message.SA, *message.Nonce:
		hd.Exchange = message.CreateChildSA
	case *message.KE:
		hd.Exchange = message.IKEFollowupKE
	}
	if sa.out != nil && hd.Flags&message.FlagResponse != 0 {
		hd.Exchange = sa.out.kind
	}
	h.say(n, sa, hd, p)
}

func (h *hostile) invent(n *end, sa *ikeSA) []message.Payload {
	t, s := h.t, sa.sess
	ke := func(g message.DHGroup) message.Payload {
		k := must1(crypt.NewKeyExchange(g, h.i.rand))
		return &message.KE{Group: g, Data: k.Public()}
	}
	group := rapid.SampledFrom([]message.DHGroup{message.DHX25519, message.DHX25519, message.DHECP256, message.DHECP384}).Draw(t, "group")
	nonce := &message.Nonce{Data: rapid.SliceOfN(rapid.Byte(), 16, 33).Draw(t, "nonce")}
	spi := esp.SPI(rapid.SampledFrom(append(h.spis(), 0, 255, 0x999)).Draw(t, "SPI"))
	switch rapid.IntRange(0, 8).Draw(t, "invention") {
	case 0: // rekey of the IKE SA
		return []message.Payload{crypt.Offer(s.ike, ikeSPIBytes(message.SPI(rapid.Uint64().Draw(t, "IKE SPI")))), nonce, ke(group)}
	case 1, 2: // a child SA, new or not
		ps := []message.Payload{crypt.Offer(s.esp, spiBytes(esp.SPI(rapid.Uint32().Draw(t, "new SPI")))), nonce, ke(group),
			tsPayload(false, policy.Everything()), tsPayload(true, policy.Everything())}
		if rapid.Bool().Draw(t, "rekey") {
			ps = append(ps, &message.Notify{Protocol: message.ProtoESP, SPI: spiBytes(spi), Kind: message.RekeySA})
		}
		if rapid.IntRange(0, 3).Draw(t, "mode") == 0 {
			ps = append(ps, &message.Notify{Kind: message.UseTransportMode})
		}
		return ps
	case 3:
		return []message.Payload{&message.Delete{Protocol: message.ProtoESP, SPIs: []uint32{uint32(spi)}}}
	case 4:
		return []message.Payload{&message.Delete{Protocol: message.ProtoIKE}}
	case 5: // the next key exchange of what was promised
		link := &message.Notify{Kind: message.AdditionalKeyExchange, Data: []byte("none")}
		if len(sa.promises) > 0 {
			link.Data = rapid.SampledFrom(sa.promises).Draw(t, "promise").link
		}
		return []message.Payload{ke(message.DHECP256), link}
	case 6: // about addresses
		ps := []message.Payload{&message.Notify{Kind: message.UpdateSAAddresses}}
		for range rapid.IntRange(0, 20).Draw(t, "addresses") {
			ps = append(ps, &message.Notify{Kind: message.AdditionalIP4Address, Data: rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")})
		}
		return append(ps, &message.Notify{Kind: message.Cookie2, Data: make([]byte, 16)})
	case 7: // any notify
		kind := message.NotifyType(rapid.SampledFrom([]uint16{1, 4, 5, 7, 9, 11, 14, 17, 24, 34, 35, 36, 37, 38, 39, 40, 41, 43, 44, 45, 46, 47,
			8191, 16384, 16385, 16386, 16390, 16396, 16400, 16401, 16404, 16435, 16438, 16441, 40000}).Draw(t, "kind"))
		return []message.Payload{&message.Notify{Kind: kind, Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")}}
	}
	return []message.Payload{&message.VendorID{Data: make([]byte, rapid.IntRange(0, 2000).Draw(t, "length"))}}
}

// spis are those that mean something to an end.
func (h *hostile) spis() (all []uint32) {
	for _, n := range []*end{h.i, h.r} {
		for _, s := range n.e.order {
			for _, c := range s.children {
				all = append(all, uint32(c.spiIn), uint32(c.spiOut))
			}
		}
	}
	slices.Sort(all)
	return all
}

// unkeyed gives an end what nobody with keys has said: it changes nothing, and is
// not answered under protection.
func (h *hostile) unkeyed(*rapid.T) {
	f := rapid.SampledFrom(h.old).Draw(h.t, "datagram")
	d := f.d
	d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
	d.Data = bytes.Clone(d.Data)
	for range rapid.IntRange(1, 4).Draw(h.t, "changes") {
		d.Data[rapid.IntRange(0, len(d.Data)-1).Draw(h.t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(h.t, "bits"))
	}
	switch rapid.IntRange(0, 3).Draw(h.t, "length") {
	case 0:
		d.Data = d.Data[:rapid.IntRange(0, len(d.Data)-1).Draw(h.t, "cut")]
	case 1:
		d.Data = append(d.Data, 0)
	}
	if len(d.Data) >= message.HeaderLen && rapid.Bool().Draw(h.t, "honest length") {
		binary.BigEndian.PutUint32(d.Data[24:], uint32(len(d.Data)))
	}
	hd, err := message.ParseHeader(d.Data)
	if err == nil && hd.Exchange == message.IKESAInit || bytes.Equal(d.Data, f.d.Data) {
		h.t.Skip("no keys are needed for that")
	}
	before := f.to.snapshot()
	f.to.e.Receive(d, h.now)
	for _, o := range f.to.take() {
		if m := must1(message.Parse(o.Data)); message.Count(m.Payloads, message.PayloadSK)+message.Count(m.Payloads, message.PayloadSKF) > 0 {
			h.t.Fatalf("%s answers %v", f.to.name, err)
		}
	}
	if diff := before.diff(f.to.snapshot()); diff != "" {
		h.t.Fatalf("%s: %s", f.to.name, diff)
	}
}

// init changes IKE_SA_INIT, which anyone may: sessions that are up do not mind.
func (h *hostile) init(*rapid.T) {
	i := h.pick()
	f := h.wire[i]
	m, err := message.Parse(f.d.Data)
	if err != nil || m.Exchange != message.IKESAInit {
		h.t.Skip("another exchange")
	}
	if rapid.Bool().Draw(h.t, "instead") {
		h.wire = slices.Delete(h.wire, i, i+1)
	}
	p := mutate(h.t, must1(crypt.PlainOf(m.Payloads)), h.heard)
	hd := m.Header
	hd.Next, hd.Length = p.Next, uint32(message.HeaderLen+len(p.Data))
	if rapid.IntRange(0, 3).Draw(h.t, "SPIs") == 0 && m.IsResponse() {
		hd.SPIr = message.SPI(rapid.Uint64().Draw(h.t, "SPIr"))
	}
	d := f.d
	d.Path.Local, d.Path.Remote = d.Path.Remote, d.Path.Local
	d.Data = append(hd.Append(nil), p.Data...)
	up := f.to.established()
	h.give(f.to, d)
	if diff := up.diff(f.to.established()); diff != "" {
		h.t.Fatalf("%s: %s", f.to.name, diff)
	}
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
	what := rapid.IntRange(0, 8).Draw(h.t, "task")
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
		}
	}
	h.collect()
}

// TestHostilePeer: whatever a peer with the keys says, in whatever state: no panic,
// one answer to a request and none to an answer, and books that balance after
// every step. In the end nothing is left.
func TestHostilePeer(t *testing.T) { rapid.Check(t, hostilePeer) }

// FuzzHostilePeer is TestHostilePeer led by coverage. Its seeds are long enough for
// hundreds of steps.
func FuzzHostilePeer(f *testing.F) {
	for i := range byte(8) {
		seed := make([]byte, 1<<15)
		_, _ = rand.NewChaCha8([32]byte{i}).Read(seed)
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(hostilePeer))
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
