package node

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/ike"
)

// TestStillAccepted: bob stays as long as nothing changes that lets him in.
func TestStillAccepted(t *testing.T) {
	bob, err := ike.ParseID("bob.example")
	must(t, err)
	ppks := func(secret string) func(c *config.Config) {
		return func(c *config.Config) { c.Entry("road").PPKs = map[string]config.Secret{"one": config.Secret(secret)} }
	}
	eap := func(password string) func(c *config.Config) {
		return func(c *config.Config) {
			c.Entry("road").Users = map[string]config.Secret{"bob.example": config.Secret("of bob"), "carol": config.Secret(password)}
		}
	}
	for name, tt := range map[string]struct {
		base, users string
		before, now func(c *config.Config)
		mixed       bool // he uses a PPK
		want        string
	}{
		"nothing":               {},
		"another user":          {users: strings.Replace(sameUsers, "carol's", "another", 1)},
		"another user is new":   {users: sameUsers + "dave.example: dave's secret of thirty-two octets\n"},
		"his secret":            {users: strings.Replace(sameUsers, "bob's", "another", 1), want: "its secret has changed"},
		"he is gone":            {users: "carol.example: carol's secret of thirty-two octets\n", want: "its secret was deleted"},
		"the entry":             {base: strings.Replace(sameBase, "name: road", "name: rail", 1), want: "no such entry"},
		"its pool":              {base: strings.Replace(sameBase, "10.99.1.0", "10.99.2.0", 1), want: "the entry has changed"},
		"PPKs of others":        {before: ppks("one"), now: ppks("two")},
		"his PPK, or not":       {before: ppks("one"), now: ppks("two"), mixed: true, want: "post-quantum"},
		"the same PPKs":         {before: ppks("one"), now: ppks("one"), mixed: true},
		"another's password":    {before: eap("one"), now: eap("two")},
		"no EAP any more":       {before: eap("one"), want: "the entry has changed"},
		"a password, and a key": {before: eap("one"), now: func(c *config.Config) { eap("one")(c); c.Entry("road").Users["bob.example"] = nil }, want: "its secret has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			was := loadSame(t, sameBase, sameUsers)
			is := loadSame(t, cmp.Or(tt.base, sameBase), cmp.Or(tt.users, sameUsers))
			if tt.before != nil {
				tt.before(was)
			}
			if tt.now != nil {
				tt.now(is)
			}
			n, err := New(is, Options{})
			must(t, err)
			err = n.stillAccepted(ike.SessionInfo{Name: "road", Remote: bob, PPK: tt.mixed}, was, time.Unix(1000, 0))
			if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
