package message

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

// build makes a datagram of raw payload bodies, next types chained.
func build(t testing.TB, ps ...Payload) []byte {
	t.Helper()
	m := Message{Header: Header{SPIi: 1, Exchange: IKESAInit, Flags: FlagInitiator}, Payloads: ps}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unhex decodes test data in which spaces are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRoundTrip sends one of every payload through Marshal and Parse.
func TestRoundTrip(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	m := &Message{
		Header: Header{
			SPIi: 0x0102030405060708, SPIr: 0x1112131415161718, Version: Version, Exchange: CreateChildSA,
			Flags: FlagInitiator | FlagResponse, MessageID: 7,
		},
		Payloads: []Payload{
			&SA{Proposals: []Proposal{
				{Number: 1, Protocol: ProtoESP, SPI: []byte{1, 2, 3, 4}, Transforms: []Transform{
					{Type: TransformEncr, ID: uint16(EncrAESGCM16), KeyLen: 256},
					{Type: TransformESN, ID: uint16(ESNYes)},
				}},
				{Number: 2, Protocol: ProtoIKE, SPI: []byte{}, Transforms: []Transform{
					{Type: TransformEncr, ID: 65535, KeyLen: 128, Other: []Attribute{
						{Type: 99, Short: true, Value: []byte{0, 7}},
						{Type: AttrKeyLength, Value: []byte{1, 2, 3}},
					}},
				}},
			}},
			&KE{Group: DHX25519, Data: bytes.Repeat([]byte{9}, 32)},
			&ID{IDType: IDFQDN, Reserved: [3]byte{1, 2, 3}, Data: []byte("left.example")},
			&ID{Responder: true, IDType: IDIPv6, Data: v6.AsSlice()},
			&Cert{Encoding: 4, Data: []byte{1}},
			&CertReq{Encoding: 4, Data: []byte{2}},
			&Auth{Method: AuthPSK, Data: []byte{3}},
			&Nonce{Data: make([]byte, MinNonce)},
			&Notify{Protocol: ProtoESP, SPI: []byte{1, 2, 3, 4}, Kind: RekeySA, Data: []byte{}},
			&Notify{SPI: []byte{}, Kind: 40000, Data: []byte{5}},
			&Delete{Protocol: ProtoIKE},
			&Delete{Protocol: ProtoESP, SPIs: []uint32{256, 1<<32 - 1}},
			&VendorID{Data: []byte("warren")},
			&TS{Selectors: []Selector{
				{From: v4, To: v4.Next(), Proto: 6, StartPort: 443, EndPort: 443},
				{From: v6, To: v6, EndPort: 65535},
				{From: v6, To: v6, StartPort: 65535}, // OPAQUE
			}},
			&TS{Responder: true, Selectors: []Selector{{Unknown: 10, Proto: 1, Raw: []byte{1, 2, 3}}}},
			&CP{Kind: CfgRequest, Attributes: []CPAttribute{
				{Type: InternalIP4Address, Value: []byte{}}, CPAddress(netip.PrefixFrom(v6, 64)),
			}},
			&EAP{Data: []byte{1, 2, 0, 5, 9}},
			&Unknown{Kind: 200, Data: []byte("?")},
			&Encrypted{Next: PayloadNotify, Data: []byte("sealed")},
		},
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := Get[*Encrypted](got.Payloads)
	if e.Offset != len(b)-len(e.Data) {
		t.Errorf("SK data at %d of %d", e.Offset, len(b))
	}
	e.Offset = 0
	m.Length, m.Next, m.Raw = uint32(len(b)), PayloadSA, b
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got  %+v\nwant %+v", got, m)
	}
}

// edit is a datagram of p with one byte of its body changed.
func edit(t testing.TB, p Payload, at int, to byte) []byte {
	t.Helper()
	b := build(t, p)
	b[HeaderLen+genericLen+at] = to
	return b
}

func TestParseErrors(t *testing.T) {
	var (
		v4    = netip.MustParseAddr("192.0.2.1")
		oneTS = &TS{Selectors: []Selector{{From: v4, To: v4, EndPort: 65535}}}
		enc   = Transform{Type: TransformEncr, ID: uint16(EncrAESGCM16), KeyLen: 128}
		oneSA = &SA{Proposals: []Proposal{{Number: 1, Protocol: ProtoIKE, Transforms: []Transform{enc, enc}}}}
		twoSA = &SA{Proposals: []Proposal{oneSA.Proposals[0], {Number: 2, Protocol: ProtoIKE, Transforms: []Transform{enc}}}}
		del   = &Delete{Protocol: ProtoESP, SPIs: []uint32{1, 2}}
		raw   = func(k PayloadType, s string) []byte { return build(t, &Unknown{Kind: k, Data: unhex(t, s)}) }
	)
	tests := map[string]struct {
		b       []byte
		err     error
		payload PayloadType
		off     int
	}{
		"critical unknown":             {build(t, &Unknown{Kind: 200, Critical: true}), ErrCritical, 200, 28},
		"payload shorter than header":  {append(build(t), 0, 0, 0, 3), nil, 0, 0}, // fixed below
		"KE without group":             {raw(PayloadKE, "00"), ErrShort, PayloadKE, 33},
		"KE without reserved":          {raw(PayloadKE, "001f 00"), ErrShort, PayloadKE, 35},
		"ID without type":              {raw(PayloadIDi, ""), ErrShort, PayloadIDi, 32},
		"ID IPv4 of 3":                 {raw(PayloadIDi, "01000000 c00002"), ErrLength, PayloadIDi, 36},
		"ID IPv6 of 4":                 {raw(PayloadIDr, "05000000 c0000201"), ErrLength, PayloadIDr, 36},
		"AUTH cut":                     {raw(PayloadAuth, "0200"), ErrShort, PayloadAuth, 34},
		"CERT empty":                   {raw(PayloadCert, ""), ErrShort, PayloadCert, 32},
		"nonce of 15":                  {build(t, &Nonce{Data: make([]byte, 15)}), ErrLength, PayloadNonce, 32},
		"nonce of 257":                 {build(t, &Nonce{Data: make([]byte, 257)}), ErrLength, PayloadNonce, 32},
		"notify SPI too long":          {raw(PayloadNotify, "03 05 4009 01020304"), ErrShort, PayloadNotify, 40},
		"delete proto 0":               {edit(t, del, 0, 0), ErrValue, PayloadDelete, 32},
		"delete proto 4":               {edit(t, del, 0, 4), ErrValue, PayloadDelete, 32},
		"delete IKE with SPIs":         {edit(t, del, 0, 1), ErrValue, PayloadDelete, 32},
		"delete SPI size 0":            {edit(t, del, 1, 0), ErrValue, PayloadDelete, 32},
		"delete SPI size 8":            {edit(t, del, 1, 8), ErrValue, PayloadDelete, 32},
		"delete counts 1 of 2":         {edit(t, del, 3, 1), ErrCount, PayloadDelete, 34},
		"delete counts 3 of 2":         {edit(t, del, 3, 3), ErrCount, PayloadDelete, 34},
		"TS counts 0 of 1":             {edit(t, oneTS, 0, 0), ErrCount, PayloadTSi, 32},
		"TS counts 2 of 1":             {edit(t, oneTS, 0, 2), ErrCount, PayloadTSi, 32},
		"TS without selectors":         {raw(PayloadTSr, "00000000"), ErrCount, PayloadTSr, 32},
		"TS v6 length in v4":           {edit(t, oneTS, 7, 40), ErrLength, PayloadTSi, 40},
		"TS v4 length in v6":           {edit(t, oneTS, 4, 8), ErrShort, PayloadTSi, 52},
		"TS ends before start":         {edit(t, oneTS, 12, 200), ErrRange, PayloadTSi, 36},
		"TS port 1 to 0":               {raw(PayloadTSi, "01000000 07000010 0001 0000 c0000201 c0000201"), ErrRange, PayloadTSi, 36},
		"TS type 0":                    {edit(t, oneTS, 4, 0), ErrValue, PayloadTSi, 36},
		"CP attribute too long":        {raw(PayloadCP, "01000000 0001 0005 c0000201"), ErrShort, PayloadCP, 44},
		"CP attribute head cut":        {raw(PayloadCP, "01000000 0001 00"), ErrShort, PayloadCP, 39},
		"EAP of 3":                     {raw(PayloadEAP, "010200"), ErrLength, PayloadEAP, 32},
		"EAP one too small":            {raw(PayloadEAP, "0102000409"), ErrLength, PayloadEAP, 32},
		"SKF number 0":                 {build(t, &EncryptedFragment{Number: 0, Total: 1}), ErrValue, PayloadSKF, 32},
		"SKF number above total":       {build(t, &EncryptedFragment{Number: 2, Total: 1}), ErrValue, PayloadSKF, 32},
		"SKF cut":                      {raw(PayloadSKF, "0001 00"), ErrShort, PayloadSKF, 35},
		"SA empty":                     {raw(PayloadSA, ""), ErrCount, PayloadSA, 32},
		"SA without transforms":        {raw(PayloadSA, "00000008 01010000"), ErrCount, PayloadSA, 39},
		"SA counts 1 of 2":             {edit(t, oneSA, 7, 1), ErrCount, PayloadSA, 39},
		"SA counts 3 of 2":             {edit(t, oneSA, 7, 3), ErrCount, PayloadSA, 39},
		"SA last bit wrong":            {edit(t, oneSA, 0, 2), ErrShort, PayloadSA, 64},
		"SA last bit 1":                {edit(t, oneSA, 0, 1), ErrValue, PayloadSA, 32},
		"SA last bit early":            {edit(t, twoSA, 0, 0), ErrTrailing, PayloadSA, 64},
		"SA number 0":                  {edit(t, oneSA, 4, 0), ErrValue, PayloadSA, 32},
		"SA number twice":              {edit(t, twoSA, 36, 1), ErrValue, PayloadSA, 32},
		"SA proposal length 3":         {edit(t, oneSA, 3, 3), ErrLength, PayloadSA, 36},
		"SA proposal too long":         {edit(t, oneSA, 3, 33), ErrLength, PayloadSA, 36},
		"SA SPI beyond proposal":       {edit(t, oneSA, 6, 25), ErrShort, PayloadSA, 64},
		"SA transform length 0":        {edit(t, oneSA, 11, 0), ErrLength, PayloadSA, 44},
		"SA transform too long":        {edit(t, oneSA, 11, 25), ErrLength, PayloadSA, 44},
		"SA transform cuts attribute":  {edit(t, oneSA, 11, 9), ErrShort, PayloadSA, 49},
		"SA transform last bit":        {edit(t, oneSA, 8, 0), ErrTrailing, PayloadSA, 52},
		"SA transform last bit 2":      {edit(t, oneSA, 8, 2), ErrValue, PayloadSA, 40},
		"SA attribute TLV beyond":      {edit(t, oneSA, 16, 0), ErrShort, PayloadSA, 52},
		"data after the last payload":  {build(t, &Nonce{Data: make([]byte, 16)}, &Unknown{Kind: 200}), nil, 0, 0}, // fixed below
		"payload announced, not there": {build(t), nil, 0, 0},                                                      // fixed below
	}
	fix := func(name string, change func([]byte) []byte, err error, p PayloadType, off int) {
		tt := tests[name]
		tt.b, tt.err, tt.payload, tt.off = change(tt.b), err, p, off
		tt.b[27] = byte(len(tt.b))
		tests[name] = tt
	}
	fix("payload shorter than header", func(b []byte) []byte { b[16] = 43; return b }, ErrLength, PayloadVendorID, 32)
	fix("data after the last payload", func(b []byte) []byte { b[28] = 0; return b }, ErrTrailing, PayloadNone, 48)
	fix("payload announced, not there", func(b []byte) []byte { b[16] = 43; return b }, ErrShort, PayloadVendorID, 28)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tt.b)
			var pe *ParseError
			if !errors.As(err, &pe) || !errors.Is(err, tt.err) || pe.Payload != tt.payload || pe.Offset != tt.off {
				t.Errorf("got %v, want %v in %v at byte %d", err, tt.err, tt.payload, tt.off)
			}
		})
	}
}

