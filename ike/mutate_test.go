package ike

import (
	"bytes"
	"encoding/binary"
	"slices"

	"pgregory.net/rapid"

	"warren/ike/crypt"
	"warren/ike/message"
)

// A rawPayload is a payload as octets, good or not.
type rawPayload struct {
	kind message.PayloadType
	head byte // critical bit and what is reserved
	body []byte
}

// rawPayloads cuts what is inside a message at its generic headers.
func rawPayloads(p crypt.Plain) (out []rawPayload) {
	next, b := p.Next, p.Data
	for next != message.PayloadNone && len(b) >= 4 {
		n := min(max(int(binary.BigEndian.Uint16(b[2:])), 4), len(b))
		out = append(out, rawPayload{next, b[1], bytes.Clone(b[4:n])})
		next, b = message.PayloadType(b[0]), b[n:]
	}
	return out
}

// assemble is the reverse, with lengths that are right.
func assemble(ps []rawPayload) (p crypt.Plain) {
	for i, x := range ps {
		next := message.PayloadNone
		if i+1 < len(ps) {
			next = ps[i+1].kind
		}
		p.Data = append(p.Data, byte(next), x.head)
		p.Data = binary.BigEndian.AppendUint16(p.Data, uint16(len(x.body)+4))
		p.Data = append(p.Data, x.body...)
	}
	if len(ps) > 0 {
		p.Next = ps[0].kind
	}
	return p
}

// payloadTypes are those that there are, some that there are not, and those that
// have no place inside others.
var payloadTypes = []message.PayloadType{message.PayloadSA, message.PayloadKE, message.PayloadIDi, message.PayloadIDr,
	message.PayloadCert, message.PayloadCertReq, message.PayloadAuth, message.PayloadNonce, message.PayloadNotify,
	message.PayloadDelete, message.PayloadVendorID, message.PayloadTSi, message.PayloadTSr, message.PayloadSK,
	message.PayloadCP, message.PayloadEAP, message.PayloadSKF, 1, 13, 32, 54, 128, 255}

// mutate changes payloads as a hostile peer would: it removes, doubles, moves and
// invents them, and changes the lengths, counts and types inside.
func mutate(t *rapid.T, p crypt.Plain, pool []crypt.Plain) crypt.Plain {
	ps := rawPayloads(p)
	for range rapid.IntRange(1, 3).Draw(t, "mutations") {
		ps = mutateOnce(t, ps, pool)
	}
	p = assemble(ps)
	if len(p.Data) > 4 && rapid.IntRange(0, 5).Draw(t, "lengths") == 0 { // the generic headers too
		at := rapid.IntRange(0, len(p.Data)-2).Draw(t, "at")
		p.Data[at] = rapid.Byte().Draw(t, "octet")
	}
	return p
}

func mutateOnce(t *rapid.T, ps []rawPayload, pool []crypt.Plain) []rawPayload {
	op := rapid.IntRange(0, 9).Draw(t, "mutation")
	if len(ps) == 0 {
		op = 9
	}
	i := rapid.IntRange(0, max(len(ps)-1, 0)).Draw(t, "payload")
	switch op {
	case 0:
		return slices.Delete(slices.Clone(ps), i, i+1)
	case 1:
		return slices.Insert(slices.Clone(ps), i, ps[i])
	case 2:
		j := rapid.IntRange(0, len(ps)-1).Draw(t, "with")
		ps[i], ps[j] = ps[j], ps[i]
	case 3:
		ps[i].kind = rapid.SampledFrom(payloadTypes).Draw(t, "type")
	case 4:
		ps[i].head ^= 0x80
	case 5, 6, 7:
		ps[i].body = mutateBody(t, ps[i].body)
	case 8: // of another message
		if len(pool) > 0 {
			if others := rawPayloads(rapid.SampledFrom(pool).Draw(t, "message")); len(others) > 0 {
				return slices.Insert(slices.Clone(ps), i, rapid.SampledFrom(others).Draw(t, "from there"))
			}
		}
	case 9:
		x := rawPayload{kind: rapid.SampledFrom(payloadTypes).Draw(t, "type"), body: rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(t, "body")}
		if rapid.Bool().Draw(t, "critical") {
			x.head = 0x80
		}
		return slices.Insert(slices.Clone(ps), i, x)
	}
	return ps
}

// mutateBody changes one field, or the length.
func mutateBody(t *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) == 0 {
		return []byte{rapid.Byte().Draw(t, "octet")}
	}
	at := rapid.IntRange(0, min(len(b)-1, 64)).Draw(t, "at")
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 0:
		b[at] = rapid.Byte().Draw(t, "octet")
	case 1:
		b[at]++
	case 2:
		b[at]--
	case 3:
		return b[:at]
	case 4:
		return append(b, rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "more")...)
	case 5:
		if at+1 < len(b) {
			binary.BigEndian.PutUint16(b[at:], rapid.SampledFrom([]uint16{0, 1, 3, 4, 7, 8, 0x7fff, 0xffff}).Draw(t, "field"))
		}
	}
	return b
}
