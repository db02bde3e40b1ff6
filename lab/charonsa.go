package lab

import (
	"net/netip"
	"strings"
)

// CharonSA is one IKE SA as `swanctl --list-sas` tells it.
type CharonSA struct {
	ID       string // grows with every IKE SA, so a rekey changes it
	State    string // ESTABLISHED when it is up
	RemoteID string
	Remote   string // where the peer is
	Suite    string // "AES_GCM_16-128-PRF_HMAC_SHA2_256-CURVE_25519"
	Children []CharonChild

	VirtualIP netip.Addr // the first that it has leased, or was leased
}

// CharonChild is one child SA.
type CharonChild struct {
	Name, State   string // INSTALLED when it is up
	SPIIn, SPIOut string
	Suite         string // with a key exchange where one was made for it
}

// Installed counts the child SAs that carry traffic.
func Installed(sas []CharonSA) int {
	n := 0
	for _, sa := range sas {
		for _, c := range sa.Children {
			if c.State == "INSTALLED" {
				n++
			}
		}
	}
	return n
}

// section is a nested piece of vici's raw print: "name {key=value name {…}}".
type section struct {
	values   map[string]string
	children []section
}

// parseListSAs reads lines like
// "list-sa event {lab {uniqueid=1 state=ESTABLISHED child-sas {net-1 {state=INSTALLED}}}}".
func parseListSAs(raw string) []CharonSA {
	var sas []CharonSA
	for line := range strings.Lines(raw) {
		body, ok := strings.CutPrefix(strings.TrimSpace(line), "list-sa event ")
		if !ok {
			continue
		}
		words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(body))
		event, _ := parseSection(words[1:])
		for _, ike := range event.children {
			sas = append(sas, ike.sa())
		}
	}
	return sas
}

// parseSection reads words up to the brace that closes the section, and
// returns the words after it.
func parseSection(words []string) (section, []string) {
	s := section{values: make(map[string]string)}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case w == "}":
			return s, words
		case w == "{":
			var c section
			c, words = parseSection(words)
			s.children = append(s.children, c)
		default:
			if k, v, ok := strings.Cut(w, "="); ok {
				s.values[k] = v
			}
		}
	}
	return s, nil
}

func (s section) sa() CharonSA {
	sa := CharonSA{ID: s.values["uniqueid"], State: s.values["state"], RemoteID: s.values["remote-id"], Remote: s.values["remote-host"],
		Suite: s.suite("encr-alg", "encr-keysize", "integ-alg", "prf-alg", "dh-group")}
	for _, key := range []string{"local-vips", "remote-vips"} {
		if a, err := netip.ParseAddr(strings.Trim(s.values[key], "[]")); err == nil {
			sa.VirtualIP = a
		}
	}
	for _, group := range s.children {
		for _, c := range group.children {
			v := c.values
			sa.Children = append(sa.Children, CharonChild{v["name"], v["state"], v["spi-in"], v["spi-out"],
				c.suite("encr-alg", "encr-keysize", "integ-alg", "dh-group")})
		}
	}
	return sa
}

// suite joins the values of those keys that are there.
func (s section) suite(keys ...string) string {
	var words []string
	for _, k := range keys {
		if v := s.values[k]; v != "" {
			words = append(words, v)
		}
	}
	return strings.Join(words, "-")
}