// TestCase35ReservedFields has what a receiver must not care about (RFC 7296, Sections 2.5
// and 3): reserved bits everywhere, the minor version, the C bit of what it
// knows. The reserved octets of ID alone are kept.
func TestCase35ReservedFields(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.1")
	clean := build(t,
		&SA{Proposals: []Proposal{{Number: 1, Protocol: ProtoIKE, Transforms: []Transform{{Type: TransformKE, ID: 31}}}}},
		&ID{IDType: IDFQDN, Data: []byte("a")},
		&TS{Selectors: []Selector{{From: v4, To: v4}}},
		&Unknown{Kind: 200})
	dirty := bytes.Clone(clean)
	for at, bits := range map[int]byte{
		17: 0x0f, 19: 0xd7, // minor version, flags
		29: 0xff,                     // C and reserved of SA
		33: 0xff, 41: 0xff, 45: 0xff, // in proposal and transform
		49: 0xff, // C and reserved of ID
		53: 1, 54: 2, 55: 3,
		58: 0xff, 62: 0xff, 63: 0xff, 64: 0xff, // TS
		82: 0x7f, // reserved, but not C, of an unknown payload
	} {
		dirty[at] |= bits
	}
	m, err := Parse(dirty)
	if err != nil {
		t.Fatal(err)
	}
	id := GetID(m.Payloads, false)
	if want := []byte{2, 1, 2, 3, 'a'}; !bytes.Equal(id.Body(), want) {
		t.Errorf("ID body %x, want %x", id.Body(), want)
	}
	id.Reserved = [3]byte{}
	m.Version = Version
	if b, err := m.Marshal(); err != nil || !bytes.Equal(b, clean) {
		t.Errorf("%v\ngot  %x\nwant %x", err, b, clean)
	}
}

