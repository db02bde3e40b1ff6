package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// small makes both ends believe in paths of so many octets.
func small(mtu int) func(i, r *Options) {
	return func(i, r *Options) {
		i.MTU = func(Path) int { return mtu }
		r.MTU = i.MTU
	}
}

// longAuth is a session whose IKE_AUTH is long in both directions.
func longAuth(t *testing.T) (PeerConfig, AcceptConfig) {
	c, a := peerConfig(t), acceptConfig(t)
	for i := range 40 {
		c.RemoteTS = append(c.RemoteTS, policy.PrefixSelector(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 17)))
	}
	return c, a
}

// fragment returns the SKF payload of a datagram, or nil.
func (f flight) fragment() *message.EncryptedFragment {
	m, err := message.Parse(f.d.Data)
	if err != nil {
		return nil
	}
	x, _ := message.Get[*message.EncryptedFragment](m.Payloads)
	return x
}

// TestFragmentsWholeLife: everything works in fragments, and nothing but
// IKE_SA_INIT is larger than the path takes.
func TestFragmentsWholeLife(t *testing.T) {
	c, a := longAuth(t)
	a.IKE = ikeProposals(t, "aes128gcm16-prfsha256-modp3072")
	a.ESP = espProposals(t, "aes128gcm16-modp3072-esn")
	c.IKE, c.ESP = a.IKE, a.ESP
	p := newPair(t, a, small(400))
	id := p.establish(c)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.agree()
	}
	must(p.i.e.RekeyIKE(id, p.now))
	must(p.r.e.RekeyIKE(p.r.theSession().ID, p.now))
	must(p.i.e.RekeyChild(id, p.i.theSession().Children[0].SPIIn, p.now))
	kinds := map[message.ExchangeType]int{}
	for _, f := range p.tap {
		if f.kind() == message.IKESAInit {
			continue
		}
		if n := len(f.d.Data) + 20 + 8 + 4; n > 400 {
			t.Errorf("%#v is a packet of %d octets", f, n)
		}
		if f.fragment() != nil {
			kinds[f.kind()]++
		}
	}
	if kinds[message.IKEAuth] < 6 || kinds[message.CreateChildSA] < 12 || kinds[message.Informational] > 0 {
		t.Errorf("fragments: %v", kinds)
	}
	must(p.i.e.Delete(id, p.now))
	p.empty()
}

// TestFragmentsOrder: fragments may come in every order, twice, and with those
// of an earlier try between them.
func TestFragmentsOrder(t *testing.T) {
	for _, order := range permutations(4) {
		for _, twice := range []bool{false, true} {
			p, frags := waitingFragments(t, 4)
			for _, i := range order {
				p.hand(frags[i])
				if twice {
					p.hand(frags[i])
				}
			}
			p.settle()
			if len(p.i.up) != 1 || len(p.r.up) != 1 {
				t.Fatalf("order %v, twice %v: not up", order, twice)
			}
		}
	}
}

func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}

// waitingFragments brings a pair to where IKE_AUTH waits on the wire, in n
// fragments.
func waitingFragments(t *testing.T, n int) (*pair, []flight) {
	t.Helper()
	c, a := longAuth(t)
	for mtu := 300; mtu < 1000; mtu += 8 {
		p := newPair(t, a, small(mtu), func(_, r *Options) { r.UnprotectedReplies = -1 })
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.deliver(0)
		p.deliver(0)
		if len(p.wire) == n && p.wire[0].fragment() != nil {
			frags := p.wire
			p.wire = nil
			return p, frags
		}
	}
	t.Fatalf("no MTU makes %d fragments", n)
	return nil, nil
}

// TestFragmentsRetransmitted: the whole request is repeated, the answer to it
// only for its first fragment (RFC 7383, Section 2.6.1).
func TestFragmentsRetransmitted(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	p.hand(frags[0])
	p.hand(frags[2])
	p.advance(600 * time.Millisecond) // brings all three again
	if len(p.i.up) != 1 {
		t.Fatal("not up after the request was repeated")
	}
	for i, f := range frags {
		p.hand(f)
		if n := len(p.r.take()); (n > 0) != (i == 0) {
			t.Errorf("fragment %d again: %d answers", i+1, n)
		}
	}
	ss := p.i.e.order[0]
	m := must1(message.Parse(p.i.say(message.IKEAuth, 1, false, &message.VendorID{Data: make([]byte, 900)}).Data))
	other, err := ss.cur.sk.SealFragments(m.Header, must1(crypt.PlainOf([]message.Payload{&message.VendorID{Data: make([]byte, 900)}})), 300)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range other { // the same request, cut anew
		p.hand(flight{p.i, p.r, Datagram{Path: ss.path, NATT: ss.natt, Data: b}})
		if n := len(p.r.take()); (n > 0) != (i == 0) {
			t.Errorf("fragment %d of another size: %d answers", i+1, n)
		}
	}
}

