// Package trust decides whether a certificate proves an identity.
//
// A [Store] holds the trust anchors of one identity of this node, so that each
// layer can have a certification authority of its own. It validates paths with
// crypto/x509 (RFC 5280, Section 6) and adds what IKE asks for: name constraints
// on distinguished names, key usages (RFC 4945, Section 5.1.3), keys strong
// enough, the binding of the certificate to the ID payload (RFC 7296, Section
// 2.15), and certificate revocation lists. A [Credential] is this node's own
// certificate with its private key.
//
// Nothing here opens a file or a connection. What a Store needs to know of
// revocations it asks for by URL, and only for certificates whose path to a trust
// anchor holds; the caller fetches and hands over.
//
// It does not implement OCSP, delta and indirect CRLs, CRLs for a part of an
// issuer's certificates, certificate policies, raw public keys and PKCS #7.
//
// A Store belongs to one goroutine at a time.
package trust
