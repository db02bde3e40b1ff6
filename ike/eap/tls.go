package eap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"warren/ike/message"
	"warren/ike/trust"
)

// A tlsPeer is the peer's side of EAP-TLS: crypto/tls as the client.
type tlsPeer struct {
	fragments
	routine *coroutine
	server  *trust.Peer // its certificate, once that was verified
	result  *Result
	err     error
}

func newTLSPeer(cert *trust.Credential, store *trust.Store, server *message.ID, now time.Time) *tlsPeer {
	p := &tlsPeer{}
	own := cert.TLS()
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,

		// Only key exchanges in which neither side can force the result: without
		// them, and without an extended master secret, which many servers still
		// lack, a server could pass the MSK on to another one (RFC 7627, Section 1).
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		Time: func() time.Time { return now },

		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },

		// The store verifies, not crypto/tls: trust anchors are the identity's,
		// and the server's name may be of any type.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) (err error) {
			p.server, err = store.Verify(raw(s.PeerCertificates), server, now)
			if err != nil {
				return fmt.Errorf("the server is not proven: %w", err)
			}
			return nil
		},
	}
	p.routine = start(func(c net.Conn) { p.err = p.run(tls.Client(c, config)) })
	return p
}

func raw(certs []*x509.Certificate) (der [][]byte) {
	for _, c := range certs {
		der = append(der, c.Raw)
	}
	return der
}

// run is the whole conversation, in the coroutine.
func (p *tlsPeer) run(c *tls.Conn) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	state := c.ConnectionState()
	label, context := "client EAP encryption", []byte(nil) // RFC 5216, Section 2.3
	if state.Version >= tls.VersionTLS13 {
		if err := committed(c); err != nil {
			return err
		}
		label, context = "EXPORTER_EAP_TLS_Key_Material", []byte{byte(TypeTLS)} // RFC 9190, Section 2.3
	}
	keys, err := state.ExportKeyingMaterial(label, context, 2*mskLen) // with the EMSK, which nobody needs
	if err != nil {
		return err
	}
	clear(keys[mskLen:])
	p.result = &Result{MSK: keys[:mskLen], Server: p.server}
	return nil
}

// committed waits for the server's word that it believes this side and sends no
// more, without which a Success means nothing in TLS 1.3 (RFC 9190, Section
// 2.1.1).
func committed(c *tls.Conn) error {
	var word [1]byte
	if _, err := io.ReadFull(c, word[:]); err != nil {
		return err
	}
	if word[0] != 0 {
		return errors.New("the server sends data instead of its success")
	}
	return nil
}

func (p *tlsPeer) Type() Type { return TypeTLS }

func (p *tlsPeer) Result() *Result { return p.result }

func (p *tlsPeer) Close() {
	p.routine.stop()
	if p.result != nil {
		p.result.MSK.Wipe()
		p.result = nil
	}
}

func (p *tlsPeer) Answer(data []byte) ([]byte, error) {
	if p.routine.ended {
		return nil, errors.New("the server goes on with EAP-TLS after its end")
	}
	in, whole, err := p.take(data)
	if err != nil {
		return nil, err
	}
	if whole {
		p.give(p.routine.exchange(in))
	}
	if p.routine.ended && p.err != nil { // tell the other end by an alert
		return p.next(), fmt.Errorf("EAP-TLS: %w", p.err)
	}
	return p.next(), nil
}
