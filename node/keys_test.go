package node

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"warren/config"
	"warren/esp"
	"warren/ike"
	"warren/ike/crypt"
	"warren/ike/message"
)

func TestESPLines(t *testing.T) {
	c := &child{Child: ike.Child{Path: ike.Path{Remote: netip.MustParseAddrPort("192.0.2.1:4500")}}}
	for suite, want := range map[string]string{
		"aes128gcm16-esn": `"IPv4","*","*","0x00001001","AES-GCM with 16 octet ICV [RFC4106]","0x000102030405060708090a0b0c0d0e0f10111213","NULL",""`,
		"aes192gcm8":      `"IPv4","*","*","0x00001001","AES-GCM with 8 octet ICV [RFC4106]","0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b","NULL",""`,
		"aes128-sha256": `"IPv4","*","*","0x00001001","AES-CBC [RFC3602]","0x000102030405060708090a0b0c0d0e0f",` +
			`"HMAC-SHA-256-128 [RFC4868]","0x101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"`,
		"chacha20poly1305": "child SA 0x00001001: Wireshark does not decrypt chacha20poly1305",
	} {
		s, err := esp.ParseSuite(suite)
		must(t, err)
		key := make([]byte, s.KeyLen())
		for i := range key {
			key[i] = byte(i)
		}
		c.Suite = s
		got, err := espLine(c, 0x1001, key)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", suite, got, want)
		}
	}
	c.Suite, c.Path.Remote = esp.Suite{Cipher: esp.AES128GCM16}, netip.MustParseAddrPort("[2001:db8::1]:4500")
	if got, err := espLine(c, 1, make([]byte, 20)); err != nil || !strings.HasPrefix(got, `"IPv6",`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestIKELines(t *testing.T) {
	keys := ike.ExportedKeys{SPIi: 0x11, SPIr: 0x22, Keys: crypt.Exported{Ei: []byte{1, 2}, Er: []byte{3, 4}, Ai: []byte{5}, Ar: []byte{6}}}
	for want, c := range map[string]crypt.Choice{
		`"AES-GCM-256 with 16 octet ICV [RFC5282]",05,06,"NONE [RFC4306]"`: {Encr: crypt.Encr{ID: message.EncrAESGCM16, KeyLen: 256}},
		`"AES-GCM-128 with 12 octet ICV [RFC5282]",05,06,"NONE [RFC4306]"`: {Encr: crypt.Encr{ID: message.EncrAESGCM12, KeyLen: 128}},
		`"AES-CBC-192 [RFC3602]",05,06,"HMAC_SHA2_384_192 [RFC4868]"`:      {Encr: crypt.Encr{ID: message.EncrAESCBC, KeyLen: 192}, Integ: message.IntegHMACSHA384192},
	} {
		keys.Choice = c
		if got, err := ikeLine(keys); err != nil || got != "0000000000000011,0000000000000022,0102,0304,"+want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	keys.Choice = crypt.Choice{Encr: crypt.Encr{ID: message.EncrChaCha20Poly1305}}
	if got, err := ikeLine(keys); err == nil || got != "" || !strings.Contains(err.Error(), "does not decrypt") {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestKeysAreTold only where that is allowed, with a line in the log, and are
// wiped with the SAs.
func TestKeysAreTold(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		var log bytes.Buffer
		cfg := &config.Config{Node: "alice", AllowKeyExport: allowed, AllowKeyExportPos: "a.yaml:7:19"}
		n, err := New(cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
		n.ike, err = ike.New(ike.Options{AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release})
		must(t, err)
		spi, err := n.sad.Reserve()
		must(t, err)
		suite := esp.Suite{Cipher: esp.AES128GCM16}
		key := bytes.Repeat([]byte{0xab}, suite.KeyLen())
		made, err := n.install(1, ike.Child{SPIIn: spi, SPIOut: 0x2002, Suite: suite, KeyIn: bytes.Clone(key), KeyOut: bytes.Clone(key)})
		must(t, err)
		go func() {
			for f := range n.calls {
				f(certStart)
			}
		}()
		k, err := (&backend{n: n}).Keys()
		close(n.calls)
		if !allowed {
			if err == nil || !strings.Contains(err.Error(), "write allow_key_export: true at a.yaml:7:19") || len(k.ESP) != 0 || made.keyIn != nil || made.keyOut != nil {
				t.Errorf("%+v, %v", k, err)
			}
			continue
		}
		if err != nil || len(k.ESP) != 2 || !strings.Contains(k.ESP[1], "0xabababab") || !strings.Contains(log.String(), "the keys of all SAs are told") || strings.Contains(log.String(), "abab") {
			t.Errorf("%+v, %v; the log says %s", k, err, &log)
		}
		n.remove(spi)
		if !bytes.Equal(made.keyIn, make([]byte, len(key))) || !bytes.Equal(made.keyOut, make([]byte, len(key))) {
			t.Error("the keys outlive their SAs")
		}
	}
}