// TestZeroSPI: the initiator's SPI is never zero (RFC 7296, Section 3.1).
func TestZeroSPI(t *testing.T) {
	b := build(t)
	b[7] = 0
	if _, err := Parse(b); !errors.Is(err, ErrSPI) {
		t.Error(err)
	}
}

// TestCPReservedBit: the top bit of an attribute type is ignored (RFC 7296,
// Section 3.15.1).
func TestCPReservedBit(t *testing.T) {
	m, err := Parse(build(t, &Unknown{Kind: PayloadCP, Data: unhex(t, "02000000 8001 0004 c0000201")}))
	if err != nil {
		t.Fatal(err)
	}
	if cp, _ := Get[*CP](m.Payloads); cp.Attributes[0].Type != InternalIP4Address {
		t.Errorf("got %+v", cp)
	}
}

// TestCase37KeyLength: only one good key length counts (case 37).
func TestCase37KeyLength(t *testing.T) {
	tests := map[string]struct {
		attrs  string
		keyLen uint16
		others int
	}{
		"absent":        {"", 0, 0},
		"128":           {"800e 0080", 128, 0},
		"zero":          {"800e 0000", 0, 1},
		"doubled":       {"800e 0080 800e 0100", 128, 1},
		"long form":     {"000e 0002 0080", 0, 1},
		"empty":         {"000e 0000", 0, 1},
		"another":       {"8010 0001", 0, 1},
		"another first": {"8010 0001 800e 0080", 0, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			attrs := unhex(t, tt.attrs)
			n := byte(8 + len(attrs))
			body := append([]byte{0, 0, 0, 8 + n, 1, 1, 0, 1, 0, 0, 0, n, 1, 0, 0, 20}, attrs...)
			m, err := Parse(build(t, &Unknown{Kind: PayloadSA, Data: body}))
			if err != nil {
				t.Fatal(err)
			}
			sa, _ := Get[*SA](m.Payloads)
			x := sa.Proposals[0].Transforms[0]
			if x.KeyLen != tt.keyLen || len(x.Other) != tt.others {
				t.Errorf("got %+v", x)
			}
		})
	}
}

