package crypt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"warren/ike/message"
)

// traceFile is an exchange between two strongSwan daemons with its secrets:
// IKE_SA_INIT, IKE_AUTH with PSK (its request twice), a child rekey with PFS, an
// IKE rekey, deletes.
const traceFile = "testdata/psk-gcm256-esn.json"

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

type trace struct {
	PSK     string
	IKEKeys []map[string]hexBytes
	ESPSAs  []struct {
		SPI, Key hexBytes
	}
	Log []struct {
		N   string
		Hex hexBytes
	}
	Messages []struct {
		Kind string
		Hex  hexBytes
	}
}

func loadTrace(t testing.TB) (tr trace) {
	t.Helper()
	data, err := os.ReadFile(traceFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// logged returns the nth dump called name.
func (tr *trace) logged(t testing.TB, name string, n int) []byte {
	t.Helper()
	for _, l := range tr.Log {
		if l.N == name {
			if n == 0 {
				return l.Hex
			}
			n--
		}
	}
	t.Fatalf("nothing logged as %s", name)
	return nil
}

// A replay follows the trace as someone with its secrets would.
type replay struct {
	*testing.T
	tr        trace
	keys      []Keys                       // of the IKE SAs, in order
	sks       map[message.SPI][2]*SK       // by SPIi: what the responder and what the initiator has
	ispi, rsp map[message.SPI][]byte       // IKE_SA_INIT messages, by SPIi
	pending   map[string][]message.Payload // requests, by SPIi and message id
	children  int
}

func mustIKE(t testing.TB, s string) []Proposal {
	t.Helper()
	p, err := ParseIKE(s)
	if err != nil {
		t.Fatal(err)
	}
	return []Proposal{p}
}

func mustESP(t testing.TB, s string) []Proposal {
	t.Helper()
	p, err := ParseESP(s)
	if err != nil {
		t.Fatal(err)
	}
	return []Proposal{p}
}

// must is for what only a broken test or a broken package makes fail.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func get[T message.Payload](t testing.TB, ps []message.Payload) T {
	t.Helper()
	p, ok := message.Get[T](ps)
	if !ok {
		t.Fatalf("no %T", p)
	}
	return p
}

// TestTrace recomputes all that the trace holds.
func TestTrace(t *testing.T) {
	r := &replay{
		T: t, tr: loadTrace(t), sks: map[message.SPI][2]*SK{},
		ispi: map[message.SPI][]byte{}, rsp: map[message.SPI][]byte{}, pending: map[string][]message.Payload{},
	}
	n := 0
	for _, m := range r.tr.Messages {
		if m.Kind == "ike" {
			r.message(m.Hex)
			n++
		}
	}
	if n != 15 || len(r.keys) != 2 || r.children != 2 {
		t.Errorf("%d messages, %d IKE SAs, %d pairs of child SAs", n, len(r.keys), r.children)
	}
}

func (r *replay) message(raw []byte) {
	m := must(message.Parse(raw))
	if b, err := m.Marshal(); err != nil || !bytes.Equal(b, raw) {
		r.Fatalf("marshalled again: %v\ngot  %x\nwant %x", err, b, raw)
	}
	ps := m.Payloads
	if m.Exchange != message.IKESAInit {
		ps = r.open(m)
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

// open decrypts m as its receiver, and seals the result as its sender did.
func (r *replay) open(m *message.Message) []message.Payload {
	ends := r.sks[m.SPIi]
	receiver, sender := ends[0], ends[1]
	if !m.FromInitiator() {
		receiver, sender = sender, receiver
	}
	ps := must(receiver.Open(m))
	e := get[*message.Encrypted](r.T, m.Payloads)
	sender.iv = binary.BigEndian.Uint64(e.Data)
	if b, err := sender.Seal(m.Header, ps); err != nil || !bytes.Equal(b, m.Raw) {
		r.Errorf("sealed again: %v\ngot  %x\nwant %x", err, b, m.Raw)
	}
	if _, err := sender.Open(m); !errors.Is(err, ErrAuth) {
		r.Errorf("sender opened its own message: %v", err)
	}
	return ps
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

const traceIKE = "aes256gcm16-prfsha384-ecp384"

func (r *replay) init(m *message.Message, req []message.Payload) {
	c := r.agree(req, m.Payloads, mustIKE(r.T, traceIKE), 0)
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
	want := r.tr.IKEKeys[len(r.keys)]
	for name, got := range map[string]Secret{"Sk_d": k.m().d, "Sk_ei": k.m().ei, "Sk_er": k.m().er, "Sk_pi": k.m().pi, "Sk_pr": k.m().pr} {
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
		if got := k.SignedOctets(x.initiator, x.in); !bytes.Equal(got, r.tr.logged(r.T, "octets = message + nonce + prf(Sk_px, IDx')", n)) {
			r.Errorf("signed octets %x", got)
		}
		auth := get[*message.Auth](r.T, x.ps)
		if auth.Method != message.AuthPSK {
			r.Errorf("method %v", auth.Method)
		}
		r.verify(x.initiator, auth.Data, x.in)
	}
	c := r.agree(req, resp, mustESP(r.T, "aes256gcm16-esn"), 4)
	r.child(c, req, resp, k, ni, nr, nil)
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
		switch { // an SPI is chosen by who receives with it
		case bytes.Equal(sa.SPI, spiR) && bytes.Equal(sa.Key, keys.Initiator), bytes.Equal(sa.SPI, spiI) && bytes.Equal(sa.Key, keys.Responder):
			found++
		}
	}
	if found != 2 || !c.ESN64() {
		r.Errorf("%v: %d keys of the pair %x %x are right", c, found, spiI, spiR)
	}
	r.children++
}

func (r *replay) create(req, resp []message.Payload) {
	ni, nr := get[*message.Nonce](r.T, req).Data, get[*message.Nonce](r.T, resp).Data
	old := r.keys[0]
	if get[*message.SA](r.T, req).Proposals[0].Protocol == message.ProtoESP {
		c := r.agree(req, resp, mustESP(r.T, "aes256gcm16-ecp384-esn"), 4)
		r.child(c, req, resp, old, ni, nr, r.tr.logged(r.T, "DH secret", 0))
		return
	}
	c := r.agree(req, resp, mustIKE(r.T, traceIKE), 8)
	spi := func(ps []message.Payload) message.SPI {
		return message.SPI(binary.BigEndian.Uint64(get[*message.SA](r.T, ps).Proposals[0].SPI))
	}
	k := must(old.Rekey(c, KeyInput{
		Ni: ni, Nr: nr, SPIi: spi(req), SPIr: spi(resp), Shared: r.tr.logged(r.T, "shared Diffie Hellman secret", 1),
	}))
	r.established(k, spi(req))
}

// protected yields each protected message of the first IKE SA with the SK of
// its receiver.
func protected(t testing.TB, use func(raw []byte, sk *SK)) {
	t.Helper()
	tr := loadTrace(t)
	k := traceKeys(t, tr)
	ends := map[bool]*SK{true: must(NewSK(k, false)), false: must(NewSK(k, true))}
	first := binary.BigEndian.Uint64(tr.Messages[0].Hex)
	for _, m := range tr.Messages {
		if m.Kind != "ike" {
			continue
		}
		h := must(message.ParseHeader(m.Hex))
		if uint64(h.SPIi) == first && h.Exchange != message.IKESAInit {
			use(m.Hex, ends[h.FromInitiator()])
		}
	}
}

// traceKeys are the logged keys of the first IKE SA.
func traceKeys(t testing.TB, tr trace) Keys {
	t.Helper()
	c := Choice{Protocol: message.ProtoIKE, Encr: Encr{message.EncrAESGCM16, 256}, PRF: message.PRFHMACSHA384, DH: message.DHECP384}
	k := tr.IKEKeys[0]
	return newKeys(&material{
		choice: c, prf: must(NewPRF(c.PRF)),
		d: Secret(k["Sk_d"]), ei: Secret(k["Sk_ei"]), er: Secret(k["Sk_er"]), pi: Secret(k["Sk_pi"]), pr: Secret(k["Sk_pr"]),
	})
}

// TestCVE_2019_10155: every bit of a protected message counts, header included.
// Whatever is changed or cut, there is an error and no payload.
func TestCVE_2019_10155(t *testing.T) {
	n := 0
	protected(t, func(raw []byte, sk *SK) {
		n++
		refused := func(what string, b []byte) {
			m, err := message.Parse(b)
			if err != nil {
				return
			}
			if ps, err := sk.Open(m); err == nil || ps != nil {
				t.Errorf("%s of %d octets: opened to %d payloads, %v", what, len(raw), len(ps), err)
			}
		}
		for i := range raw {
			for bit := range 8 {
				b := bytes.Clone(raw)
				b[i] ^= 1 << bit
				refused(fmt.Sprintf("bit %d of byte %d", bit, i), b)
			}
			cut := bytes.Clone(raw[:i])
			refused(fmt.Sprint("first ", i), cut)
			if i >= message.HeaderLen+4 { // and with honest lengths
				binary.BigEndian.PutUint32(cut[24:], uint32(i))
				binary.BigEndian.PutUint16(cut[message.HeaderLen+2:], uint16(i-message.HeaderLen))
				refused(fmt.Sprint("honest first ", i), cut)
			}
		}
		refused("one more octet", append(bytes.Clone(raw), 0))
	})
	if n != 11 {
		t.Errorf("%d protected messages", n)
	}
}

// FuzzOpen has the keys in hand: the plaintext is the fuzzer's, so that what is
// behind the integrity check is reached.
func FuzzOpen(f *testing.F) {
	protected(f, func(raw []byte, sk *SK) {
		m := must(message.Parse(raw))
		e := get[*message.Encrypted](f, m.Payloads)
		f.Add(byte(e.Next), must(sk.open(raw, e.Offset, e.Data)), byte(0))
	})
	k := traceKeys(f, loadTrace(f))
	f.Fuzz(func(t *testing.T, next byte, plain []byte, pad byte) {
		i, r := must(NewSK(k, true)), must(NewSK(k, false))
		raw, err := i.seal(message.Header{SPIi: 1, SPIr: 2, Exchange: message.Informational}, message.PayloadType(next), append(plain, pad))
		if err != nil {
			return
		}
		m, err := message.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		var pe *message.ParseError
		if _, err := r.Open(m); err != nil && !errors.As(err, &pe) {
			t.Fatal(err)
		}
	})
}

// FuzzOpenRaw takes any datagram for a protected one.
func FuzzOpenRaw(f *testing.F) {
	k := traceKeys(f, loadTrace(f))
	genuine := map[string]bool{}
	protected(f, func(raw []byte, _ *SK) {
		f.Add(raw)
		genuine[string(raw)] = true
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := message.Parse(raw)
		if err != nil {
			return
		}
		for _, initiator := range []bool{true, false} {
			if _, err := must(NewSK(k, initiator)).Open(m); err == nil && !genuine[string(raw)] {
				t.Fatal("opened a forgery")
			}
		}
	})
}
