package trust

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"warren/ike/dn"
	"warren/ike/message"
)

// Bind reports why c does not belong to id, nil if it does: the very name must be
// in the certificate, as a subject alternative name of the right type, or as the
// subject where id is a distinguished name (RFC 4945, Section 3.1). Wildcards in a
// certificate stand for nothing, and the common name is no domain name.
func Bind(c *x509.Certificate, id *message.ID) error {
	ok := false
	switch id.IDType {
	case message.IDFQDN:
		ok = slices.ContainsFunc(c.DNSNames, func(n string) bool { return strings.EqualFold(n, string(id.Data)) })
	case message.IDEmail:
		ok = slices.ContainsFunc(c.EmailAddresses, func(n string) bool { return strings.EqualFold(n, string(id.Data)) })
	case message.IDIPv4, message.IDIPv6:
		want, valid := netip.AddrFromSlice(id.Data)
		for _, ip := range c.IPAddresses {
			got, _ := netip.AddrFromSlice(ip)
			ok = ok || valid && got.Unmap() == want.Unmap()
		}
	case message.IDDN:
		want, err := dn.Parse(id.Data)
		got, err2 := dn.Parse(c.RawSubject)
		ok = err == nil && err2 == nil && len(want) > 0 && got.Equal(want)
	default:
		return fmt.Errorf("an id of type %v cannot be tied to a certificate", id.IDType)
	}
	if !ok || len(id.Data) == 0 {
		return fmt.Errorf("its certificate is for %s", Names(c))
	}
	return nil
}

// maxNames bounds how many names of a certificate are told.
const maxNames = 8

// AltNames are the subject alternative names that can be an identity; never nil.
func AltNames(c *x509.Certificate) []string {
	names := append(append([]string{}, c.DNSNames...), c.EmailAddresses...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Names lists what a certificate may be the proof of.
func Names(c *x509.Certificate) string {
	names := AltNames(c)
	if n, err := dn.Parse(c.RawSubject); err == nil && len(n) > 0 {
		names = append(names, n.String())
	}
	if len(names) > maxNames {
		names = append(names[:maxNames], fmt.Sprintf("%d more", len(names)-maxNames))
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, "; ")
}
