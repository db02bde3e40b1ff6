package control

import "time"

// Certificate is a certificate or a revocation list that the node uses.
type Certificate struct {
	Kind     string `json:"kind"`     // "own", "issuer" (above an own one), "ca", "crl" or "peer"
	Identity string `json:"identity"` // of the node: whose it is, or who trusts it
	Peer     string `json:"peer"`     // peer: its name, or that of the accept entry
	PeerID   string `json:"peer_id"`
	Accepted bool   `json:"accepted"` // peer: it opened the session
	Layer    int    `json:"layer"`    // peer: of the session

	Subject     string    `json:"subject"` // empty for a revocation list
	Issuer      string    `json:"issuer"`
	SANs        []string  `json:"sans"`
	Serial      string    `json:"serial"` // in hexadecimal; the number of a revocation list
	Key         string    `json:"key_type"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	DaysLeft    int       `json:"days_left"` // whole ones; negative beyond the end
	SecondsLeft float64   `json:"seconds_left"`
	File        string    `json:"file"`    // or URL; empty for what the peer has sent
	Warning     string    `json:"warning"` // empty where there is time
}

func filledCertificates(certs []Certificate) []Certificate {
	out := make([]Certificate, len(certs))
	for i, c := range certs {
		c.SANs = list(c.SANs)
		out[i] = c
	}
	return out
}
