package node

import (
	"fmt"
	"strings"

	"warren/esp"
	"warren/ike"
	"warren/ike/message"
)

// ikeLine is an IKE SA as a line of Wireshark's ikev2_decryption_table, or why
// there is none.
func ikeLine(k ike.ExportedKeys) (string, error) {
	encr, err := ikeCipher(k)
	if err != nil {
		return "", err
	}
	integ := "NONE [RFC4306]"
	switch k.Choice.Integ {
	case message.IntegHMACSHA256128:
		integ = "HMAC_SHA2_256_128 [RFC4868]"
	case message.IntegHMACSHA384192:
		integ = "HMAC_SHA2_384_192 [RFC4868]"
	case message.IntegHMACSHA512256:
		integ = "HMAC_SHA2_512_256 [RFC4868]"
	}
	return fmt.Sprintf(`%016x,%016x,%x,%x,"%s",%x,%x,"%s"`, k.SPIi, k.SPIr, []byte(k.Keys.Ei), []byte(k.Keys.Er), encr,
		[]byte(k.Keys.Ai), []byte(k.Keys.Ar), integ), nil
}

func ikeCipher(k ike.ExportedKeys) (string, error) {
	e := k.Choice.Encr
	switch e.ID {
	case message.EncrAESCBC:
		return fmt.Sprintf("AES-CBC-%d [RFC3602]", e.KeyLen), nil
	case message.EncrAESGCM16:
		return fmt.Sprintf("AES-GCM-%d with 16 octet ICV [RFC5282]", e.KeyLen), nil
	case message.EncrAESGCM12:
		return fmt.Sprintf("AES-GCM-%d with 12 octet ICV [RFC5282]", e.KeyLen), nil
	case message.EncrAESGCM8:
		return fmt.Sprintf("AES-GCM-%d with 8 octet ICV [RFC5282]", e.KeyLen), nil
	}
	return "", fmt.Errorf("IKE SA %s/%s: Wireshark does not decrypt %s", hex64(k.SPIi), hex64(k.SPIr), k.Choice)
}

// espLine is an SA as a line of Wireshark's esp_sa, or why there is none. It is
// found by its SPI alone: behind a NAT a capture has other addresses.
func espLine(c *child, id esp.SPI, key []byte) (string, error) {
	family := "IPv6"
	if c.Path.Remote.Addr().Unmap().Is4() {
		family = "IPv4"
	}
	encr, auth, integ := "", "NULL", []byte{}
	switch name := c.Suite.Cipher.String(); {
	case strings.Contains(name, "gcm"):
		encr = fmt.Sprintf("AES-GCM with %d octet ICV [RFC4106]", c.Suite.ICVLen())
	case c.Suite.Integ != 0:
		n := 2 * c.Suite.ICVLen() // an HMAC's key is as long as its output, and the ICV half of that
		encr, auth = "AES-CBC [RFC3602]", fmt.Sprintf("HMAC-SHA-%d-%d [RFC4868]", 8*n, 4*n)
		key, integ = key[:len(key)-n], key[len(key)-n:]
	default:
		return "", fmt.Errorf("child SA %v: Wireshark does not decrypt %v", id, c.Suite)
	}
	return fmt.Sprintf(`"%s","*","*","%v","%s","%s","%s","%s"`, family, id, encr, hexKey(key), auth, hexKey(integ)), nil
}

func hexKey(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return fmt.Sprintf("0x%x", key)
}
