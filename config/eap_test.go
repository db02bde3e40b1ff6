package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeEAP is writeCerts, with passwords beside.
func writeEAP(t *testing.T, text string) string {
	t.Helper()
	path := writeCerts(t, text)
	for name, body := range map[string]string{
		"alice.pw": marker + "\n", "users": "# who may come in\nalice: " + marker + "\nbob@corp.example: \"" + marker + "2\"\n", "bad": "alice " + marker + "\n",
	} {
		check(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(body), 0o600))
	}
	return path
}

func TestEAP(t *testing.T) {
	password := edit(t, "psk_file: outer.psk", "ca: root.crt, eap: {user: alice, password_file: alice.pw}")
	c, problems := Check(writeEAP(t, password), Options{Now: certNow})
	if len(problems) > 0 {
		t.Fatal(problems.Detail())
	}
	if e := c.Peer("sg1").Identity.EAP; e == nil || e.TLS || e.User != "alice" || string(e.Password) != marker || c.Peer("sg1").PSK != nil {
		t.Errorf("%+v", e)
	}
	tls := edit(t, "psk_file: outer.psk", "cert: alice.crt, key: alice.key, ca: root.crt, eap: {method: tls, server: aaa.example}")
	tls = strings.Replace(tls, "secrets_file: clients.psk", "users_file: users", 1)
	if c, problems = Check(writeEAP(t, tls), Options{Now: certNow}); len(problems) > 0 {
		t.Fatal(problems.Detail())
	}
	if e := c.Identities[0].EAP; !e.TLS || e.User != "alice.example" || e.Server != "aaa.example" || e.Password != nil {
		t.Errorf("%+v", e)
	}
	a := c.Accept[0]
	if len(a.Users) != 2 || string(a.Users["alice"]) != marker || string(a.Users["bob@corp.example"]) != marker+"2" || a.PSK != nil || a.Secrets != nil {
		t.Errorf("%+v", a)
	}
}

// TestEAPProblems: what is wrong is said, with what to write.
func TestEAPProblems(t *testing.T) {
	const whole = "psk_file: outer.psk"
	for name, tt := range map[string]struct{ old, new, want, fix string }{
		"no password":      {whole, "ca: root.crt, eap: {user: alice}", "has no password_file", "or password"},
		"both":             {whole, "ca: root.crt, eap: {password: " + marker + ", password_file: alice.pw}", "both password and password_file", "keep one"},
		"short":            {whole, "ca: root.crt, eap: {password: short}", "shorter than 8", "head -c 32"},
		"method":           {whole, "ca: root.crt, eap: {method: tsl}", "method of eap of identity outer", "write tls"},
		"no ca":            {whole, "psk_file: outer.psk, eap: {password: " + marker + "}", "who has that can find the password", "add ca"},
		"nothing of peers": {whole, "eap: {password: " + marker + "}", "neither ca nor a secret", "add ca"},
		"TLS alone":        {whole, "psk_file: outer.psk, eap: {method: tls}", "needs a certificate", "add cert"},
		"TLS and password": {whole, "cert: alice.crt, key: alice.key, ca: root.crt, eap: {method: tls, password: " + marker + "}", "is not used: EAP-TLS", "delete it"},
		"server":           {whole, "ca: root.crt, eap: {password: " + marker + ", server: aaa.example}", "is not used: with EAP-MSCHAPv2", "method: tls"},
		"user":             {whole, `ca: root.crt, eap: {user: "", password: ` + marker + "}", "cannot be the name of a user", "1 to 253"},
		"no mapping":       {whole, "ca: root.crt, eap: alice", "is text where a mapping", "key: value"},
		"unknown key":      {whole, "ca: root.crt, eap: {pasword: " + marker + "}", `unknown key "pasword"`, `"password"`},
		"users":            {"secrets_file: clients.psk", "users_file: none", "none", "0600"},
		"bad users":        {"secrets_file: clients.psk", "users_file: bad", "line 1 is not the name of a user", "id: secret"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Check(writeEAP(t, edit(t, tt.old, tt.new)), Options{Now: certNow})
			text := problems.Detail()
			if !strings.Contains(text, tt.want) || !strings.Contains(text, tt.fix) {
				t.Errorf("want %q and %q in:\n%s", tt.want, tt.fix, text)
			}
			if strings.Contains(text, marker) {
				t.Errorf("a secret in:\n%s", text)
			}
		})
	}
}
