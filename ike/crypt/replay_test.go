package crypt

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"warren/ike/message"
)

// A replay follows a trace as someone with its secrets would.
type replay struct {
	*testing.T
	tr        *trace
	keys      []Keys                       // of the IKE SAs, in order
	sks       map[message.SPI][2]*SK       // by SPIi: what the responder and what the initiator has
	ispi, rsp map[message.SPI][]byte       // IKE_SA_INIT messages, by SPIi
	pending   map[string][]message.Payload // requests, by SPIi and message id
	parts     []Fragment                   // of the message that is coming in fragments
	fragments int
	childs    int
}

// TestTrace recomputes all that the traces hold, and wants every datagram to
// come out the same when it is made again.
func TestTrace(t *testing.T) {
	eachTrace(t, func(t *testing.T, tr *trace) {
		r := &replay{
			T: t, tr: tr, sks: map[message.SPI][2]*SK{},
			ispi: map[message.SPI][]byte{}, rsp: map[message.SPI][]byte{}, pending: map[string][]message.Payload{},
		}
		n := 0
		for _, m := range tr.Messages {
			if m.Kind == "ike" {
				r.message(m.Hex)
				n++
			}
		}
		if n != tr.messages || len(r.keys) != tr.sas || r.childs != tr.childs || r.fragments != tr.fragmentsOf {
			t.Errorf("%d messages, %d IKE SAs, %d pairs of child SAs, %d fragments", n, len(r.keys), r.childs, r.fragments)
		}
	})
}

func (r *replay) message(raw []byte) {
	m := must(message.Parse(raw))
	if b, err := m.Marshal(); err != nil || !bytes.Equal(b, raw) {
		r.Fatalf("marshalled again: %v\ngot  %x\nwant %x", err, b, raw)
	}
	ps := m.Payloads
	if m.Exchange != message.IKESAInit {
		var whole bool
		if ps, whole = r.open(m); !whole {
			return
		}
	}
	id := fmt.Sprint(m.SPIi, m.MessageID)
	if !m.IsResponse() {
		r.pending[id] = ps
		if m.Exchange == message.IKESAInit {
			r.ispi[m.SPIi] = raw
		}
		return
	}
	req := r.pending[id]
	switch m.Exchange {
	case message.IKESAInit:
		r.rsp[m.SPIi] = raw
		r.init(m, req)
	case message.IKEAuth:
		r.auth(m, req, ps)
	case message.CreateChildSA:
		r.create(req, ps)
	}
}

// open decrypts m as its receiver, and seals the result as its sender did. It
// reports whether m was all of a message or the last fragment of one.
func (r *replay) open(m *message.Message) ([]message.Payload, bool) {
	ends := r.sks[m.SPIi]
	receiver, sender := ends[0], ends[1]
	if !m.FromInitiator() {
		receiver, sender = sender, receiver
	}
	if f, ok := message.Get[*message.EncryptedFragment](m.Payloads); ok {
		r.reseal(sender, receiver, m, f.Offset, piece{first: f.Next, number: f.Number, total: f.Total})
		return r.fragment(must(receiver.OpenFragment(m)), sender, m)
	}
	e := get[*message.Encrypted](r.T, m.Payloads)
	r.reseal(sender, receiver, m, e.Offset, piece{first: e.Next})
	ps := must(receiver.Open(m))
	r.reserialized(ps, must(receiver.OpenPlain(m)))
	if _, err := sender.Open(m); !errors.Is(err, ErrAuth) {
		r.Errorf("sender opened its own message: %v", err)
	}
	return ps, true
}

// reseal makes the datagram again with the IV and padding that it has.
func (r *replay) reseal(sender, receiver *SK, m *message.Message, at int, p piece) {
	padded, ok := receiver.in.open(m.Raw, at)
	if !ok {
		r.Fatalf("%x is not opened", m.Raw)
	}
	p.data = padded
	setIV(sender.out, m.Raw[at:])
	if b, err := sender.sealPadded(m.Header, p); err != nil || !bytes.Equal(b, m.Raw) {
		r.Errorf("sealed again: %v\ngot  %x\nwant %x", err, b, m.Raw)
	}
}

func setIV(g guard, iv []byte) {
	switch g := g.(type) {
	case *aeadGuard:
		g.iv = binary.BigEndian.Uint64(iv)
	case *cbcGuard:
		g.random = bytes.NewReader(iv)
	}
}

func (r *replay) reserialized(ps []message.Payload, p Plain) {
	if b := must(message.AppendPayloads(nil, ps)); !bytes.Equal(b, p.Data) || message.FirstType(ps) != p.Next {
		r.Errorf("payloads made again: %x, want %x", b, p.Data)
	}
}

