package message

import (
	"errors"
	"fmt"
)

// How a message can be malformed, for errors.Is. ErrMajor is answered with
// INVALID_MAJOR_VERSION and ErrCritical with UNSUPPORTED_CRITICAL_PAYLOAD (RFC
// 7296, Section 2.5), the others with INVALID_SYNTAX in a protected
// exchange (Section 3.10.1), and, a few times a second, to an IKE_SA_INIT request.
var (
	ErrShort    = errors.New("data ends early")
	ErrLength   = errors.New("length field disagrees with the data")
	ErrTrailing = errors.New("data after the end")
	ErrCritical = errors.New("unknown payload is marked critical")
	ErrMajor    = errors.New("major version is above 2")
	ErrVersion  = errors.New("major version is below 2")
	ErrSPI      = errors.New("initiator's SPI is zero")
	ErrTooMany  = errors.New("more elements than allowed")
	ErrCount    = errors.New("count field disagrees with the data")
	ErrValue    = errors.New("field has a forbidden value")
	ErrRange    = errors.New("range ends before it starts")
	ErrNested   = errors.New("encrypted payload inside an encrypted payload")
	ErrTooLong  = errors.New("too long for its length field")
	ErrTwice    = errors.New("payload comes twice")
)

// A ParseError says where in a message decoding stopped, and why.
type ParseError struct {
	Payload PayloadType // the payload being decoded; PayloadNone is the header
	Offset  int         // its first bad byte, from the start of what was parsed
	Err     error       // one of the errors above
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("ike/message: %v at byte %d: %v", e.Payload, e.Offset, e.Err)
}

func (e *ParseError) Unwrap() error { return e.Err }
