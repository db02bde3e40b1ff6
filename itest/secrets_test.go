package itest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"warren/lab"
)

// TestSecretsStayInside has a chain of three, each layer proven in another way, live
// through rekeys, reauthentication, failures and a reload at the highest log level,
// and looks for every secret in all that the daemon says: those of its
// configuration, and the keys of its SAs, which the gateways tell.
func TestSecretsStayInside(t *testing.T) {
	const password, psk = "her own password", "the secret of two nodes"
	ppk := labPPK(false)
	w := newWorld(t, 3)
	creds, err := newCredentials()
	must(t, err)
	one, other, err := creds.of(row{auth: "ECDSA"}, "x")
	must(t, err)
	user := lab.Identity{Name: "user", ID: "alice.example", CA: other.CA, EAP: &lab.EAP{User: "alice", Password: password}}
	one.Name, other.Name = "cert", "gw"

	var gateways []*lab.Warren
	for i, g := range w.Gateways {
		c := w.GatewayConfig(g)
		c.KeyExport, c.Log = true, "debug"
		if i < 2 {
			c.ID, c.Identities, c.Accept[0].Identity = "", []lab.Identity{other}, "gw"
		}
		switch i {
		case 0:
			c.Accept[0].IDs, c.Accept[0].User = []string{"alice"}, user.EAP
		case 2:
			c.PSK, c.Accept[0].PPK = psk, ppk
		}
		gateways = append(gateways, w.start(g.Node, c))
	}
	c := w.SenderConfig(3, false)
	c.Log, c.Identities = "debug", []lab.Identity{user, one}
	c.Liveness, c.Retransmit = time.Second, &lab.Retransmit{Tries: 2, Base: 200 * time.Millisecond}
	for i, p := range []*lab.Peer{c.Peer("sg1"), c.Peer("sg2")} {
		p.Identity, p.PSK, p.ID = []string{"user", "cert"}[i], "", other.ID
	}
	c.Peer("sg3").PSK, c.Peer("sg3").PPK = psk, ppk
	alice := w.start(w.Sender, c)

	w.command(alice, "up", "web")
	var keys []string
	learn := func() {
		for _, g := range gateways {
			k, err := g.Client().Keys(w.ctx)
			must(t, err)
			for _, line := range append(k.IKE, k.ESP...) {
				keys = append(keys, regexp.MustCompile(`[0-9a-f]{32,}`).FindAllString(line, -1)...)
			}
		}
	}
	learn()
	w.command(alice, "rekey", "web")
	learn()
	w.command(alice, "reauth", "web")
	learn()
	if len(keys) < 3*3*4 {
		t.Errorf("only %d keys are known", len(keys))
	}
	w.pings(3)
	said := w.allSaid(alice)
	must(t, gateways[2].Stop())
	_, _ = alice.Command(w.ctx, "up", "web")
	w.command(alice, "down", "web")
	said += w.allSaid(alice)
	must(t, alice.Stop())
	said += alice.Output()

	secrets := map[string]string{"password": password, "pre-shared key": psk, "PPK": ppk.Secret}
	for i, line := range strings.Split(string(one.Key), "\n") {
		if len(line) > 30 {
			secrets[fmt.Sprintf("line %d of the private key", i)] = line
		}
	}
	for _, k := range keys {
		b, err := hex.DecodeString(k)
		must(t, err)
		secrets["key in hexadecimal"+k], secrets["key in base64"+k] = k, base64.RawStdEncoding.EncodeToString(b)[:20]
		secrets["key as Go prints it"+k] = strings.Trim(fmt.Sprint(b[:12]), "[]")
		secrets["key itself"+k] = string(b[:12])
	}
	low := strings.ToLower(said)
	for what, s := range secrets {
		if strings.Contains(said, s) || strings.Contains(low, strings.ToLower(s)) {
			t.Errorf("the %s is in what the daemon says", what)
		}
	}
	if n := strings.Count(said, "level=DEBUG"); n == 0 {
		t.Error("the log is not at its highest level")
	}
}

// allSaid is what a daemon tells about itself.
func (w *world) allSaid(d *lab.Warren) string {
	w.t.Helper()
	var all strings.Builder
	for _, verb := range []string{"status", "show sa", "show ike", "show certs", "show rules", "show leases", "show routes", "show drops --zero",
		"show keys", "doctor -c " + d.File, "check " + d.File, "reload"} {
		for _, form := range []string{"text", "json"} {
			out, err := d.Command(w.ctx, append(strings.Fields(verb), "-o", form)...)
			fmt.Fprintln(&all, out, err)
		}
	}
	for _, ev := range d.Events(w.ctx).Stop() {
		fmt.Fprintf(&all, "%+v\n", ev)
	}
	must(w.t, d.Node.Do(func() error {
		c, err := net.Dial("tcp", "127.0.0.1:9466")
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		_, err = io.Copy(&all, c)
		return err
	}))
	return all.String()
}
