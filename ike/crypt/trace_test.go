package crypt

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"warren/ike/message"
)

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// A trace is an exchange between two strongSwan daemons with all its secrets.
type trace struct {
	name                     string
	ike, first, rekey        string // proposals: of the IKE SAs, of the first child SA, of the second
	messages, sas, childs    int    // how many it has
	protectedOf, fragmentsOf int    // of the first IKE SA: protected datagrams, and how many of them are fragments

	PSK     string
	IKEKeys []map[string]hexBytes
	ESPSAs  []struct{ SPI, Key, AuthKey hexBytes }
	Log     []struct {
		N   string
		Hex hexBytes
	}
	Messages []struct {
		Kind string
		Hex  hexBytes
	}
}

// traces lists what is recorded: PSK with its request sent twice, a child rekey
// with PFS, an IKE rekey; ECDSA with AES-CBC and fragments, and both rekeys; RSA
// with larger fragments.
func traces(t testing.TB) []*trace {
	t.Helper()
	all := []*trace{
		{name: "psk-gcm256-esn", ike: "aes256gcm16-prfsha384-ecp384", first: "aes256gcm16-esn", rekey: "aes256gcm16-ecp384-esn",
			messages: 15, sas: 2, childs: 2, protectedOf: 11},
		{name: "ecdsa-cbc-chacha-frag", ike: "aes256-sha256-x25519", first: "chacha20poly1305", rekey: "chacha20poly1305-x25519",
			messages: 16, sas: 2, childs: 2, protectedOf: 12, fragmentsOf: 4},
		{name: "rsa-cbc-sha512-modp", ike: "aes128-sha512-modp3072", first: "aes128-sha256-esn",
			messages: 8, sas: 1, childs: 1, protectedOf: 6, fragmentsOf: 4},
	}
	for _, tr := range all {
		data, err := os.ReadFile("testdata/" + tr.name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, tr); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// eachTrace runs f for every trace.
func eachTrace(t *testing.T, f func(t *testing.T, tr *trace)) {
	for _, tr := range traces(t) {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
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

// choice is what the IKE SAs of the trace agreed on.
func (tr *trace) choice(t testing.TB) Choice {
	t.Helper()
	own := mustIKE(t, tr.ike)
	return must(Select(Offer(own, nil), own, 0))
}

// traceKeys are the logged keys of the first IKE SA.
func traceKeys(t testing.TB, tr *trace) Keys {
	t.Helper()
	c, k := tr.choice(t), tr.IKEKeys[0]
	return newKeys(&material{
		choice: c, prf: must(NewPRF(c.PRF)),
		d: Secret(k["Sk_d"]), ai: Secret(k["Sk_ai"]), ar: Secret(k["Sk_ar"]), ei: Secret(k["Sk_ei"]), er: Secret(k["Sk_er"]),
		pi: Secret(k["Sk_pi"]), pr: Secret(k["Sk_pr"]),
	})
}

// protected yields each protected datagram of the first IKE SA with the SK of
// its receiver.
func (tr *trace) protected(t testing.TB, use func(raw []byte, sk *SK)) {
	t.Helper()
	k := traceKeys(t, tr)
	ends := map[bool]*SK{true: must(NewSK(k, false)), false: must(NewSK(k, true))}
	first := must(message.ParseHeader(tr.Messages[0].Hex)).SPIi
	n := 0
	for _, m := range tr.Messages {
		if m.Kind != "ike" {
			continue
		}
		h := must(message.ParseHeader(m.Hex))
		if h.SPIi == first && h.Exchange != message.IKESAInit {
			use(m.Hex, ends[h.FromInitiator()])
			n++
		}
	}
	if n != tr.protectedOf {
		t.Errorf("%s: %d protected datagrams, want %d", tr.name, n, tr.protectedOf)
	}
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