func must1[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// TestFragmentsSmaller: a set of more fragments takes the place of one of less,
// never the other way (RFC 7383, Section 2.6).
func TestFragmentsSmaller(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	sa := p.i.e.order[0].cur
	h := must1(message.ParseHeader(frags[0].d.Data))
	ps := reassemble(t, p.r.e.order[0].cur, frags)
	smaller, err := sa.sk.SealFragments(h, must1(crypt.PlainOf(ps)), 280)
	if err != nil || len(smaller) <= 3 {
		t.Fatal(len(smaller), err)
	}
	hand := func(b []byte) {
		d := frags[0].d
		d.Data = b
		p.hand(flight{p.i, p.r, d})
	}
	p.hand(frags[0])
	p.hand(frags[1])
	hand(smaller[0])
	p.hand(frags[2]) // of the older set: no longer wanted
	if len(p.r.up) != 0 || p.r.e.order[0].cur.part.have != 1 {
		t.Fatalf("fragments mixed: %+v", p.r.e.order[0].cur.part)
	}
	for _, b := range smaller[1:] {
		hand(b)
	}
	p.settle()
	if len(p.r.up) != 1 {
		t.Error("not up with the smaller fragments")
	}
}

// reassemble opens fragments as their receiver.
func reassemble(t *testing.T, sa *ikeSA, frags []flight) []message.Payload {
	t.Helper()
	var data []byte
	var next message.PayloadType
	for _, f := range frags {
		x, err := sa.sk.OpenFragment(must1(message.Parse(f.d.Data)))
		if err != nil {
			t.Fatal(err)
		}
		if x.Number == 1 {
			next = x.Next
		}
		data = append(data, x.Data...)
	}
	return must1(message.ParsePayloads(next, data))
}

// TestFragmentsHostile: none of it makes a state, an answer or a lot of memory
// (CASES B.3: Cisco CVE-2016-1287, strongSwan CVE-2013-6076, racoon
// CVE-2009-1574 and CVE-2016-10396).
func TestFragmentsHostile(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	sa := p.r.e.order[0].cur
	good := frags[1].d.Data
	header := func(number, total uint16) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint16(b[message.HeaderLen+4:], number)
		binary.BigEndian.PutUint16(b[message.HeaderLen+6:], total)
		return b
	}
	bad := map[string][]byte{
		"number 0": header(0, 3), "total 0": header(1, 0), "both 0": header(0, 0), "number above total": header(4, 3),
		"65535 fragments": header(2, 65535), "total up": header(2, 4), "total down": header(2, 2), "another number": header(1, 3),
		"cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0), "no content": good[:message.HeaderLen+8],
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		bad[fmt.Sprint("octet ", i)] = b
	}
	p.hand(frags[0])
	before := *sa.part
	for name, b := range bad {
		d := frags[1].d
		d.Data = bytes.Clone(b)
		if len(b) >= message.HeaderLen { // an honest length
			binary.BigEndian.PutUint32(d.Data[24:], uint32(len(b)))
			binary.BigEndian.PutUint16(d.Data[message.HeaderLen+2:], uint16(len(b)-message.HeaderLen))
		}
		if bytes.Equal(d.Data, good) {
			continue // the octet was one of those
		}
		p.hand(flight{p.i, p.r, d})
		if out := p.r.take(); len(out) > 0 || sa.part == nil || sa.part.have != before.have || len(p.r.up) > 0 {
			t.Fatalf("%s: %d answers, kept %+v", name, len(out), sa.part)
		}
	}
	p.hand(frags[1])
	p.hand(frags[2])
	p.settle()
	if len(p.i.up) != 1 {
		t.Error("not up after all that")
	}
}

// fragmentsOf seals data as an IKE_AUTH request of the initiator of a pair that
// waits, whatever it is, in fragments of size octets.
func fragmentsOf(t *testing.T, p *pair, like flight, data []byte, size int) []flight {
	t.Helper()
	h := must1(message.ParseHeader(like.d.Data))
	out, err := p.i.e.order[0].cur.sk.SealFragments(h, must1(crypt.PlainOf([]message.Payload{&message.VendorID{Data: data}})), size)
	if err != nil {
		t.Fatal(err)
	}
	var fs []flight
	for _, b := range out {
		d := like.d
		d.Data = b
		fs = append(fs, flight{p.i, p.r, d})
	}
	return fs
}

