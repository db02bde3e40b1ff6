package message

import "encoding/binary"

func (r *reader) notify() *Notify {
	p := &Notify{Protocol: Protocol(r.u8())}
	n := int(r.u8())
	p.Kind = NotifyType(r.u16())
	p.SPI = r.take(n)
	p.Data = r.rest()
	return p
}

func (p *Notify) appendBody(b []byte) ([]byte, error) {
	if len(p.SPI) > 255 {
		return b, ErrTooLong
	}
	b = append(b, byte(p.Protocol), byte(len(p.SPI)))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Kind))
	return append(append(b, p.SPI...), p.Data...), nil
}

// delete decodes a Delete payload. The size of an SPI follows from the protocol:
// none for IKE, four octets for AH and ESP (RFC 7296, Section 3.11).
func (r *reader) delete() *Delete {
	at := r.off
	p := &Delete{Protocol: Protocol(r.u8())}
	size, n := int(r.u8()), int(r.u16())
	switch {
	case p.Protocol == ProtoIKE:
		if size != 0 || n != 0 {
			r.bad(ErrValue, at)
		}
		return p
	case p.Protocol != ProtoESP && p.Protocol != ProtoAH, size != 4:
		r.bad(ErrValue, at)
	case n*size != len(r.b):
		r.bad(ErrCount, at+2)
	case n > MaxSPIs:
		r.bad(ErrTooMany, at+2)
	}
	for len(r.b) > 0 && r.ok() {
		p.SPIs = append(p.SPIs, r.u32())
	}
	return p
}

func (p *Delete) appendBody(b []byte) ([]byte, error) {
	if len(p.SPIs) > MaxSPIs {
		return b, ErrTooMany
	}
	size := byte(4)
	if p.Protocol == ProtoIKE {
		size = 0
	}
	b = append(b, byte(p.Protocol), size)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		b = binary.BigEndian.AppendUint32(b, spi)
	}
	return b, nil
}
