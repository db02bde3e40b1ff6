package trust

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"sync"

	"warren/ike/dn"
)

var weakKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })

func extensionOf(id asn1.ObjectIdentifier, value []byte) pkix.Extension {
	return pkix.Extension{Id: id, Critical: true, Value: value}
}

// constraintsDER is a name constraints extension with one subtree each.
func constraintsDER(permitted, excluded string) []byte {
	tlv := func(tag byte, body []byte) []byte { return append([]byte{tag, byte(len(body))}, body...) }
	var all []byte
	for i, text := range []string{permitted, excluded} {
		if text != "" {
			name := must(must(dn.ParseText(text)).Marshal())
			all = append(all, tlv(0xa0+byte(i), tlv(0x30, tlv(0xa4, name)))...)
		}
	}
	return tlv(0x30, all)
}
