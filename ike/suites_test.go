package ike

import (
	"strings"
	"testing"

	"warren/ike/message"
)

// ikeSuites are all ciphers of IKE SAs with a prf, those that need integrity with
// each algorithm.
func ikeSuites() []string {
	all := []string{"chacha20poly1305-prfsha512"}
	for _, bits := range []string{"128", "192", "256"} {
		for _, icv := range []string{"8", "12", "16"} {
			all = append(all, "aes"+bits+"gcm"+icv+"-prfsha384")
		}
		for _, hash := range []string{"256", "384", "512"} {
			all = append(all, "aes"+bits+"-sha"+hash+"-prfsha"+hash)
		}
	}
	return all
}

// TestEverySuite: sessions come up, are rekeyed from both sides and end, in whole
// messages and in fragments, with every cipher, and with every key exchange in
// every place.
func TestEverySuite(t *testing.T) {
	groups := []string{"x25519", "ecp256", "ecp384", "ecp521", "modp2048", "modp3072", "modp4096"}
	var all []string
	for i, s := range ikeSuites() {
		all = append(all, s+"-"+groups[i%3])
	}
	for _, g := range groups {
		all = append(all, "aes256gcm16-prfsha384-"+g)
	}
	for _, s := range all {
		t.Run(s, func(t *testing.T) {
			c, a := peerConfig(t), acceptConfig(t)
			c.IKE = ikeProposals(t, s)
			a.IKE = c.IKE
			pfs := s[strings.LastIndex(s, "-"):]
			c.ESP = espProposals(t, "aes128gcm16"+pfs+"-esn")
			a.ESP = c.ESP
			p := newPair(t, a, small(600))
			id := p.establish(c)
			if got := p.i.theSession().Suite; got != s {
				t.Errorf("suite %s", got)
			}
			for _, err := range []error{
				p.i.e.RekeyIKE(id, p.now),
				p.i.e.RekeyChild(id, p.i.theSession().Children[0].SPIIn, p.now),
			} {
				if err != nil {
					t.Fatal(err)
				}
				p.settle()
			}
			if err := p.r.e.RekeyIKE(p.r.theSession().ID, p.now); err != nil {
				t.Fatal(err)
			}
			p.settle()
			p.agree()
			if got := p.i.theSession(); got.Suite != s || got.Rekeys != 2 {
				t.Errorf("suite %s after %d rekeys", got.Suite, got.Rekeys)
			}
			if n := len(p.tap); n > 40 {
				t.Errorf("%d datagrams", n)
			}
			for _, f := range p.tap {
				if f.kind() == message.CreateChildSA && len(f.d.Data) > 600 {
					t.Errorf("%#v has %d octets", f, len(f.d.Data))
				}
			}
			p.close()
		})
	}
}