// fragment collects what comes in the order of the trace, and cuts the whole
// again as strongSwan did.
func (r *replay) fragment(f Fragment, sender *SK, m *message.Message) ([]message.Payload, bool) {
	r.fragments++
	r.parts = append(r.parts, f)
	if len(r.parts) < int(f.Total) {
		return nil, false
	}
	parts := r.parts
	r.parts = nil
	p := Plain{Next: parts[0].Next}
	for _, part := range parts {
		p.Data = append(p.Data, part.Data...)
	}
	ps := must(message.ParsePayloads(p.Next, p.Data))
	r.reserialized(ps, p)
	setIV(sender.out, make([]byte, 64))
	size := map[string]int{"ecdsa-cbc-chacha-frag": 572, "rsa-cbc-sha512-modp": 1236}[r.tr.name]
	again := must(sender.SealFragments(m.Header, p, size))
	if len(again) != len(parts) || len(again[len(again)-1]) != len(m.Raw) {
		r.Errorf("cut into %d, the last of %d octets; want %d, %d", len(again), len(again[len(again)-1]), len(parts), len(m.Raw))
	}
	return ps, true
}

// agree has the responder choose and the initiator check, and wants the SA
// payload that strongSwan sent.
func (r *replay) agree(req, resp []message.Payload, own []Proposal, spiLen int) Choice {
	offer, answer := get[*message.SA](r.T, req), get[*message.SA](r.T, resp)
	c := must(Select(offer, own, spiLen))
	spi := answer.Proposals[0].SPI
	got := must(message.AppendPayloads(nil, []message.Payload{c.Answer(spi)}))
	want := must(message.AppendPayloads(nil, []message.Payload{answer}))
	if !bytes.Equal(got, want) {
		r.Errorf("answer %x, want %x", got, want)
	}
	return must(Verify(answer, own, spiLen))
}

func (r *replay) init(m *message.Message, req []message.Payload) {
	c := r.agree(req, m.Payloads, mustIKE(r.T, r.tr.ike), 0)
	k := must(DeriveKeys(c, KeyInput{
		Ni: get[*message.Nonce](r.T, req).Data, Nr: get[*message.Nonce](r.T, m.Payloads).Data,
		SPIi: m.SPIi, SPIr: m.SPIr, Shared: r.tr.logged(r.T, "shared Diffie Hellman secret", 0),
	}))
	r.established(k, m.SPIi)
	left, right := netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("192.0.2.2:500")
	r.natHash(req, message.NATDetectionSourceIP, NATHash(m.SPIi, 0, left))
	r.natHash(req, message.NATDetectionDestinationIP, NATHash(m.SPIi, 0, right))
	r.natHash(m.Payloads, message.NATDetectionSourceIP, NATHash(m.SPIi, m.SPIr, right))
	r.natHash(m.Payloads, message.NATDetectionDestinationIP, NATHash(m.SPIi, m.SPIr, left))
}

func (r *replay) natHash(ps []message.Payload, kind message.NotifyType, want []byte) {
	if n := message.GetNotify(ps, kind); n == nil || !bytes.Equal(n.Data, want) {
		r.Errorf("%v: %+v, want %x", kind, n, want)
	}
}

// established compares k with the logged keys and takes it into use.
func (r *replay) established(k Keys, spii message.SPI) {
	want, m := r.tr.IKEKeys[len(r.keys)], k.m()
	for name, got := range map[string]Secret{"Sk_d": m.d, "Sk_ai": m.ai, "Sk_ar": m.ar, "Sk_ei": m.ei, "Sk_er": m.er, "Sk_pi": m.pi, "Sk_pr": m.pr} {
		if !bytes.Equal(got, want[name]) {
			r.Errorf("%s of IKE SA %d: %x, want %x", name, len(r.keys), []byte(got), []byte(want[name]))
		}
	}
	r.keys = append(r.keys, k)
	r.sks[spii] = [2]*SK{must(NewSK(k, false)), must(NewSK(k, true))}
}

func (r *replay) auth(m *message.Message, req, resp []message.Payload) {
	init := must(message.Parse(r.ispi[m.SPIi]))
	answer := must(message.Parse(r.rsp[m.SPIi]))
	ni, nr := get[*message.Nonce](r.T, init.Payloads).Data, get[*message.Nonce](r.T, answer.Payloads).Data
	k := r.keys[0]
	i := AuthInput{Message: init.Raw, Nonce: nr, ID: message.GetID(req, false).Body()}
	s := AuthInput{Message: answer.Raw, Nonce: ni, ID: message.GetID(resp, true).Body()}
	for n, x := range []struct {
		initiator bool
		in        AuthInput
		ps        []message.Payload
	}{{true, i, req}, {false, s, resp}} {
		octets := k.SignedOctets(x.initiator, x.in)
		if !bytes.Equal(octets, r.tr.logged(r.T, "octets = message + nonce + prf(Sk_px, IDx')", n)) {
			r.Errorf("signed octets %x", octets)
		}
		switch auth := get[*message.Auth](r.T, x.ps); auth.Method {
		case message.AuthPSK:
			r.verify(x.initiator, auth.Data, x.in)
		case message.AuthSignature:
			r.signature(octets, auth.Data, get[*message.Cert](r.T, x.ps).Data)
		default:
			r.Errorf("method %v", auth.Method)
		}
	}
	c := r.agree(req, resp, mustESP(r.T, r.tr.first), 4)
	r.child(c, req, resp, k, ni, nr, nil)
}