// TestFragmentsBounded: with the keys in hand, a peer that has not authenticated
// can have 32 kB kept, and no more than 128 fragments; one that never sends the
// last of them loses them after a while.
func TestFragmentsBounded(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	sa := p.r.e.order[0].cur
	most := 0
	for _, f := range fragmentsOf(t, p, frags[0], make([]byte, 60000), 1200)[1:] {
		p.hand(f)
		if sa.part != nil {
			most = max(most, sa.part.bytes)
		}
	}
	if most < maxUnproven/2 || most > maxUnproven {
		t.Errorf("kept %d octets", most)
	}
	sa.part = nil
	for _, f := range fragmentsOf(t, p, frags[0], make([]byte, 20000), 200) {
		p.hand(f)
	}
	if sa.part != nil {
		t.Errorf("kept one of %d fragments", len(sa.part.parts))
	}
	p.hand(frags[2])
	p.now = p.now.Add(p.r.e.opt.Retransmit.total() + time.Millisecond)
	if sa.part == nil || p.r.e.Next().After(p.now) {
		t.Fatalf("%+v is not waited for", sa.part)
	}
	p.r.e.Tick(p.now)
	if sa.part != nil {
		t.Error("fragments are kept for ever")
	}
}

// TestFragmentsFirstNext: the first fragment names no payload, or a later one
// does: only the first counts.
func TestFragmentsFirstNext(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	fs := fragmentsOf(t, p, frags[0], make([]byte, 500), 300)
	for _, f := range fs[1:] {
		p.hand(f)
	}
	if len(p.r.take()) > 0 || p.r.e.order[0].cur.part.next != message.PayloadNone {
		t.Error("a later fragment named the payloads")
	}
	p.hand(fs[0])
	if out := p.r.take(); len(out) != 1 {
		t.Errorf("IKE_AUTH of a vendor id alone: %d answers", len(out))
	}
}

// TestFragmentsNotNegotiated: they are dropped, and none is sent, where one end
// does not know them.
func TestFragmentsNotNegotiated(t *testing.T) {
	p, frags := waitingFragments(t, 3)
	p.r.e.order[0].fragments = false
	for _, f := range frags {
		p.hand(f)
	}
	if len(p.r.take()) > 0 || p.r.e.order[0].cur.part != nil || len(p.r.up) > 0 {
		t.Error("fragments were taken")
	}
	c, a := longAuth(t)
	p = newPair(t, a, small(300))
	p.drop = func(f flight) bool { // a responder of another make
		if f.from != p.r || f.kind() != message.IKESAInit {
			return false
		}
		m := must1(message.Parse(f.d.Data))
		m.Payloads = slices.DeleteFunc(m.Payloads, func(x message.Payload) bool {
			n, ok := x.(*message.Notify)
			return ok && n.Kind == message.FragmentationSupported
		})
		f.d.Data = must1(m.Marshal())
		p.wire = append(p.wire, f)
		return true
	}
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.flush()
		if len(p.wire) > 0 {
			p.deliver(0)
		}
	}
	for _, f := range p.tap {
		if f.from == p.i && f.fragment() != nil {
			t.Errorf("%#v is a fragment", f)
		}
	}
}

func TestFragmentSize(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("[2001:db8::1]:500")
	for name, tt := range map[string]struct {
		remote netip.AddrPort
		natt   bool
		mtu    int // 0 is unknown
		peer   int
		want   int
	}{
		"unknown":              {v4, false, 0, 0, 1252},
		"IPv6":                 {v6, false, 0, 0, 1232},
		"port 4500":            {v4, true, 0, 0, 1248},
		"of the layer":         {v4, true, 1100, 0, 1068},
		"larger than assumed":  {v4, false, 1500, 0, 1252},
		"peer's are smaller":   {v4, false, 0, 700, 700},
		"peer's are larger":    {v4, false, 0, 1400, 1252},
		"of no use":            {v4, false, 100, 0, 256},
		"peer's are of no use": {v4, false, 0, 61, 256},
	} {
		e := &Engine{}
		if tt.mtu > 0 {
			e.opt.MTU = func(Path) int { return tt.mtu }
		}
		s := &session{path: Path{Remote: tt.remote}, natt: tt.natt, peerFragment: tt.peer}
		if e.fragmentSize(s, 1000) != 0 {
			t.Errorf("%s: fragments for a peer that knows none", name)
		}
		s.fragments = true
		if e.fragmentSize(s, 100) != 0 {
			t.Errorf("%s: a short message asks", name)
		}
		if got := e.fragmentSize(s, 1000); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
