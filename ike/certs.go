package ike

import (
	"crypto/sha1"
	"net/netip"
	"slices"

	"warren/ike/dn"
	"warren/ike/message"
	"warren/ike/sign"
	"warren/ike/trust"
)

// peerSupport is what a peer says in IKE_SA_INIT about certificates.
type peerSupport struct {
	hashes []sign.Hash       // of RFC 7427; empty means that it does not know that
	asked  [][sha1.Size]byte // the trust anchors that it asks for certificates of
}

func readSupport(ps []message.Payload) peerSupport {
	var s peerSupport
	if n := message.GetNotify(ps, message.SignatureHashAlgorithms); n != nil {
		s.hashes, _ = sign.ParseHashes(n.Data) // a malformed list is none
	}
	s.asked = askedAnchors(ps)
	return s
}

// maxAsked bounds the trust anchors of a peer that are looked at.
const maxAsked = 256

// askedAnchors are those that CERTREQ payloads name (RFC 7296, Section 3.7).
// Encodings other than X.509 are ignored.
func askedAnchors(ps []message.Payload) (ids [][sha1.Size]byte) {
	for _, p := range ps {
		r, ok := p.(*message.CertReq)
		if !ok || r.Encoding != trust.X509Signature || len(r.Data)%sha1.Size != 0 {
			continue
		}
		for id := range slices.Chunk(r.Data, sha1.Size) {
			if len(ids) < maxAsked {
				ids = append(ids, [sha1.Size]byte(id))
			}
		}
	}
	return ids
}

// hashNotify announces RFC 7427 (Section 4 there).
func hashNotify() message.Payload {
	return &message.Notify{Kind: message.SignatureHashAlgorithms, Data: sign.MarshalHashes(sign.Hashes())}
}

// certRequest is a CERTREQ payload for the anchors of stores, or nil.
func certRequest(stores ...*trust.Store) *message.CertReq {
	var data []byte
	var seen [][sha1.Size]byte
	for _, s := range stores {
		for _, id := range s.KeyIDs() {
			if !slices.Contains(seen, id) && len(seen) < trust.MaxKeyIDs {
				seen = append(seen, id)
				data = append(data, id[:]...)
			}
		}
	}
	if len(seen) == 0 {
		return nil
	}
	return &message.CertReq{Encoding: trust.X509Signature, Data: data}
}

// initExtras are the payloads about certificates in an IKE_SA_INIT request.
func (s *session) initExtras() []message.Payload {
	if s.peer.Cert == nil && s.peer.Trust == nil {
		return nil
	}
	return []message.Payload{hashNotify()}
}

// answerExtras are those in the response to request, which came to local: the
// identity is not known yet, so they are for all that may be meant.
func (e *Engine) answerExtras(request []message.Payload, local netip.Addr) []message.Payload {
	var ps []message.Payload
	var stores []*trust.Store
	certs := false
	for i := range e.opt.Accept {
		if a := &e.opt.Accept[i]; a.serves(local) {
			certs = certs || a.Cert != nil || a.Trust != nil
			if a.Trust != nil {
				stores = append(stores, a.Trust)
			}
		}
	}
	if certs && message.GetNotify(request, message.SignatureHashAlgorithms) != nil {
		ps = append(ps, hashNotify())
	}
	if r := certRequest(stores...); r != nil {
		ps = append(ps, r)
	}
	return ps
}

// readCerts takes the certificates out of a message. What is not X.509 is named
// but not looked at: hash and URL, raw keys, PKCS #7 (RFC 7296, Section 3.6).
func readCerts(ps []message.Payload) (certs [][]byte, other string) {
	for _, p := range ps {
		c, ok := p.(*message.Cert)
		switch {
		case !ok:
		case c.Encoding == trust.X509Signature:
			certs = append(certs, c.Data)
		case c.Encoding == 12 || c.Encoding == 13:
			other = "a URL of a certificate"
		case c.Encoding == 1:
			other = "a PKCS #7 bundle"
		case c.Encoding == 11 || c.Encoding == 15:
			other = "a raw public key"
		default:
			other = "a certificate of another encoding"
		}
	}
	return certs, other
}

// exactID is id in the very octets of the certificate where it is a
// distinguished name, so that peers who compare octets find it.
func exactID(id ID, cert *trust.Credential) ID {
	if id.Type != message.IDDN || cert == nil {
		return id
	}
	own, err := dn.Parse([]byte(id.Data))
	subject, err2 := dn.Parse(cert.Subject())
	if err != nil || err2 != nil || !own.Equal(subject) {
		return id
	}
	return ID{message.IDDN, string(cert.Subject())}
}
