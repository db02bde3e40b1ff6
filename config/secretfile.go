package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"warren/ike"
)

// leastSecret is the length in bytes under which a secret can hardly have the
// 128 bits that keep a recorded exchange from being guessed (RFC 7296, Section
// 2.15).
const leastSecret = 16

// A secretKind is one kind of secret: under which keys it stands, in the file or
// in one of its own, and what is wrong with one that can be guessed.
type secretKind struct {
	inline, file string
	weak         func(s string) string // "" for a good one
}

// preShared is the secret that proves one end to the other.
func preShared() secretKind { return secretKind{"psk", "psk_file", weakPSK} }

func weakPSK(s string) string {
	if len(s) >= leastSecret {
		return ""
	}
	return fmt.Sprintf("is shorter than %d characters and can be guessed by who records or fakes one exchange", leastSecret)
}

// psk reads the pre-shared key that o holds or names; nil if it has none.
func (b *builder) psk(o object) Secret { return b.secret(o, preShared()) }

// secret reads the secret that o holds or names; nil if it has none.
func (b *builder) secret(o object, k secretKind) Secret {
	inline, ok := o.get(k.inline)
	file, ok2 := o.get(k.file)
	switch {
	case ok && ok2:
		b.fail(o.keys[k.file], "keep one of them", "%s has both %s and %s", o.what, k.inline, k.file)
	case ok:
		s, ok := inline.text()
		if !ok {
			return nil
		}
		b.inline = append(b.inline, o.keys[k.inline])
		inline.at = o.keys[k.inline]
		inline.judgeSecret(s, k)
		return Secret(s)
	case ok2:
		return b.fileOf(file, k)
	}
	return nil
}

// saysSecret reports whether o has a secret or means to, readable or not.
func (o object) saysSecret() bool {
	_, inline := o.fields["psk"]
	_, file := o.fields["psk_file"]
	return inline || file || slices.Contains(o.meant, "psk") || slices.Contains(o.meant, "psk_file")
}

// judgeSecret complains about a secret that is easy to guess, without showing
// or measuring it too closely.
func (v value) judgeSecret(s string, k secretKind) {
	if s == "" {
		v.fail(makeSecret, "%s is empty", v.what)
	} else if weak := k.weak(s); weak != "" {
		v.r.warn(v.at, makeSecret, "%s %s", v.what, weak)
	}
}

// makeSecret is the way to a good secret of either kind.
const makeSecret = "make one with: head -c 32 /dev/urandom | base64"

// fileOf reads a file that holds one secret; the newline at its end is not
// part of it.
func (b *builder) fileOf(v value, k secretKind) Secret {
	src := b.secretFile(v, "secret")
	if src == nil {
		return nil
	}
	s := strings.TrimRight(string(src), "\r\n")
	if strings.Contains(s, "\n") {
		v.fail("keep the secret alone in the file", "%s: the file has more than one line", v.what)
		return nil
	}
	v.judgeSecret(s, k)
	return Secret(s)
}

// secretFile reads a file that only its owner may read; nil after noting why
// not, or when secrets are not wanted.
func (b *builder) secretFile(v value, what string) []byte {
	name, ok := v.text()
	if !ok || b.opt.NoSecrets {
		return nil
	}
	path := b.beside(name)
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		v.fail("run: chmod 600 "+path, "%s: others can access %s (mode %04o)", v.what, path, info.Mode().Perm())
		return nil
	}
	src, err := readFile(path)
	if err != nil {
		v.fail("put the "+what+" there, readable by the user that runs warren, with mode 0600", "%s: %s: %v", v.what, path, err)
		return nil
	}
	return src
}

// secretsFile reads one "id: secret" a line.
func (b *builder) secretsFile(v value) map[string]Secret {
	known := func(id string) bool {
		_, err := ike.ParseID(id)
		return err == nil
	}
	return b.secretLines(v, preShared(), "an identity", known)
}

// secretLines reads a file with one secret a line, each behind what it is for.
// Messages name lines, never what is on them.
func (b *builder) secretLines(v value, k secretKind, what string, known func(id string) bool) map[string]Secret {
	src := b.secretFile(v, "secret")
	if src == nil {
		return nil
	}
	out := map[string]Secret{}
	for i, line := range bytes.Split(src, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		id, secret, ok := cutSecret(text)
		if !ok || !known(id) {
			v.fail("write `id: secret`", "%s: line %d is not %s, a colon, a space and a secret", v.what, i+1, what)
			continue
		}
		if _, twice := out[id]; twice {
			v.fail("keep one of them", "%s: line %d is for what an earlier line is for", v.what, i+1)
			continue
		}
		if weak := k.weak(secret); weak != "" {
			b.warn(v.at, makeSecret, "%s: the secret on line %d %s", v.what, i+1, weak)
		}
		out[id] = Secret(secret)
	}
	if len(out) == 0 {
		b.warn(v.at, "add lines `id: secret`", "%s: the file has no secrets, so nobody can come in", v.what)
	}
	return out
}

// cutSecret splits "id: secret". The colon is followed by a blank, so that
// identities may hold colons.
func cutSecret(line string) (id, secret string, ok bool) {
	for _, sep := range []string{": ", ":\t"} {
		if id, secret, ok = strings.Cut(line, sep); ok {
			secret = strings.TrimSpace(secret)
			if n := len(secret); n >= 2 && (secret[0] == '"' || secret[0] == '\'') && secret[n-1] == secret[0] {
				secret = secret[1 : n-1]
			}
			return strings.Trim(strings.TrimSpace(id), `"'`), secret, secret != ""
		}
	}
	return "", "", false
}

// checkMode refuses a configuration that holds a secret and that others can
// read.
func (b *builder) checkMode() {
	if b.opt.NoSecrets || len(b.inline) == 0 || b.mode.Perm()&0o077 == 0 || b.mode&fs.ModeType != 0 {
		return
	}
	b.fail(b.inline[0], "run: chmod 600 "+b.file+", or move the secret to a psk_file",
		"this file holds a secret, and others can access it (mode %04o)", b.mode.Perm())
}
