package main

import (
	"strconv"

	"warren/control"
)

func certRows(certs []control.Certificate) [][]string {
	rows := [][]string{{"KIND", "IDENTITY", "PEER", "LAYER", "SUBJECT", "ISSUER", "NAMES", "SERIAL", "KEY", "NOT AFTER", "DAYS LEFT", "FILE"}}
	for _, c := range certs {
		peer, layer := c.Peer, ""
		if c.Accepted {
			peer = c.PeerID
		}
		if c.Layer > 0 {
			layer = strconv.Itoa(c.Layer)
		}
		rows = append(rows, []string{c.Kind, c.Identity, peer, layer, c.Subject, c.Issuer, list(c.SANs), c.Serial, c.Key,
			date(c.NotAfter), strconv.Itoa(c.DaysLeft), c.File})
	}
	return rows
}
