package dn

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// attributeTypes are the short names of attribute types and what they stand
// for; the first name of a type is the one that is written.
func attributeTypes() []struct{ name, oid string } {
	return []struct{ name, oid string }{
		{"CN", "2.5.4.3"}, {"SN", "2.5.4.4"}, {"serialNumber", "2.5.4.5"}, {"C", "2.5.4.6"}, {"L", "2.5.4.7"},
		{"ST", "2.5.4.8"}, {"STREET", "2.5.4.9"}, {"O", "2.5.4.10"}, {"OU", "2.5.4.11"}, {"T", "2.5.4.12"},
		{"postalCode", "2.5.4.17"}, {"N", "2.5.4.41"}, {"G", "2.5.4.42"}, {"dnQualifier", "2.5.4.46"},
		{"DC", "0.9.2342.19200300.100.1.25"}, {"UID", "0.9.2342.19200300.100.1.1"},
		{"E", "1.2.840.113549.1.9.1"},
		{"S", "2.5.4.8"}, {"title", "2.5.4.12"}, {"GN", "2.5.4.42"}, {"emailAddress", "1.2.840.113549.1.9.1"},
		{"email", "1.2.840.113549.1.9.1"}, {"surname", "2.5.4.4"}, {"name", "2.5.4.41"},
	}
}

// EmailOID is the attribute type that holds an email address.
const EmailOID = "1.2.840.113549.1.9.1"

func oidOf(name string) (string, bool) {
	for _, t := range attributeTypes() {
		if strings.EqualFold(t.name, name) {
			return t.oid, true
		}
	}
	_, ok := encodeOID(name)
	return name, ok
}

func nameOf(oid string) string {
	for _, t := range attributeTypes() {
		if t.oid == oid {
			return t.name
		}
	}
	return oid
}

// ParseText reads a name as people write it: "C=CH, O=Example, CN=alice".
// Attributes of one relative distinguished name are joined with "+", characters
// with a meaning are escaped with a backslash, and a type without a short name
// is written as its object identifier.
func ParseText(s string) (Name, error) {
	var name Name
	joined, count := false, 0
	for rest := s; ; {
		a, next, sep, err := cutAttribute(rest)
		if err != nil {
			return nil, fmt.Errorf("dn: %q: %w", s, err)
		}
		if count++; count > MaxAttributes {
			return nil, fmt.Errorf("dn: the name has more than %d attributes", MaxAttributes)
		}
		if joined {
			name[len(name)-1] = append(name[len(name)-1], a)
		} else {
			name = append(name, []Attribute{a})
		}
		if sep == 0 {
			break
		}
		rest, joined = next, sep == '+'
	}
	der, err := name.Marshal()
	if err != nil {
		return nil, err
	}
	return Parse(der)
}

// cutAttribute reads "type=value" up to a comma, a plus or the end.
func cutAttribute(s string) (a Attribute, rest string, sep byte, err error) {
	kind, s, ok := strings.Cut(s, "=")
	if kind = strings.TrimSpace(kind); !ok || kind == "" {
		return a, "", 0, fmt.Errorf("attributes are written as TYPE=VALUE with commas between")
	}
	if a.OID, ok = oidOf(kind); !ok {
		return a, "", 0, fmt.Errorf("%q is no attribute type", kind)
	}
	s = strings.TrimLeft(s, " ")
	a.IsDER = strings.HasPrefix(s, "#")
	value, rest, sep, err := cutValue(strings.TrimPrefix(s, "#"))
	if err != nil {
		return a, "", 0, err
	}
	if a.IsDER {
		a.Value = strings.ToLower(value)
		if der, err := hex.DecodeString(a.Value); err != nil || len(der) < 2 {
			return a, "", 0, fmt.Errorf("a value that begins with # is DER in hex; escape it as \\#")
		}
		return a, rest, sep, nil
	}
	if a.Value = value; value == "" || !utf8.ValidString(value) {
		return a, "", 0, fmt.Errorf("%s has no value", kind)
	}
	return a, rest, sep, nil
}

// cutValue reads a value and undoes its escapes.
func cutValue(s string) (value, rest string, sep byte, err error) {
	var b strings.Builder
	kept := 0 // up to here blanks at the end were escaped
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if i++; i == len(s) {
				return "", "", 0, fmt.Errorf("a backslash has nothing to escape")
			}
			if hi, lo := unhex(s[i]), -1; hi >= 0 && i+1 < len(s) {
				if lo = unhex(s[i+1]); lo >= 0 {
					b.WriteByte(byte(hi<<4 | lo))
					i++
					kept = b.Len()
					continue
				}
			}
			b.WriteByte(s[i])
			kept = b.Len()
		case c == ',' || c == '+':
			return trim(b.String(), kept), s[i+1:], c, nil
		default:
			b.WriteByte(c)
		}
	}
	return trim(b.String(), kept), "", 0, nil
}

func trim(s string, kept int) string { return s[:kept] + strings.TrimRight(s[kept:], " ") }

func unhex(c byte) int {
	if i := strings.IndexByte("0123456789abcdef", c|0x20); i >= 0 && (c >= '0' && c <= '9' || c|0x20 >= 'a') {
		return i
	}
	return -1
}

// String is n as ParseText reads it, without what would garble a terminal.
func (n Name) String() string {
	rdns := make([]string, len(n))
	for i, rdn := range n {
		parts := make([]string, len(rdn))
		for j, a := range rdn {
			value := "#" + a.Value
			if !a.IsDER {
				value = escape(a.Value)
			}
			parts[j] = nameOf(a.OID) + "=" + value
		}
		rdns[i] = strings.Join(parts, "+")
	}
	return strings.Join(rdns, ", ")
}

func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		edge := i == 0 || i == len(s)-1
		switch {
		case strings.ContainsRune(`,+\"=`, r), r == '#' && i == 0:
			b.WriteString(`\` + string(r))
		case r == ' ' && edge, !unicode.IsPrint(r):
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\%02x`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