// TestNestedEncrypted: SK must be last and must not hold another (RFC 7296, Section 3.1).
func TestNestedEncrypted(t *testing.T) {
	for _, p := range []Payload{&Encrypted{}, &EncryptedFragment{Number: 1, Total: 1}} {
		b, err := AppendPayloads(nil, []Payload{p})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePayloads(p.Type(), b); !errors.Is(err, ErrNested) {
			t.Errorf("%v inside: %v", p.Type(), err)
		}
		if _, err := AppendPayloads(nil, []Payload{p, &VendorID{}}); !errors.Is(err, ErrTrailing) {
			t.Errorf("marshalled a payload after %v: %v", p.Type(), err)
		}
		d := append(build(t, p), 0, 0, 0, 4)
		d[27] += 4
		if _, err := Parse(d); !errors.Is(err, ErrTrailing) {
			t.Errorf("parsed a payload after %v: %v", p.Type(), err)
		}
	}
}

func TestMarshalTooLong(t *testing.T) {
	huge := make([]byte, 65536)
	for name, p := range map[string]Payload{
		"payload":        &KE{Data: huge},
		"notify SPI":     &Notify{SPI: huge[:256]},
		"proposal SPI":   &SA{Proposals: []Proposal{{SPI: huge[:256]}}},
		"proposals":      &SA{Proposals: make([]Proposal, MaxProposals+1)},
		"transforms":     &SA{Proposals: []Proposal{{Transforms: make([]Transform, MaxTransforms+1)}}},
		"SPIs":           &Delete{SPIs: make([]uint32, MaxSPIs+1)},
		"selectors":      &TS{Selectors: make([]Selector, 256)},
		"no address":     &TS{Selectors: make([]Selector, 1)},
		"CP attributes":  &CP{Attributes: make([]CPAttribute, MaxCPAttrs+1)},
		"CP value":       &CP{Attributes: []CPAttribute{{Value: huge}}},
		"long attribute": &SA{Proposals: []Proposal{{Transforms: []Transform{{Other: []Attribute{{Value: huge}}}}}}},
	} {
		if b, err := AppendPayloads(nil, []Payload{p}); err == nil {
			t.Errorf("%s: marshalled to %d octets", name, len(b))
		}
	}
	m := Message{Payloads: []Payload{&VendorID{Data: huge[:40000]}, &VendorID{Data: huge[:40000]}}}
	if _, err := m.Marshal(); !errors.Is(err, ErrTooLong) {
		t.Errorf("message: %v", err)
	}
}

