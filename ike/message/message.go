package message

// A Message is one IKE message.
type Message struct {
	Header
	Payloads []Payload

	// Raw is the datagram that Parse was given, nil in a message that was built.
	Raw []byte
}

// Get returns the first payload that is a T, as in Get[*KE](m.Payloads).
func Get[T Payload](ps []Payload) (p T, ok bool) {
	for _, q := range ps {
		if p, ok = q.(T); ok {
			return p, true
		}
	}
	return p, false
}

// GetID returns IDr if responder is set and else IDi, or nil.
func GetID(ps []Payload, responder bool) *ID {
	for _, p := range ps {
		if id, ok := p.(*ID); ok && id.Responder == responder {
			return id
		}
	}
	return nil
}

// GetTS returns TSr if responder is set and else TSi, or nil.
func GetTS(ps []Payload, responder bool) *TS {
	for _, p := range ps {
		if ts, ok := p.(*TS); ok && ts.Responder == responder {
			return ts
		}
	}
	return nil
}

// GetNotify returns the first Notify of the given kind, or nil.
func GetNotify(ps []Payload, kind NotifyType) *Notify {
	for _, p := range ps {
		if n, ok := p.(*Notify); ok && n.Kind == kind {
			return n
		}
	}
	return nil
}

// CheckOnce refuses payloads of a kind that a message has at most one of, when there
// are more. What all others may mean would depend on which of them is looked at.
func CheckOnce(ps []Payload) error {
	var seen [256]bool
	for _, p := range ps {
		switch t := p.Type(); t {
		case PayloadSA, PayloadKE, PayloadIDi, PayloadIDr, PayloadAuth, PayloadNonce, PayloadTSi, PayloadTSr, PayloadCP, PayloadEAP:
			if seen[t] {
				return &ParseError{Payload: t, Err: ErrTwice}
			}
			seen[t] = true
		}
	}
	return nil
}

// Count returns how many payloads of type t there are.
func Count(ps []Payload, t PayloadType) int {
	n := 0
	for _, p := range ps {
		if p.Type() == t {
			n++
		}
	}
	return n
}
