package control

// Keys are the keys of all SAs, in lines of the files that Wireshark keeps them
// in. A node tells them only where its configuration allows that.
type Keys struct {
	IKE     []string `json:"ikev2_decryption_table"`
	ESP     []string `json:"esp_sa"`
	LeftOut []string `json:"left_out"` // SAs that Wireshark cannot decrypt
}

func filledKeys(k Keys) Keys {
	return Keys{list(k.IKE), list(k.ESP), list(k.LeftOut)}
}
