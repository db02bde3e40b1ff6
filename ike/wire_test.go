package ike

import (
	"time"

	"warren/ike/message"
)

// seal makes ps one datagram of sa.
func (sa *ikeSA) seal(kind message.ExchangeType, id uint32, response bool, ps []message.Payload) ([]byte, error) {
	return sa.sk.Seal(message.Header{
		SPIi: sa.spiI, SPIr: sa.spiR, Exchange: kind, Flags: sa.flags(response), MessageID: id,
	}, ps)
}

// open returns the payloads of a message to sa that is in one datagram.
func (e *Engine) open(sa *ikeSA, d Datagram) ([]message.Payload, error) {
	var part *reassembly
	in, err := e.unwrap(sa, d, &part, time.Time{})
	return sa.parse(in, message.Header{}, err)
}
