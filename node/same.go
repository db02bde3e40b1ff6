package node

import (
	"bytes"
	"crypto/x509"
	"reflect"
	"slices"
	"strings"

	"warren/config"
)

// fixed are the parts of a configuration that a running node cannot change.
func fixed(c *config.Config) map[string]any {
	return map[string]any{
		"node": c.Node, "tun": c.Tun, "listen": c.Listen, "control": c.Control, "limits": c.Limits, "offloads": c.Offloads,
		"forwarding": c.Forwarding, "allow_key_export": c.AllowKeyExport,
	}
}

// needsRestart names what is fixed and differs, in the order of config.md.
func needsRestart(old, next *config.Config) string {
	a, b := fixed(old), fixed(next)
	var words []string
	for _, key := range []string{"node", "tun", "listen", "control", "limits", "offloads", "forwarding", "allow_key_export"} {
		if !reflect.DeepEqual(a[key], b[key]) {
			words = append(words, key)
		}
	}
	return strings.Join(words, ", ")
}

// samePeer reports whether a session with a peer would be made in the same way by
// both. Certificates do not count: those of before stay good, and the next
// authentication takes the new ones.
func samePeer(old, next *config.Peer) bool {
	if old == nil || next == nil {
		return old == next
	}
	a, b := *old, *next
	a.Pos, a.Identity, a.Profile = "", nil, nil
	b.Pos, b.Identity, b.Profile = "", nil, nil
	return reflect.DeepEqual(a, b) && sameIdentity(old.Identity, next.Identity) && sameProfile(old.Profile, next.Profile)
}

func sameIdentity(a, b *config.Identity) bool {
	return a.ID == b.ID && a.HasCert() == b.HasCert() && a.HasCA() == b.HasCA() && reflect.DeepEqual(a.EAP, b.EAP)
}

// sameTrust reports whether both believe the same of every certificate.
func sameTrust(a, b *config.Identity) bool {
	if a.Trust == nil || b.Trust == nil {
		return a.Trust == b.Trust
	}
	cert := func(x, y *x509.Certificate) bool { return x.Equal(y) }
	list := func(x, y *x509.RevocationList) bool { return bytes.Equal(x.Raw, y.Raw) }
	return a.Trust.Revocation == b.Trust.Revocation && slices.EqualFunc(a.Trust.Anchors, b.Trust.Anchors, cert) &&
		slices.EqualFunc(a.Trust.CRLs, b.Trust.CRLs, list)
}

func sameProfile(a, b *config.Profile) bool {
	return reflect.DeepEqual(a.IKE, b.IKE) && reflect.DeepEqual(a.ESP, b.ESP) && a.Rekey == b.Rekey
}

// sameAccept is samePeer for an entry, without its peers' secrets.
func sameAccept(old, next *config.Accept) bool {
	bare := func(a *config.Accept) config.Accept {
		b := *a
		b.Pos, b.Identity, b.Profile, b.Secrets, b.PSK, b.PPKs, b.Users = "", nil, nil, nil, nil, nil, nil
		return b
	}
	return reflect.DeepEqual(bare(old), bare(next)) && (old.Users == nil) == (next.Users == nil) && sameIdentity(old.Identity, next.Identity) && sameProfile(old.Profile, next.Profile)
}
