package ike

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"

	"warren/ike/dn"
	"warren/ike/message"
	"warren/ike/trust"
)

// An ID is an identity as IKE carries it (RFC 7296, Section 3.5). It is
// comparable; the zero ID is none.
type ID struct {
	Type message.IDType
	Data string // as on the wire
}

// ParseID reads an identity as it is written in a configuration: an IP address,
// "user@host" for an email address, "C=CH, CN=name" for a distinguished name,
// "keyid:..." for opaque text, "@name" or any other name for a domain name.
func ParseID(s string) (ID, error) {
	switch addr, err := netip.ParseAddr(s); {
	case s == "":
		return ID{}, errors.New("ike: id is empty")
	case err == nil:
		return AddrID(addr), nil
	case strings.HasPrefix(s, "keyid:"):
		return ID{message.IDKeyID, s[len("keyid:"):]}, nil
	case strings.HasPrefix(s, "@"):
		return ID{message.IDFQDN, s[1:]}, nil
	case strings.Contains(s, "="):
		name, err := dn.ParseText(s)
		if err != nil {
			return ID{}, fmt.Errorf("ike: id: %w", err)
		}
		der, err := name.Marshal()
		return ID{message.IDDN, string(der)}, err
	case strings.Contains(s, "@"):
		return ID{message.IDEmail, s}, nil
	}
	return ID{message.IDFQDN, s}, nil
}

// AddrID is the identity of an IP address.
func AddrID(a netip.Addr) ID {
	a = a.Unmap()
	if a.Is4() {
		return ID{message.IDIPv4, string(a.AsSlice())}
	}
	return ID{message.IDIPv6, string(a.AsSlice())}
}

// IsValid reports whether id is an identity at all.
func (id ID) IsValid() bool { return id.Type != 0 && id.Data != "" }

// String is id as ParseID reads it, with unprintable bytes escaped.
func (id ID) String() string {
	switch id.Type {
	case 0:
		return "(none)"
	case message.IDIPv4, message.IDIPv6:
		if a, ok := netip.AddrFromSlice([]byte(id.Data)); ok {
			return a.String()
		}
	case message.IDFQDN, message.IDEmail:
		return printable(id.Data)
	case message.IDKeyID:
		return "keyid:" + printable(id.Data)
	case message.IDDN:
		if n, err := dn.Parse([]byte(id.Data)); err == nil && len(n) > 0 {
			return n.String()
		}
	}
	return fmt.Sprintf("%v:%s", id.Type, hex.EncodeToString([]byte(id.Data)))
}

// printable is s without what would garble a terminal or a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Matches reports whether id is one that pattern, in the syntax of path.Match,
// stands for. Names are compared without regard to case. A pattern with
// wildcards matches names only, and one with @ inside email addresses only, so
// that nobody gets in under a name that merely looks like an id of another type.
// "*" alone stands for everyone, and "*" for a value of a distinguished name for any.
func (id ID) Matches(pattern string) bool {
	if !id.IsValid() || id.Type == message.IDNull {
		return false
	}
	if want, err := ParseID(pattern); err == nil && want.Type == id.Type && want.fold() == id.fold() {
		return true
	}
	if id.Type == message.IDDN {
		return pattern == "*" || id.matchesDN(pattern)
	}
	if _, err := dn.ParseText(pattern); err == nil {
		return false
	}
	isName := id.Type == message.IDFQDN || id.Type == message.IDEmail
	if pattern == "*" {
		return !isName || !strings.ContainsRune(id.Data, 0)
	}
	pattern = strings.TrimPrefix(pattern, "@")
	email := strings.Contains(pattern, "@")
	if !isName || email != (id.Type == message.IDEmail) || strings.ContainsRune(id.Data, 0) ||
		!strings.ContainsAny(pattern, `*?[\\`) {
		return false
	}
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(id.Data))
	return ok && err == nil
}

// BoundTo reports why c does not prove id, nil if it does.
func (id ID) BoundTo(c *x509.Certificate) error { return trust.Bind(c, id.payload(false)) }

// matchesDN: in a pattern for distinguished names, "*" stands for any one value.
func (id ID) matchesDN(pattern string) bool {
	want, err := dn.ParseText(pattern)
	name, err2 := dn.Parse([]byte(id.Data))
	return err == nil && err2 == nil && name.Matches(want)
}

// Equal reports whether both are the same identity; names are compared without
// regard to case, distinguished names as package dn does.
func (id ID) Equal(o ID) bool { return id.Type == o.Type && id.fold() == o.fold() }

// fold is what all spellings of an identity have in common.
func (id ID) fold() string {
	if id.Type == message.IDDN {
		if n, err := dn.Parse([]byte(id.Data)); err == nil {
			return n.String()
		}
	}
	if id.Type == message.IDFQDN || id.Type == message.IDEmail {
		return strings.ToLower(id.Data)
	}
	return id.Data
}

// key identifies id in maps.
func (id ID) key() ID { return ID{id.Type, id.fold()} }

func idOf(p *message.ID) ID { return ID{p.IDType, string(p.Data)} }

func (id ID) payload(responder bool) *message.ID {
	return &message.ID{Responder: responder, IDType: id.Type, Data: []byte(id.Data)}
}
