package main

import (
	"fmt"
	"strconv"

	"warren/control"
)

func ikeRows(sas []control.IKE) [][]string {
	rows := [][]string{{"PEER", "LAYER", "ROLE", "STATE", "LOCAL", "REMOTE", "LOCAL ID", "PROVEN BY", "REMOTE ID", "PROVEN BY",
		"SPI", "PROPOSAL", "WITH", "CHILDREN", "AGE", "REKEYS", "REKEY IN", "REAUTHS", "REAUTH IN"}}
	for _, s := range sas {
		rows = append(rows, []string{s.Peer, strconv.Itoa(s.Layer), s.Role, s.State, s.Local, s.Remote,
			s.LocalID, s.LocalProof, s.RemoteID, s.RemoteProof, s.SPIInitiator + "/" + s.SPIResponder, s.Proposal, with(s),
			list(childSPIs(s.ChildSAs)), age(s.AgeSeconds), fmt.Sprint(s.Rekeys), left(s.RekeySeconds), fmt.Sprint(s.Reauths), left(s.ReauthSeconds)})
	}
	return rows
}

// with names what an IKE SA has beyond RFC 7296's least.
func with(s control.IKE) string {
	var words []string
	for _, w := range []struct {
		has  bool
		name string
	}{{s.NAT, "nat"}, {s.MOBIKE, "mobike"}, {s.PPK, "ppk"}, {s.Fragments, "fragments"}} {
		if w.has {
			words = append(words, w.name)
		}
	}
	return list(words)
}

// childSPIs names pairs of child SAs, and the state of those that are not just up.
func childSPIs(children []control.ChildSA) []string {
	var words []string
	for _, c := range children {
		word := c.SPIIn + "/" + c.SPIOut
		if c.State != control.StateUp {
			word += " " + c.State
		}
		words = append(words, word)
	}
	return words
}

// left is the time until something, nothing where that never comes.
func left(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return age(seconds)
}
