package crypt

import "warren/ike/message"

// aeadAnswer is an ICV; it covers the ciphertext, which thereby needs no
// comparison of its own. Keys, salts and IVs are of the source named.
type aeadAnswer struct{ keymat, iv, aad, plain, icv string }

func aeadAnswerOf(e Encr) (aeadAnswer, bool) {
	// Test cases 4, 10 and 16 of "The Galois/Counter Mode of Operation (GCM)".
	const (
		key   = "feffe9928665731c6d6a8f9467308308"
		salt  = "cafebabe"
		iv    = "facedbaddecaf888"
		aad   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
			"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	)
	switch e.ID {
	case message.EncrAESGCM12, message.EncrAESGCM8: // the same, cut
		e.ID = message.EncrAESGCM16
	}
	switch e {
	case Encr{message.EncrAESGCM16, 128}:
		return aeadAnswer{key + salt, iv, aad, plain, "5bc94fbc3221a5db94fae95ae7121a47"}, true
	case Encr{message.EncrAESGCM16, 192}:
		return aeadAnswer{key + key[:16] + salt, iv, aad, plain, "2519498e80f1478f37ba55bd6d27618c"}, true
	case Encr{message.EncrAESGCM16, 256}:
		return aeadAnswer{key + key + salt, iv, aad, plain, "76fc6ece0f4e1768cddf8853bb2d551b"}, true
	case Encr{message.EncrChaCha20Poly1305, 0}: // RFC 7634, Appendix B
		return aeadAnswer{
			"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f" + "a0a1a2a3",
			"1011121314151617",
			"c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029",
			"0000000c000040010000000a00",
			"6b71bfe25236efd7cdc67066906315b2",
		}, true
	}
	return aeadAnswer{}, false
}

// A cbcAnswer is the first block of the vectors of NIST SP 800-38A, Appendix F.2.
type cbcAnswer struct{ key, iv, plain, cipher string }

func cbcAnswerOf(e Encr) (cbcAnswer, bool) {
	const (
		iv    = "000102030405060708090a0b0c0d0e0f"
		plain = "6bc1bee22e409f96e93d7e117393172a"
	)
	switch e.KeyLen {
	case 128:
		return cbcAnswer{"2b7e151628aed2a6abf7158809cf4f3c", iv, plain, "7649abac8119b246cee98e9b12e9197d"}, true
	case 192:
		return cbcAnswer{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", iv, plain, "4f021db243bc633d7178183a9fa071e8"}, true
	case 256:
		return cbcAnswer{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", iv, plain,
			"f58c4c04d6e5f1ba779eabfb5f7bfbd6"}, true
	}
	return cbcAnswer{}, false
}

// A dhAnswer has the private values of both sides, SHA-256 of the first one's
// public value, and SHA-256 of the shared secret.
type dhAnswer struct{ i, r, public, shared string }

func dhAnswerOf(g message.DHGroup) (dhAnswer, bool) {
	switch g {
	case message.DHX25519: // RFC 7748, Section 6.1
		return dhAnswer{
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"300c9c9603b92a4b39ed3958bf9240114804db4fd373012c0ca47432d63425ae",
			"dead45a1d43d6902aa9240b43c0d75a0b5fc750660590d6d45461cbfc4010684",
		}, true
	case message.DHECP256: // RFC 5903, Section 8.1
		return dhAnswer{
			"c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			"c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			"293c9fbafaa2f0a1ee2c320e4bf43070db05750a46ad05fa4108365a851a3518",
			"0519dc09b36efad1d00aef1d5b53b100202eb910b5de0dede75f190a357a367d",
		}, true
	case message.DHECP384: // RFC 5903, Section 8.2
		return dhAnswer{
			"099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
			"41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
			"9e655dcef6e54906df1e785bf769e6912714ce2c3739cca4d1d1938c29db7b63",
			"a54975fc64aa0e1513ec7d41207c7c2338735226a4f1582d71b40e49a9785ee1",
		}, true
	case message.DHMODP2048: // made for this test, checked with another implementation's integers
		return dhAnswer{
			"01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b121920272e353c434a",
			"030e19242f3a45505b66717c87929da8b3bec9d4dfeaf5000b16212c37424d58636e79848f9aa5b0bbc6d1dce7f2fd08",
			"f363d2aa9d00c3adc20c03088f5a4c2b96148c072ce1204008cad4f77d81d490",
			"cf9a692a982cf41478716d90866a554afe7b8c89768a51f8f184fab478a793a6",
		}, true
	case message.DHECP521: // RFC 5903, Section 8.3
		return dhAnswer{
			"0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
			"0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
			"487f9c7e60de7f004a1622bce27b79f22a004c473a851e307d04328fae1c3d88",
			"d26abc7eae12e6c1789c0a3850a987e3bfbdf0dd24588fdd774c3dca0c400404",
		}, true
	case message.DHMODP3072:
		return dhAnswer{
			"01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b121920272e353c434a51585f666d747b82",
			"030e19242f3a45505b66717c87929da8b3bec9d4dfeaf5000b16212c37424d58636e79848f9aa5b0bbc6d1dce7f2fd08131e29343f4a5560",
			"cc9ba9be9d716c7c7164f3ead4f712962eb846f7e0896283344d1225a9d0da7e",
			"71a48d512fef420c163c21870e006552d543cb349c8d1d713425f1405b235e9f",
		}, true
	case message.DHMODP4096:
		return dhAnswer{
			"01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b121920272e353c434a51585f666d747b828990979ea5acb3ba",
			"030e19242f3a45505b66717c87929da8b3bec9d4dfeaf5000b16212c37424d58636e79848f9aa5b0bbc6d1dce7f2fd08131e29343f4a55606b76818c97a2adb8",
			"1926f86401c4624ad25ba7b7a3235cdbd51c8f5ca913c8e5a6dadc087ac7702b",
			"186c92929726f40b594886fe7e2213faa26959670670cda8a8f8509586eaa736",
		}, true
	case message.MLKEM768: // the seeds are of project Wycheproof
		return dhAnswer{i: "cbfc4405d1b2a3a386c94c25e0f2d5f5ee92cb0388ff4d6aa04223086d51c3fd24752da14c9fc3b8ae0d9e4a8b1016b8d8fc69e229c03ea2ef08a4ae0cffc37f",
			public: "67fe2cb60768d55758c67bfd5842692dedb14513d581c48db2cd3adf94568106"}, true
	case message.MLKEM1024:
		return dhAnswer{i: "8247c17686a8bc0b3afebe6bed1df1dc3ff7fa07c3670f624930235f20aecb4353ece11faa61f47d946ee501abb9a48029096de63b243a1794c4a760f98cc157",
			public: "5db6d38ecb5e92dda86dd468931bd4272def51b901c05979ce40053acc85a1e8"}, true
	}
	return dhAnswer{}, false
}