func TestCPAddress(t *testing.T) {
	for _, s := range []string{"10.99.1.2/32", "fd99:1::2/64"} {
		p := netip.MustParsePrefix(s)
		if got, ok := CPAddress(p).Address(); !ok || got != p {
			t.Errorf("%v became %v, %v", p, got, ok)
		}
	}
	for _, a := range []CPAttribute{
		{Type: InternalIP4Address}, {Type: InternalIP4Address, Value: make([]byte, 5)},
		{Type: InternalIP6Address, Value: make([]byte, 16)}, {Type: InternalIP4DNS, Value: make([]byte, 4)},
		{Type: InternalIP6Address, Value: append(make([]byte, 16), 129)},
	} {
		if p, ok := a.Address(); ok {
			t.Errorf("%+v is an address: %v", a, p)
		}
	}
}

func TestNames(t *testing.T) {
	for want, s := range map[string]interface{ String() string }{
		"IKE_SA_INIT": IKESAInit, "EXCHANGE(5)": ExchangeType(5), "TSr": PayloadTSr, "PAYLOAD(200)": PayloadType(200),
		"ESP": ProtoESP, "INVALID_KE_PAYLOAD": InvalidKEPayload, "REKEY_SA": RekeySA, "MOBIKE_SUPPORTED": MOBIKESupported,
		"NOTIFY(8192)": NotifyType(8192), "ADDKE7": TransformAddKE7, "TRANSFORM(13)": TransformType(13),
		"CURVE_25519": DHX25519, "ENCR_AES_GCM_16": EncrAESGCM16, "0123456789abcdef": SPI(0x0123456789abcdef),
		"INTERNAL_IP6_ADDRESS": InternalIP6Address, "CFG_REPLY": CfgReply, "TS_IPV4_ADDR_RANGE": TSIPv4Range,
	} {
		if got := s.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if !InvalidSyntax.IsError() || !NotifyType(16383).IsError() || InitialContact.IsError() {
		t.Error("error range is not 0 to 16383")
	}
}