// signature checks an AUTH payload of RFC 7427: the length of an
// AlgorithmIdentifier, that itself, and the signature.
func (r *replay) signature(octets, auth, cert []byte) {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		r.Fatal(err)
	}
	sig, good := auth[1+int(auth[0]):], 0
	for _, alg := range []x509.SignatureAlgorithm{x509.ECDSAWithSHA256, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS} {
		if c.CheckSignature(alg, octets, sig) == nil {
			good++
		}
		octets[0] ^= 1
		if c.CheckSignature(alg, octets, sig) == nil {
			r.Errorf("%v: other octets are signed too", alg)
		}
		octets[0] ^= 1
	}
	if good != 1 {
		r.Errorf("signature good by %d algorithms", good)
	}
}

// verify wants only the right AUTH data to pass (CVE-2013-2944 and others).
func (r *replay) verify(initiator bool, auth []byte, in AuthInput) {
	k, psk := r.keys[0], []byte(r.tr.PSK)
	if err := k.VerifyPSK(initiator, psk, auth, in); err != nil {
		r.Errorf("initiator %v: %v", initiator, err)
	}
	bad := map[string][]byte{"empty": {}, "nil": nil, "zero": make([]byte, len(auth)), "short": auth[:len(auth)-1], "long": append(bytes.Clone(auth), 0)}
	for i := range auth {
		b := bytes.Clone(auth)
		b[i] ^= 1
		bad[fmt.Sprint("byte ", i)] = b
	}
	for name, b := range bad {
		if err := k.VerifyPSK(initiator, psk, b, in); !errors.Is(err, ErrVerify) {
			r.Errorf("%s: %v", name, err)
		}
	}
	if err := k.VerifyPSK(!initiator, psk, auth, in); !errors.Is(err, ErrVerify) {
		r.Errorf("reflected: %v", err)
	}
	if err := k.VerifyPSK(initiator, nil, auth, in); !errors.Is(err, ErrNoPSK) {
		r.Errorf("no PSK: %v", err)
	}
	id := bytes.Clone(in.ID)
	id[1] ^= 1 // a reserved octet
	in.ID = id
	if err := k.VerifyPSK(initiator, psk, auth, in); !errors.Is(err, ErrVerify) {
		r.Errorf("reserved octet of ID not proved: %v", err)
	}
}

// child compares the keys of a pair with those that strongSwan gave its kernel.
func (r *replay) child(c Choice, req, resp []message.Payload, k Keys, ni, nr []byte, shared Secret) {
	keys := must(k.Child(c, ni, nr, shared))
	spiI := get[*message.SA](r.T, req).Proposals[0].SPI
	spiR := get[*message.SA](r.T, resp).Proposals[0].SPI
	found := 0
	for _, sa := range r.tr.ESPSAs {
		key := concat(sa.Key, sa.AuthKey)
		switch { // an SPI is chosen by who receives with it
		case bytes.Equal(sa.SPI, spiR) && bytes.Equal(key, keys.Initiator), bytes.Equal(sa.SPI, spiI) && bytes.Equal(key, keys.Responder):
			found++
		}
	}
	if found != 2 {
		r.Errorf("%v: %d keys of the pair %x %x are right", c, found, spiI, spiR)
	}
	r.childs++
}

func (r *replay) create(req, resp []message.Payload) {
	ni, nr := get[*message.Nonce](r.T, req).Data, get[*message.Nonce](r.T, resp).Data
	old := r.keys[0]
	if get[*message.SA](r.T, req).Proposals[0].Protocol == message.ProtoESP {
		c := r.agree(req, resp, mustESP(r.T, r.tr.rekey), 4)
		r.child(c, req, resp, old, ni, nr, r.tr.logged(r.T, "DH secret", 0))
		return
	}
	c := r.agree(req, resp, mustIKE(r.T, r.tr.ike), 8)
	spi := func(ps []message.Payload) message.SPI {
		return message.SPI(binary.BigEndian.Uint64(get[*message.SA](r.T, ps).Proposals[0].SPI))
	}
	k := must(old.Rekey(c, KeyInput{
		Ni: ni, Nr: nr, SPIi: spi(req), SPIr: spi(resp), Shared: r.tr.logged(r.T, "shared Diffie Hellman secret", 1),
	}))
	r.established(k, spi(req))
}
