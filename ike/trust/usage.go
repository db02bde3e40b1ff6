package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
)

// checkUsage refuses certificates that are for something else (RFC 4945,
// Sections 5.1.3.2 and 5.1.3.12). As with strongSwan, those of TLS servers and
// clients are good too.
func checkUsage(c *x509.Certificate) error {
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("its key usage does not allow signatures")
	}
	return checkExtended(c)
}

// checkExtended is for every certificate of a path: one that is limited to other
// usages cannot issue for these.
func checkExtended(c *x509.Certificate) error {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return nil
	}
	known := slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		switch u {
		case x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
			x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser:
			return true
		}
		return false
	})
	ipsecIKE := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17} // RFC 4945, Section 5.1.3.12
	if known || slices.ContainsFunc(c.UnknownExtKeyUsage, ipsecIKE.Equal) {
		return nil
	}
	return errors.New("its extended key usage is for neither IPsec nor TLS")
}
