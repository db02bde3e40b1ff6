package ike

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Nothing that is logged, told or listed shows a key or a secret.
func TestSecretsStayInside(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	with := func(i, r *Options) { i.Log, r.Log = logger, logger }
	var said []string
	note := func(p *pair) {
		for _, n := range []*end{p.i, p.r} {
			said = append(said, fmt.Sprintf("%+v %#v", n.e.Sessions(), n.e.Sessions()))
			for _, ev := range n.events {
				switch ev := ev.(type) {
				case SessionFailed:
					said = append(said, fmt.Sprintf("%+v %v", ev, ev.Err))
				default:
					said = append(said, fmt.Sprintf("%+v", ev))
				}
			}
		}
	}
	pc, ac := ppkPair(t, ppkOf(ppkID, ppkSecret, false), map[string]string{ppkID: ppkSecret}, false)
	said = append(said, fmt.Sprintf("%+v %#v", pc.PPK, pc.PPK))
	p := newPair(t, ac, with)
	p.establish(pc)
	keys := map[string]string{"pre-shared key": "correct horse", "other pre-shared key": "incorrect horse", "PPK": ppkSecret}
	up, _ := last[ChildUp](p.i)
	keys["child key"] = string(up.Child.KeyIn)
	p.rekeyChild(p.i)
	p.rekeyIKE(p.r)
	p.settle()
	note(p)
	p.close()
	note(p)

	c := peerConfig(t)
	c.PSK = []byte("incorrect horse")
	p = newPair(t, acceptConfig(t), with)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	note(p)
	if string(c.PSK) != "incorrect horse" {
		t.Error("the caller's secret was changed")
	}

	said = append(said, log.String())
	for name, key := range keys {
		for _, form := range []string{key, hex.EncodeToString([]byte(key)), fmt.Sprint([]byte(key)), fmt.Sprintf("%#v", []byte(key))} {
			for _, s := range said {
				if strings.Contains(s, strings.Trim(form, "[]")) {
					t.Errorf("%s shows in %.200s", name, s)
				}
			}
		}
	}
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
}

// The secret is wiped once IKE_AUTH is over, however it ends.
func TestSecretIsWiped(t *testing.T) {
	for _, good := range []bool{true, false} {
		c, a := ppkPair(t, ppkOf(ppkID, ppkSecret, false), map[string]string{ppkID: ppkSecret}, false)
		if !good {
			c.PSK = []byte("incorrect horse")
		}
		p := newPair(t, a)
		id, err := p.i.e.Initiate(c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		auth := p.i.e.sessions[id].auth
		secret := auth.psk
		if string(auth.ppk.Secret) != ppkSecret {
			t.Fatal("the PPK is not there")
		}
		p.settle()
		p.advance(time.Second)
		if !bytes.Equal(secret, make([]byte, len(secret))) {
			t.Errorf("the secret is still there (good %v)", good)
		}
		if ppk := auth.ppk.Secret; !bytes.Equal(ppk, make([]byte, len(ppk))) || string(c.PPK.Secret) != ppkSecret {
			t.Errorf("the PPK is still there, or gone from the caller (good %v)", good)
		}
	}
}

// The engine does not look at the wall clock, only at the time it is given.
func TestTimeIsGiven(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.now = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)
	c := peerConfig(t)
	c.Liveness = 5 * time.Second
	p.establish(c)
	p.advance(time.Hour)
	p.steady()
	p.close()
}
