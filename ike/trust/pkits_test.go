package trust

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pkits are NIST's cases for path validation, which come with Go.
type pkitsCase struct {
	Name           string
	CertPath       []string
	ShouldValidate bool
}

func readPKITS(t *testing.T) (dir string, cases []pkitsCase) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("there is no go command to say where its tests are")
	}
	dir = filepath.Join(strings.TrimSpace(string(root)), "src/crypto/x509/testdata/nist-pkits")
	data, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	if os.IsNotExist(err) {
		t.Skip("this Go comes without NIST's path validation cases")
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return dir, cases
}

// stricter are cases where this package, or crypto/x509, refuses a good path; it
// must never accept a bad one.
func stricter() map[string]string {
	return map[string]string{
		"4.1.4":   "DSA",
		"4.1.5":   "DSA",
		"4.3.3":   "names of issuers are compared octet by octet",
		"4.3.4":   "the same",
		"4.3.5":   "the same",
		"4.3.10":  "the same",
		"4.3.11":  "the same",
		"4.6.15":  "certificates that an authority issues to itself count for the path length",
		"4.6.17":  "the same",
		"4.13.25": "an excluded host of email addresses excludes those below it",
		"4.13.36": "an excluded host of URIs excludes those below it",
	}
}

// TestCVE_2026_35331 is the name constraints of PKITS, and with them the other
// sections about paths: signatures, validity, name chaining, basic constraints
// (path lengths), key usage, private extensions. Policies are not implemented,
// and the CRLs, which 4.7.4 and 4.7.5 are about, do not come with Go.
func TestCVE_2026_35331(t *testing.T) {
	dir, cases := readPKITS(t)
	now := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	ran := 0
	for _, c := range cases {
		number, _, _ := strings.Cut(c.Name, " ")
		section := strings.Split(number, ".")[1]
		if !strings.Contains(" 1 2 3 6 7 13 16 ", " "+section+" ") || number == "4.7.4" || number == "4.7.5" {
			continue
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			err := pkitsPath(t, filepath.Join(dir, "certs"), c.CertPath, now)
			_, odd := stricter()[number]
			switch {
			case err == nil && !c.ShouldValidate:
				t.Error("a bad path is accepted")
			case err != nil && c.ShouldValidate && !odd:
				t.Errorf("a good path is refused: %v", err)
			case err == nil && odd:
				t.Error("it is not refused any more: take it off the list")
			}
		})
	}
	if ran < 80 {
		t.Errorf("%d cases ran", ran)
	}
}

func pkitsPath(t *testing.T, dir string, path []string, now time.Time) error {
	var ders [][]byte
	for _, name := range path {
		der, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		ders = append([][]byte{der}, ders...)
	}
	anchor, err := x509.ParseCertificate(ders[len(ders)-1])
	if err != nil {
		return err
	}
	s, err := New(Options{Anchors: []*x509.Certificate{anchor}})
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(ders[0])
	if err != nil {
		return err
	}
	_, err = s.paths(leaf, ders[1:len(ders)-1], now)
	return err
}
