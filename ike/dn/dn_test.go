package dn

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func mustText(t testing.TB, s string) Name {
	t.Helper()
	n, err := ParseText(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"CN=alice":                        "CN=alice",
		"C=CH,O=Example Ltd. ,  cn=alice": "C=CH, O=Example Ltd., CN=alice",
		`CN=a\,b\+c\=d\\`:                 `CN=a\,b\+c\=d\\`,
		`CN=\ a \ `:                       `CN=\20a \20`,
		`CN=\#1\"`:                        `CN=\#1\"`,
		"CN=#1301" + "41":                 "CN=A",
		"CN=#0500":                        "CN=#0500",
		"CN=y+OU=x":                       "OU=x+CN=y",
		"2.5.4.3=alice":                   "CN=alice",
		"1.2.3.4=odd":                     "1.2.3.4=odd",
		"emailAddress=a@b.example":        "E=a@b.example",
		"DC=example, DC=com":              "DC=example, DC=com",
		"CN=M\u00fcller":                  "CN=M\u00fcller",
		`CN=a\0ab`:                        `CN=a\0ab`,
		"CN=*":                            "CN=*",
	} {
		if got := mustText(t, in).String(); got != want {
			t.Errorf("%q is written %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "CN", "CN=", "=alice", "XX=alice", "CN=a,", "CN=a,,O=b", `CN=a\`, "CN=#", "CN=#zz", "CN=#05", "CN=#0501", "3.1=x", "1.40=x", "1=x", "01.2.3=x", "CN=\xff",
		strings.Repeat("CN=a,", MaxAttributes) + "CN=a"} {
		if n, err := ParseText(in); err == nil {
			t.Errorf("%q is read as %v", in, n)
		}
	}
}

// TestParseEdges has what CVE-2013-6075, CVE-2014-2891 and CVE-2010-2628 are
// about: names that are truncated, nested, empty, long.
func TestParseEdges(t *testing.T) {
	der, err := mustText(t, "C=CH, O=Example, CN=alice").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for i := range der {
		if n, err := Parse(der[:i]); err == nil {
			t.Errorf("the first %d octets are read as %v", i, n)
		}
	}
	many, err := make(Name, 0).Marshal()
	if err != nil || !bytes.Equal(many, []byte{0x30, 0}) {
		t.Fatalf("empty name: %x, %v", many, err)
	}
	for name, in := range map[string]string{
		"trailing":          hex.EncodeToString(der) + "00",
		"nested":            "3004" + "3002" + "3000",
		"empty set":         "30023100",
		"no value":          "3009" + "3107" + "3005" + "0603" + "550403",
		"indefinite":        "3080" + "0000",
		"OID unfinished":    "300c" + "310a" + "3008" + "0603" + "550483" + "130141",
		"OID padded":        "300c" + "310a" + "3008" + "0603" + "558003" + "130141",
		"length of 64 kB":   "3083010000",
		"more than a value": "300f" + "310d" + "300b" + "0603" + "550403" + "130141" + "130142",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Parse(b); err == nil {
			t.Errorf("%s: read as %v", name, n)
		}
	}
}

func TestCompare(t *testing.T) {
	base := mustText(t, "C=CH, O=Example, CN=alice")
	utf8 := Name{{{OID: "2.5.4.3", Value: "#0c05616c696365"[1:], IsDER: true}}}
	der, err := utf8.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Parse(der); err != nil || !n.Equal(mustText(t, "CN=alice")) {
		t.Errorf("the same characters in another string type differ: %v, %v", n, err)
	}
	for _, other := range []string{"C=CH, O=Example", "C=CH, O=Example, CN=alic", "C=CH, O=Example, CN=alice, CN=alice",
		"O=Example, C=CH, CN=alice", "C=CH, O=Example, CN=Alice", "C=CH, O=Example+CN=alice", "C=CH, O=Example, OU=alice",
		"C=CH, O=Example, CN=#0403616263", "C=CH, O=Example, CN=*"} {
		if base.Equal(mustText(t, other)) {
			t.Errorf("%v equals %s", base, other)
		}
	}
	for pattern, want := range map[string]bool{
		"C=CH, O=Example, CN=alice": true, "C=CH, O=Example, CN=*": true, "C=*, O=*, CN=*": true,
		"C=CH, O=Example, CN=a*": false, "C=CH, O=Example": false, "CN=*": false, "C=CH, O=Other, CN=*": false,
		"C=CH, O=Example, OU=*": false, "C=CH, O=Example, CN=*, CN=*": false,
	} {
		if got := base.Matches(mustText(t, pattern)); got != want {
			t.Errorf("%v matches %s: %v", base, pattern, got)
		}
	}
	for b, want := range map[string]bool{"C=CH": true, "C=CH, O=Example": true, "C=CH, O=Example, CN=alice": true,
		"C=CH, O=Exam": false, "O=Example": false, "C=CH, O=Example, CN=alice, CN=x": false} {
		if got := base.Within(mustText(t, b)); got != want {
			t.Errorf("%v is within %s: %v", base, b, got)
		}
	}
	if !base.Within(Name{}) || !(Name{}).Equal(nil) {
		t.Error("the empty name does not hold everything")
	}
}

// FuzzParse holds what is parsed to what is written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"CN=alice", "C=CH, O=Example, CN=*", `O=a\,b+CN=M\u00fcller`, "CN=#0500, E=a@b", "DC=x"} {
		der, err := mustText(f, s).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		n, err := Parse(der)
		if err != nil {
			return
		}
		again, err := n.Marshal()
		if err != nil {
			t.Fatalf("%v: %v", n, err)
		}
		if m, err := Parse(again); err != nil || !m.Equal(n) {
			t.Fatalf("%v marshals to %v: %v", n, m, err)
		}
		if len(n) == 0 {
			return
		}
		if m, err := ParseText(n.String()); err != nil || !m.Equal(n) {
			t.Fatalf("%v is read again as %v: %v", n, m, err)
		}
	})
}

// FuzzParseText holds that what is read can be written and read again.
func FuzzParseText(f *testing.F) {
	for _, s := range []string{"CN=alice", `C=CH, O=a\,b+CN=\ x\20, 1.2.3=#0500`, `CN=\00#`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseText(s)
		if err != nil {
			return
		}
		if m, err := ParseText(n.String()); err != nil || !m.Equal(n) {
			t.Fatalf("%q: %v is read again as %v: %v", s, n, m, err)
		}
	})
}
