package eap

import (
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC2759 are the values of RFC 2759, Section 9.2, and RFC 3079, Section
// 3.5.3, which goes on with them.
func TestRFC2759(t *testing.T) {
	x := exchange{
		authenticator: unhex(t, "5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28"),
		peer:          unhex(t, "21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E"),
		user:          "User",
	}
	nt := ntHash([]byte("clientPass"))
	response := x.ntResponse(nt)
	send, receive := masterKeys(nt, response)
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"Challenge":             {x.hash(), "D0 2E 43 86 BC E9 12 26"},
		"PasswordHash":          {nt, "44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE"},
		"PasswordHashHash":      {md4Sum(nt), "41 C0 0C 58 4B D2 D9 1C 40 17 A2 A1 2F A5 9F 3F"},
		"NT-Response":           {response, "82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF"},
		"AuthenticatorResponse": {x.authenticatorResponse(nt, response), "40 7A 55 89 11 5F D0 D6 20 9F 51 0F E9 C0 45 66 93 2C DA 56"},
		"SendStartKey128":       {receive, "8B 7C DC 14 9B 99 3A 1B A1 18 CB 15 3F 56 DC CB"},
		"the other start key":   {send, ""},
	} {
		if got := strings.ToUpper(hex.EncodeToString(tt.got)); tt.want != "" && got != strings.ReplaceAll(tt.want, " ", "") {
			t.Errorf("%s is %s, want %s", name, got, tt.want)
		}
	}
	with := x
	with.user = `CORP\User`
	if string(with.ntResponse(nt)) != string(response) {
		t.Error("the domain before a user name counts")
	}
}
