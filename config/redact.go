package config

import (
	"slices"
	"strings"
	"unicode"
)

// redact returns the lines of a file as they may be shown: what follows a key
// that names a secret is masked, character for character, so that carets stay
// in place. It works on the text, so that it also serves files that are not
// YAML, and rather masks too much.
func redact(src string) []string {
	lines := strings.Split(src, "\n")
	deeper := -1 // lines indented deeper than this go on with a secret; -1: none
	quote := byte(0)
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case quote != 0:
			end := strings.IndexByte(line, quote)
			if end < 0 {
				lines[i] = mask(line, 0, len(line))
				continue
			}
			line, quote = mask(line, 0, end), 0
		case deeper >= 0 && (strings.TrimSpace(line) == "" || indentation(line) > deeper):
			lines[i] = mask(line, 0, len(line))
			continue
		}
		deeper = -1
		lines[i], quote, deeper = redactLine(line)
	}
	return lines
}

// redactLine masks the secrets that begin in line. It returns the quote that
// stays open at its end, and how deep the lines are that may go on with an
// unquoted one.
func redactLine(line string) (masked string, open byte, deeper int) {
	deeper = -1
	for at := 0; at < len(line); {
		start := secretValue(line, at)
		if start < 0 {
			break
		}
		end, quote, closed := scalarEnd(line, start)
		line = mask(line, start, end)
		switch {
		case !closed && quote != 0:
			return line, quote, -1
		case !closed:
			deeper = indentation(line)
		}
		at = max(end, start+1)
	}
	return line, 0, deeper
}

// secretValue finds the next "psk:" or the like at or after from and returns
// where its value begins, or -1.
func secretValue(line string, from int) int {
	for i := from; i < len(line); i++ {
		if line[i] != ':' {
			continue
		}
		key := strings.TrimRight(line[from:i], " \t\"'")
		key = key[strings.LastIndexAny(key, " \t\"'{,-")+1:]
		if !namesSecret(key) {
			continue
		}
		i++
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if (key == "ppk" || key == "eap") && i < len(line) && line[i] == '{' { // its secret is inside
			continue
		}
		return i
	}
	return -1
}

// namesSecret reports whether the value of key is, or may be meant as, a secret.
func namesSecret(key string) bool {
	key = strings.ToLower(key)
	known := []string{"psk", "pks", "spk", "pk", "ppk", "eap", "secret", "secrets", "password", "passwd", "pass", "passphrase",
		"shared_key", "preshared_key", "pre_shared_key", "presharedkey", "sharedkey", "shared_secret"}
	return slices.Contains(known, key) || len(key) >= 2 && len(key) <= 4 && distance(key, "psk") <= 1
}

// scalarEnd finds the end of the scalar that begins at start. It is not closed
// if the next line may go on with it.
func scalarEnd(line string, start int) (end int, quote byte, closed bool) {
	if start >= len(line) {
		return len(line), 0, false
	}
	if q := line[start]; q == '"' || q == '\'' {
		for i := start + 1; i < len(line); i++ {
			if line[i] == '\\' && q == '"' {
				i++
			} else if line[i] == q {
				return i + 1, q, true
			}
		}
		return len(line), q, false
	}
	if i := strings.IndexAny(line[start:], ",}"); i >= 0 && strings.Contains(line[:start], "{") {
		return start + i, 0, true
	}
	return len(line), 0, false
}

// mask replaces the characters of line from start to end.
func mask(line string, start, end int) string {
	end = min(max(end, start), len(line))
	stars := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return r
		}
		return '*'
	}, line[start:end])
	return line[:start] + stars + line[end:]
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
