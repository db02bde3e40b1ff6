package ike

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
)

// rewrite changes every IKE_SA_INIT message of one end on its way.
func (p *pair) rewrite(from *end, change func(m *message.Message)) {
	p.drop = func(f flight) bool {
		if f.from != from || !opens(f.kind()) {
			return false
		}
		m := must1(message.Parse(f.d.Data))
		change(m)
		f.d.Data = must1(m.Marshal())
		p.wire = append(p.wire, f)
		return true
	}
}

func withoutNotify(m *message.Message, kind message.NotifyType) {
	m.Payloads = slices.DeleteFunc(m.Payloads, func(x message.Payload) bool {
		n, ok := x.(*message.Notify)
		return ok && n.Kind == kind
	})
}

func withoutAddKE(m *message.Message) {
	sa, _ := message.Get[*message.SA](m.Payloads)
	for i, q := range sa.Proposals {
		sa.Proposals[i].Transforms = slices.DeleteFunc(slices.Clone(q.Transforms), func(t message.Transform) bool {
			return t.Type >= message.TransformAddKE1 && t.Type <= message.TransformAddKE7
		})
	}
}

// TestDowngradeHybrid (CASES B.2, RFC 8784/9370 downgrade): who takes the
// additional key exchanges, or the means for them, out of IKE_SA_INIT, in either
// direction, prevents a session, whether they are required or not.
func TestDowngradeHybrid(t *testing.T) {
	const required, optional = "x25519-ke1_mlkem768", "x25519-ke1_mlkem768-ke1_none"
	noInter := func(m *message.Message) { withoutNotify(m, message.IntermediateSupported) }
	both := func(m *message.Message) { noInter(m); withoutAddKE(m) }
	for name, tt := range map[string]struct {
		kex      string
		response bool
		change   func(m *message.Message)
		want     string // in the initiator's reason
	}{
		"offer, required":             {required, false, withoutAddKE, "accepts none of the proposals"},
		"offer, optional":             {optional, false, withoutAddKE, "AUTHENTICATION_FAILED"},
		"supported, required":         {required, false, noInter, "accepts none of the proposals"},
		"supported, optional":         {optional, false, noInter, "AUTHENTICATION_FAILED"},
		"answer, required":            {required, true, withoutAddKE, "ke1_mlkem768 is missing"},
		"answer, optional":            {optional, true, both, ""}, // the responder waits for IKE_INTERMEDIATE
		"answered support, required":  {required, true, noInter, "does not support IKE_INTERMEDIATE"},
		"answered support, optional":  {optional, true, noInter, "does not support IKE_INTERMEDIATE"},
		"answer and support, requred": {required, true, both, "ke1_mlkem768 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := hybrid(t, tt.kex)
			from := p.i
			if tt.response {
				from = p.r
			}
			p.rewrite(from, tt.change)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(time.Minute)
			f, ok := last[SessionFailed](p.i)
			if !ok || !strings.Contains(f.Err.Error(), tt.want) || len(p.i.up)+len(p.r.up) > 0 {
				t.Errorf("initiator: %s; responder: %s", dump(p.i.events), dump(p.r.events))
			}
			p.empty()
		})
	}
}

// TestHybridPolicy: what the two ends want of additional key exchanges decides,
// and a refusal names it.
func TestHybridPolicy(t *testing.T) {
	const base = "aes128gcm16-prfsha256-"
	for _, tt := range []struct{ i, r, want string }{
		{"x25519-ke1_mlkem768", "x25519", ""},
		{"x25519", "x25519-ke1_mlkem768", ""},
		{"x25519-ke1_mlkem768", "x25519-ke1_mlkem1024", ""},
		{"x25519-ke1_mlkem768-ke1_none", "x25519", "x25519"},
		{"x25519", "x25519-ke1_mlkem768-ke1_none", "x25519"},
		{"x25519-ke1_mlkem1024-ke1_mlkem768", "x25519-ke1_mlkem768", "x25519-ke1_mlkem768"},
		{"x25519-ke1_mlkem1024-ke1_none", "x25519-ke1_none-ke1_mlkem1024", "x25519-ke1_mlkem1024"},
	} {
		t.Run(fmt.Sprint(tt.i, " ", tt.r), func(t *testing.T) {
			c, a := peerConfig(t), acceptConfig(t)
			c.IKE, a.IKE = ikeProposals(t, base+tt.i), ikeProposals(t, base+tt.r)
			p := newPair(t, a)
			if _, err := p.i.e.Initiate(c, p.now); err != nil {
				t.Fatal(err)
			}
			p.advance(5 * time.Second)
			if tt.want != "" {
				if s := p.i.theSession(); s.State != "up" || s.Suite != base+tt.want {
					t.Errorf("%s with %s", s.State, s.Suite)
				}
				p.agree()
				return
			}
			f, ok := last[SessionFailed](p.i)
			if !ok || f.PeerReason != "NO_PROPOSAL_CHOSEN" || !strings.Contains(f.Err.Error(), base+tt.i) {
				t.Errorf("%s", dump(p.i.events))
			}
		})
	}
	t.Run("second proposal without", func(t *testing.T) {
		c, a := peerConfig(t), acceptConfig(t)
		c.IKE, a.IKE = ikeProposals(t, base+"x25519-ke1_mlkem768", base+"x25519"), ikeProposals(t, base+"x25519")
		newPair(t, a).establish(c)
	})
}

// TestHybridInvalidKE: another first group, a cookie, or both, before the
// additional key exchanges.
func TestHybridInvalidKE(t *testing.T) {
	for _, cookie := range []bool{false, true} {
		c, a := peerConfig(t), acceptConfig(t)
		c.IKE = ikeProposals(t, "aes128gcm16-prfsha256-ecp384-x25519-ke1_mlkem768-ke1_x25519")
		a.IKE = ikeProposals(t, "aes128gcm16-prfsha256-x25519-ke1_x25519-ke1_mlkem768")
		p := newPair(t, a, func(_, r *Options) {
			if cookie {
				r.CookieThreshold = -1
			}
		})
		p.establish(c)
		if s := p.r.theSession(); s.Suite != "aes128gcm16-prfsha256-x25519-ke1_mlkem768" {
			t.Errorf("cookie %v: %s", cookie, s.Suite)
		}
		p.close()
	}
}
