package sign

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"warren/ike/message"
)

type suite struct {
	TestGroups []struct {
		PublicKeyDer string
		Tests        []struct {
			TcID     int
			Comment  string
			Msg, Sig string
			Result   string
		}
	}
}

// TestWycheproof runs Project Wycheproof's vectors through Verify. What they
// call acceptable, RSA without the NULL, is refused.
func TestWycheproof(t *testing.T) {
	for file, how := range map[string]struct {
		alg    algorithm
		method message.AuthMethod
	}{
		"rsa_pss_2048_sha256_mgf1_32":  {algorithm{kindPSS, SHA256}, message.AuthSignature},
		"rsa_pss_3072_sha256_mgf1_32":  {algorithm{kindPSS, SHA256}, message.AuthSignature},
		"rsa_pss_4096_sha512_mgf1_64":  {algorithm{kindPSS, SHA512}, message.AuthSignature},
		"rsa_signature_2048_sha256":    {algorithm{kindRSA, SHA256}, message.AuthSignature},
		"rsa_signature_3072_sha384":    {algorithm{kindRSA, SHA384}, message.AuthSignature},
		"rsa_signature_4096_sha512":    {algorithm{kindRSA, SHA512}, message.AuthSignature},
		"ecdsa_secp256r1_sha256":       {algorithm{kindECDSA, SHA256}, message.AuthSignature},
		"ecdsa_secp384r1_sha384":       {algorithm{kindECDSA, SHA384}, message.AuthSignature},
		"ecdsa_secp521r1_sha512":       {algorithm{kindECDSA, SHA512}, message.AuthSignature},
		"ecdsa_secp256r1_sha256_p1363": {algorithm{}, message.AuthECDSA256},
		"ecdsa_secp384r1_sha384_p1363": {algorithm{}, message.AuthECDSA384},
		"ed25519":                      {algorithm{kindEd25519, Identity}, message.AuthSignature},
	} {
		t.Run(file, func(t *testing.T) {
			valid := 0
			for _, g := range readSuite(t, file).TestGroups {
				pub := must(x509.ParsePKIXPublicKey(must(hex.DecodeString(g.PublicKeyDer))))
				for _, x := range g.Tests {
					data := must(hex.DecodeString(x.Sig))
					if how.method == message.AuthSignature {
						id := how.alg.identifiers()[0]
						data = append(append([]byte{byte(len(id))}, id...), data...)
					}
					err := Verify(pub, &message.Auth{Method: how.method, Data: data}, must(hex.DecodeString(x.Msg)))
					if want := x.Result == "valid" && CheckKey(pub) == nil; (err == nil) != want {
						t.Errorf("case %d, %s, %s: %v", x.TcID, x.Comment, x.Result, err)
					}
					if err == nil {
						valid++
					}
				}
			}
			if valid == 0 {
				t.Error("no signature was good")
			}
		})
	}
}

func readSuite(t *testing.T, name string) (s suite) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../shared/vectors/wycheproof", name+"_test.json"))
	if os.IsNotExist(err) {
		t.Skip("Wycheproof's vectors are not beside the checkout")
	}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
