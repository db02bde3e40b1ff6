package dn

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Marshal encodes n in DER. Values are PrintableStrings where their characters
// allow it (RFC 5280, Section 4.1.2.4), so it may differ from what n was parsed
// from.
func (n Name) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range n {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				for _, a := range rdn {
					a.marshal(b)
				}
			})
		}
	})
	return b.Bytes()
}

func (a Attribute) marshal(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		oid, ok := encodeOID(a.OID)
		if !ok {
			b.SetError(fmt.Errorf("dn: %q is no object identifier", a.OID))
			return
		}
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(oid) })
		if a.IsDER {
			raw, err := hex.DecodeString(a.Value)
			if err != nil {
				b.SetError(fmt.Errorf("dn: value of %s: %w", a.OID, err))
			}
			b.AddBytes(raw)
			return
		}
		b.AddASN1(a.stringType(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Value)) })
	})
}

func (a Attribute) stringType() asn1.Tag {
	switch {
	case a.OID == EmailOID || a.OID == "0.9.2342.19200300.100.1.25": // RFC 5280, Appendix A: IA5String
		if ascii(a.Value) {
			return asn1.IA5String
		}
	case strings.Trim(a.Value, printableChars) == "":
		return asn1.PrintableString
	}
	return asn1.UTF8String
}

const printableChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"

func ascii(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > '~' }) < 0 }

// encodeOID is the contents of the object identifier written as s.
func encodeOID(s string) ([]byte, bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 {
		return nil, false
	}
	arcs := make([]uint64, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 40)
		if err != nil || len(p) > 1 && p[0] == '0' {
			return nil, false
		}
		arcs[i] = n
	}
	if arcs[0] > 2 || arcs[0] < 2 && arcs[1] >= 40 {
		return nil, false
	}
	out := base128(nil, arcs[0]*40+arcs[1])
	for _, n := range arcs[2:] {
		out = base128(out, n)
	}
	return out, true
}

func base128(b []byte, n uint64) []byte {
	size := 1
	for x := n >> 7; x > 0; x >>= 7 {
		size++
	}
	for i := size - 1; i > 0; i-- {
		b = append(b, byte(n>>(7*i))|0x80)
	}
	return append(b, byte(n&0x7f))
}
