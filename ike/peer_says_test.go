package ike

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// comes is how a datagram of the peer comes to s.
func comes(s *session, data []byte) Datagram {
	return Datagram{Path: s.path, NATT: s.natt, Data: bytes.Clone(data)}
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
			h.give(n, h.from(n, comes(sa.sess, b)))
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
		h.give(n, h.from(n, comes(sa.sess, b)))
	}
	if rapid.Bool().Draw(h.t, "all of them") {
		for _, b := range parts {
			h.give(n, h.from(n, comes(sa.sess, b)))
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
	if !ok || err != nil || opens(hd.Exchange) {
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
	case *message.EAP:
		hd.Exchange = message.IKEAuth
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
	switch rapid.IntRange(0, 9).Draw(t, "invention") {
	case 0: // rekey of the IKE SA
		return []message.Payload{crypt.Offer(s.ike, ikeSPIBytes(message.SPI(rapid.Uint64().Draw(t, "IKE SPI")))), nonce, ke(group)}
	case 1, 2: // a child SA, new or not
		ps := []message.Payload{crypt.Offer(s.esp, spiBytes(esp.SPI(rapid.Uint32().Draw(t, "new SPI")))), nonce, ke(group),
			tsPayload(false, policy.Everything()), tsPayload(true, policy.Everything())}
		if rapid.Bool().Draw(t, "rekey") {
			ps = append(ps, &message.Notify{Protocol: message.ProtoESP, SPI: h.cut(spiBytes(spi)), Kind: message.RekeySA})
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
			8191, 16384, 16385, 16386, 16390, 16396, 16400, 16401, 16404, 16409, 16410, 16411, 16412, 16413, 16435, 16436, 16438, 16441, 40000}).Draw(t, "kind"))
		return []message.Payload{&message.Notify{Kind: kind, Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")}}
	case 8:
		data := rapid.SliceOfN(rapid.Byte(), 4, 40).Draw(t, "EAP")
		if data[0] %= 6; rapid.Bool().Draw(t, "honest length") {
			binary.BigEndian.PutUint16(data[2:], uint16(len(data)))
		}
		return []message.Payload{&message.EAP{Data: data}}
	}
	return []message.Payload{&message.VendorID{Data: make([]byte, rapid.SampledFrom([]int{0, 1, 300, 2000, 40000}).Draw(t, "length"))}}
}

// cut is b, now and then without its end.
func (h *hostile) cut(b []byte) []byte {
	if rapid.IntRange(0, 7).Draw(h.t, "cut") > 0 {
		return b
	}
	return b[:rapid.IntRange(0, len(b)-1).Draw(h.t, "to")]
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

// unkeyed gives an end what nobody with keys has said, from anywhere: it changes
// nothing, and is not answered under protection.
func (h *hostile) unkeyed(*rapid.T) {
	to, d := h.authentic()
	good := d.Data
	d.Data = h.tampered(good)
	hd, err := message.ParseHeader(d.Data)
	if err == nil && opens(hd.Exchange) || bytes.Equal(d.Data, good) {
		h.t.Skip("no keys are needed for that")
	}
	before := to.snapshot()
	to.e.Receive(d, h.now)
	for _, o := range to.take() {
		if m := must1(message.Parse(o.Data)); message.Count(m.Payloads, message.PayloadSK)+message.Count(m.Payloads, message.PayloadSKF) > 0 {
			h.t.Fatalf("%s answers %v %d, which was changed", to.name, hd.Exchange, hd.MessageID)
		}
	}
	if diff := before.diff(to.snapshot()); diff != "" {
		h.t.Fatalf("%s: %s", to.name, diff)
	}
}

// authentic is what an end may have heard, or could hear next.
func (h *hostile) authentic() (*end, Datagram) {
	if rapid.Bool().Draw(h.t, "old") {
		f := rapid.SampledFrom(h.old).Draw(h.t, "datagram")
		f.d.Path.Local, f.d.Path.Remote = f.d.Path.Remote, f.d.Path.Local
		return f.to, h.from(f.to, f.d)
	}
	n, sa := h.victim()
	p := rapid.SampledFrom(h.heard).Draw(h.t, "what")
	parts := seal(sa, h.header(sa), p, rapid.SampledFrom([]int{0, 150}).Draw(h.t, "size"))
	if len(parts) == 0 {
		h.t.Skip("too long")
	}
	return n, h.from(n, comes(sa.sess, rapid.SampledFrom(parts).Draw(h.t, "part")))
}

// tampered is b with something changed.
func (h *hostile) tampered(b []byte) []byte {
	b = bytes.Clone(b)
	for range rapid.IntRange(1, 4).Draw(h.t, "changes") {
		b[rapid.IntRange(0, len(b)-1).Draw(h.t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(h.t, "bits"))
	}
	switch rapid.IntRange(0, 3).Draw(h.t, "length") {
	case 0:
		b = b[:rapid.IntRange(0, len(b)-1).Draw(h.t, "cut")]
	case 1:
		b = append(b, 0)
	}
	if len(b) >= message.HeaderLen && rapid.Bool().Draw(h.t, "honest length") {
		binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	}
	return b
}

// from has d come to n from where its peer is not, now and then.
func (h *hostile) from(n *end, d Datagram) Datagram {
	if rapid.IntRange(0, 3).Draw(h.t, "from") == 0 {
		elsewhere := elsewhereI
		if n == h.i {
			elsewhere = elsewhereR
		}
		d.Path.Remote = netip.AddrPortFrom(elsewhere, d.Path.Remote.Port())
	}
	return d
}

// init changes IKE_SA_INIT, or IKE_SESSION_RESUME, which anyone may: sessions that
// are up do not mind.
func (h *hostile) init(*rapid.T) {
	i := h.pick()
	f := h.wire[i]
	m, err := message.Parse(f.d.Data)
	if err != nil || !opens(m.Exchange) {
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
