package crypt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"warren/ike/message"
)

// TestSecretsDoNotShow prints everything that holds keys in every way there is.
func TestSecretsDoNotShow(t *testing.T) {
	secret := Secret("0123456789abcdef")
	k := newKeys(&material{d: secret, ai: secret, ar: secret, ei: secret, er: secret, pi: secret, pr: secret})
	k.m().choice.Encr, k.m().ei, k.m().er = Encr{message.EncrAESGCM16, 128}, append(secret, "salt"...), append(secret, "salt"...)
	sk := must(NewSK(k, true))
	h := sha256.Size / len(secret)
	old := newKeys(&material{choice: Choice{Encr: Encr{message.EncrAESCBC, 128}, Integ: message.IntegHMACSHA256128},
		ai: bytes.Repeat(secret, h), ar: bytes.Repeat(secret, h), ei: secret, er: secret})
	cbc := must(NewSK(old, true))
	type session struct{ keys Keys }
	values := map[string]any{
		"secret": secret, "pointer": &secret, "keys": k, "keys pointer": &k,
		"child":   ChildKeys{secret, secret},
		"input":   KeyInput{Shared: secret},
		"resume":  must(k.Resumption()),
		"hidden":  session{k},
		"pointed": &session{k},
		"slice":   []Secret{secret},
		"map":     map[string]Secret{"x": secret},
		"SK":      sk,
		"CBC":     cbc,
		"KEM":     must(NewKeyExchange(message.MLKEM768, bytes.NewReader(bytes.Repeat(secret, 4)))),
		"cookies": must(NewCookies(bytes.NewReader(bytes.Repeat(secret, 2)))),
		"X25519":  must(NewKeyExchange(message.DHX25519, bytes.NewReader(bytes.Repeat(secret, 2)))),
		"MODP":    must(NewKeyExchange(message.DHMODP2048, bytes.NewReader(bytes.Repeat(secret, 3)))),
	}
	shows := []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), "MDEyMzQ1", "48 49 50", "0x30, 0x31"}
	for name, v := range values {
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
		text := []string{logged.String()}
		j, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		text = append(text, string(j))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "% x"} {
			text = append(text, fmt.Sprintf(verb, v))
		}
		for _, s := range text {
			for _, bad := range shows {
				if strings.Contains(s, bad) {
					t.Errorf("%s shows its bytes: %s", name, s)
				}
			}
		}
	}
	if secret.String() != hidden || k.String() != hidden || k.GoString() != hidden {
		t.Error("placeholder is not the same everywhere")
	}
}
