package message

func ParseHeader(b []byte) (Header, error)                         { panic("soon") }
func Parse(b []byte) (*Message, error)                             { panic("soon") }
func (m *Message) Marshal() ([]byte, error)                        { panic("soon") }
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) { panic("soon") }
func AppendPayloads(b []byte, ps []Payload) ([]byte, error)        { panic("soon") }
func FirstType(ps []Payload) PayloadType                           { panic("soon") }

// Body returns the octets after the generic header (signed in AUTH).
func (p *ID) Body() []byte { panic("soon") }

func (*KE) appendBody(b []byte) ([]byte, error)                { panic("soon") }
func (*ID) appendBody(b []byte) ([]byte, error)                { panic("soon") }
func (*Auth) appendBody(b []byte) ([]byte, error)              { panic("soon") }
func (*Nonce) appendBody(b []byte) ([]byte, error)             { panic("soon") }
func (*Notify) appendBody(b []byte) ([]byte, error)            { panic("soon") }
func (*Delete) appendBody(b []byte) ([]byte, error)            { panic("soon") }
func (*VendorID) appendBody(b []byte) ([]byte, error)          { panic("soon") }
func (*Cert) appendBody(b []byte) ([]byte, error)              { panic("soon") }
func (*CertReq) appendBody(b []byte) ([]byte, error)           { panic("soon") }
func (*EAP) appendBody(b []byte) ([]byte, error)               { panic("soon") }
func (*Encrypted) appendBody(b []byte) ([]byte, error)         { panic("soon") }
func (*EncryptedFragment) appendBody(b []byte) ([]byte, error) { panic("soon") }
func (*Unknown) appendBody(b []byte) ([]byte, error)           { panic("soon") }
func (*SA) appendBody(b []byte) ([]byte, error)                { panic("soon") }
func (*TS) appendBody(b []byte) ([]byte, error)                { panic("soon") }
func (*CP) appendBody(b []byte) ([]byte, error)                { panic("soon") }
