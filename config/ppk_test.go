package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ppkText is 32 random octets in base64.
const ppkText = "b9S0Yt8W0F2i8Jm0lHf5o1cLw7b1kS2dXo3eUqRzTn4="

// writePPKs puts a configuration into a folder, with a file of one PPK and a file
// of several.
func writePPKs(t *testing.T, text string) string {
	t.Helper()
	path := write(t, text)
	for name, body := range map[string]string{
		"own.ppk": ppkText + "\n", "peers.ppk": "# by identifier\nppk of carol: " + ppkText + "\nppk-of-dave: " + ppkText + "2\n",
		"weak.ppk": "0123456789abcdef0123456789abcdef\n", "bad.ppk": "no colon\n",
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestPPK(t *testing.T) {
	text := edit(t, "psk_file: outer.psk", "psk_file: outer.psk, ppk: {id: mine, file: own.ppk}")
	text = strings.Replace(text, "encap: auto", "ppk: {id: \"its own\", secret: "+ppkText+"9, required: false}", 1)
	c, err := Load(writePPKs(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings:\n%s", c.Warnings.Detail())
	}
	own := c.Peer("sg1").PPK
	if own == nil || own.ID != "its own" || string(own.Secret) != ppkText+"9" || own.Required {
		t.Errorf("sg1 has %+v", own)
	}
	if of := c.Peer("sg2").PPK; of == nil || of != c.Identities[0].PPK || of.ID != "mine" || string(of.Secret) != ppkText || !of.Required {
		t.Errorf("sg2 has %+v", of)
	}
	if a := c.Accept[0]; len(a.PPKs) != 1 || string(a.PPKs["mine"]) != ppkText || !a.PPKRequired {
		t.Errorf("the accept entry has %+v, required %v", a.PPKs, a.PPKRequired)
	}

	for more, required := range map[string]bool{"": true, ", ppk_required: true": true, ", ppk_required: false": false} {
		c, err = Load(writePPKs(t, strings.Replace(text, "modes: tunnel", "modes: tunnel, ppk_file: peers.ppk"+more, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if a := c.Accept[0]; len(a.PPKs) != 2 || string(a.PPKs["ppk of carol"]) != ppkText || a.PPKRequired != required {
			t.Errorf("%s: the accept entry has %+v, required %v", more, a.PPKs, a.PPKRequired)
		}
	}
	if c, err = Load(writePPKs(t, good)); err != nil || c.Peer("sg1").PPK != nil || c.Accept[0].PPKs != nil || c.Accept[0].PPKRequired {
		t.Errorf("without PPKs: %v, %+v", err, c.Peer("sg1").PPK)
	}
}

// TestPPKProblems: what is wrong is said, with what to write, and once.
func TestPPKProblems(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want, fix string }{
		"no id":        {"encap: auto", "ppk: {file: own.ppk}", "ppk of peer sg1 has no id", "add id:"},
		"empty id":     {"encap: auto", `ppk: {id: "", file: own.ppk}`, "cannot be the identifier", "1 to 255"},
		"no secret":    {"encap: auto", "ppk: {id: x}", "ppk of peer sg1 has no file", "or secret"},
		"both":         {"encap: auto", "ppk: {id: x, file: own.ppk, secret: " + ppkText + "}", "both secret and file", "keep one"},
		"empty":        {"encap: auto", `ppk: {id: x, secret: ""}`, "secret of ppk of peer sg1 is empty", "head -c 32"},
		"no mapping":   {"encap: auto", "ppk: own.ppk", "is text where a mapping", "key: value"},
		"required":     {"encap: auto", "ppk: {id: x, file: own.ppk, required: maybe}", "required of ppk of peer sg1", "true"},
		"unknown key":  {"encap: auto", "ppk: {id: x, file: own.ppk, psk: y}", `unknown key "psk"`, "known here"},
		"missing file": {"encap: auto", "ppk: {id: x, file: none.ppk}", "none.ppk", "0600"},
		"bad lines":    {"modes: tunnel", "ppk_file: bad.ppk", "line 1 is not the identifier of a PPK", "id: secret"},
		"for nothing":  {"modes: tunnel", "ppk_required: true", "no ppk_file", "add ppk_file"},
		"ppk":          {"modes: tunnel", "ppk: {id: x}", `unknown key "ppk"`, "ppk_file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Check(writePPKs(t, edit(t, tt.old, tt.new)), Options{})
			errs := problems.Errors()
			if len(errs) != 1 || !strings.Contains(errs[0].Message, tt.want) || !strings.Contains(errs[0].Fix, tt.fix) {
				t.Errorf("want %q (%q):\n%s", tt.want, tt.fix, problems.Detail())
			}
		})
	}
}

// TestWeakPPK: a PPK that has hardly 256 bits is doubtful.
func TestWeakPPK(t *testing.T) {
	for secret, weak := range map[string]bool{
		"":                               true,
		ppkText:                          false,
		ppkText[:43]:                     false,
		ppkText[:42]:                     true,
		strings.Repeat("x", 100):         true,
		strings.Repeat("0123456789", 7):  true,
		strings.Repeat("0123456789", 8):  false,
		strings.Repeat("0a1f", 15):       true,
		strings.Repeat("0a1f", 16):       false,
		strings.Repeat("0A1F", 15):       true,
		strings.Repeat("vzabcdefg", 6):   true,
		strings.Repeat("vzabcdefg", 7):   false,
		"correct horse battery staple!":  true,
		strings.Repeat("\x80\xff~\n", 8): false,
		strings.Repeat("\x80\xff~\n", 7): true,
	} {
		if got := weakPPK(secret) != ""; got != weak {
			t.Errorf("%q (%d bits): weak is %v", secret, entropy(secret), got)
		}
	}
	for _, new := range []string{"ppk: {id: x, file: weak.ppk}", "ppk: {id: x, secret: 0123456789abcdef0123456789abcdef}"} {
		c, err := Load(writePPKs(t, edit(t, "encap: auto", new)))
		if err != nil || !strings.Contains(c.Warnings.Detail(), "less than 256 bits of entropy") || strings.Contains(c.Warnings.Detail(), "0123") {
			t.Errorf("%v, warnings:\n%s", err, c.Warnings.Detail())
		}
	}
}
