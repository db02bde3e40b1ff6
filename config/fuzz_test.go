package config

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: no text makes the reader panic, every error has a place in the
// file, and no source line or message shows what stands after a psk key.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("node: {name: a}\nidentities: {x: {id: a, psk: \"" + marker + "\"}}\n"))
	f.Add([]byte("peers:\n  - x\n? a\n: b\n<<: {}\n"))
	f.Add([]byte("rules: {transport: [{name: a, match: {dst: [::/0, 10.0.0.0/8]}}]}"))
	f.Add([]byte("a: 1\r\rb: 2\r\n0"))
	f.Add([]byte("a: &x [*x]\n---\n!!int b: |\n  c\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, problems := parse("f.yaml", src, 0o600, Options{NoSecrets: true})
		lines := strings.Count(string(src), "\n") + strings.Count(string(src), "\r") + 1
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 || p.Line > lines+1 || p.Column < 0 {
				t.Errorf("problem without a place: %+v", p)
			}
			if utf8.Valid(src) && strings.ContainsRune(p.Message, '\n') {
				t.Errorf("message of several lines: %q", p.Message)
			}
			_ = p.Detail()
		}
	})
}
