package esp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"warren/packet"
)

func TestSealOpen(t *testing.T) {
	for _, s := range suites {
		sealer, opener := newPair(t, s)
		for _, n := range []int{0, 1, 2, 3, 4, 5, 20, 63, 64, 65, 1400, 1438, 65535} {
			inner := plaintext(n)
			p := newPacket(inner)
			sealer.sealNow(p, testSPI, 7, packet.ProtoIPv4)
			if p.Drop != packet.Live || p.Len() != s.SealedLen(n) || p.Len()%4 != 0 {
				t.Fatalf("%v, %d bytes: sealed %d bytes (%v), want %d", s, n, p.Len(), p.Drop, s.SealedLen(n))
			}
			if h, ok := ParseHeader(p.Bytes()); !ok || h.SPI() != testSPI || h.SeqLo() != 7 {
				t.Errorf("%v, %d bytes: header %x", s, n, h)
			}
			next, ok := opener.openNow(p, 7)
			if !ok || next != packet.ProtoIPv4 || !bytes.Equal(p.Bytes(), inner) {
				t.Errorf("%v, %d bytes: opened %d bytes, next header %d, %v", s, n, p.Len(), next, p.Drop)
			}
		}
	}
}

// TestSealNested seals eight layers with UDP and IPv6 headers between them in
// one standard buffer, with each suite.
func TestSealNested(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) { sealNested(t, s) })
	}
}

func sealNested(t *testing.T, s Suite) {
	sealer, opener := newPair(t, s)
	inner := plaintext(101)
	p := newPacket(inner)
	for seq := uint64(1); seq <= 8; seq++ {
		sealer.sealNow(p, testSPI, seq, packet.ProtoIPv6)
		if p.Prepend(packet.IPv6HeaderLen+packet.UDPHeaderLen) == nil {
			t.Fatalf("no headroom for layer %d", seq)
		}
	}
	const ike = packet.IPv6HeaderLen + packet.UDPHeaderLen + 4 // with the non-ESP marker
	if most := s.BlockAlign() - 1 + trailerLen + s.ICVLen(); p.Headroom() < ike || packet.Tailroom < 9*most {
		t.Errorf("%d bytes are left for an IKE message inside; a layer needs up to %d behind it", p.Headroom(), most)
	}
	for seq := uint64(8); seq >= 1; seq-- {
		p.TrimFront(packet.IPv6HeaderLen + packet.UDPHeaderLen)
		if _, ok := opener.openNow(p, seq); !ok {
			t.Fatalf("layer %d: %v", seq, p.Drop)
		}
	}
	if !bytes.Equal(p.Bytes(), inner) {
		t.Errorf("got %x, want %x", p.Bytes(), inner)
	}
}

func TestSealRefuses(t *testing.T) {
	for _, s := range suites {
		sealer, _ := newPair(t, s)
		inner := plaintext(61) // 1 byte of padding
		front, icv := HeaderLen+s.IVLen(), s.ICVLen()
		tests := map[string]struct {
			seq                uint64
			headroom, tailroom int
			drop               packet.Drop
		}{
			"room to the byte":     {1, front, 1 + trailerLen + icv, packet.Live},
			"headroom a byte less": {1, front - 1, 100, packet.NoRoom},
			"tailroom a byte less": {1, 100, trailerLen + icv, packet.NoRoom},
			"number 0":             {0, 100, 100, packet.SeqExhausted},
			"last number of 32":    {1<<32 - 1, 100, 100, packet.Live},
			"beyond 32 bits": {1 << 32, 100, 100,
				map[bool]packet.Drop{true: packet.Live, false: packet.SeqExhausted}[s.ESN]},
		}
		for name, tt := range tests {
			p := packet.New(0)
			end := len(p.Buffer()) - tt.tailroom
			if tt.headroom < 100 {
				end = tt.headroom + len(inner)
			}
			p.SetWindow(end-len(inner), end)
			copy(p.Bytes(), inner)
			sealer.sealNow(p, testSPI, tt.seq, packet.ProtoIPv4)
			if p.Drop != tt.drop {
				t.Errorf("%v, %s: %v, want %v", s, name, p.Drop, tt.drop)
			}
			if p.Drop != packet.Live && !bytes.Equal(p.Bytes(), inner) {
				t.Errorf("%v, %s: the refused packet changed", s, name)
			}
		}
		p := newPacket(inner)
		p.Drop = packet.Discard
		sealer.sealNow(p, testSPI, 1, packet.ProtoIPv4)
		if p.Drop != packet.Discard || !bytes.Equal(p.Bytes(), inner) {
			t.Errorf("%v: a packet refused before became %v", s, p.Drop)
		}
	}
}

// TestShortPackets: every length from 0 on, of noise and of a cut-off packet
// (CASES B.1, Bindview 2002).
func TestShortPackets(t *testing.T) {
	for _, s := range suites {
		sealer, opener := newPair(t, s)
		p := newPacket(plaintext(64))
		sealer.sealNow(p, testSPI, 1, packet.ProtoIPv4)
		whole := bytes.Clone(p.Bytes())
		noise := plaintext(len(whole))
		for n := range len(whole) {
			want := packet.AuthFailed
			if n < s.MinLen() {
				want = packet.Runt
			}
			for what, b := range map[string][]byte{"cut off": whole[:n], "of noise": noise[:n]} {
				p := newPacket(b)
				if _, ok := opener.openNow(p, 1); ok || p.Drop != want || !bytes.Equal(p.Bytes(), b) && s.Cipher.cbc() {
					t.Errorf("%v, %d bytes %s: %v, want %v", s, n, what, p.Drop, want)
				}
			}
		}
		p = newPacket(nil)
		sealer.sealNow(p, testSPI, 1, packet.ProtoIPv4)
		if _, ok := opener.openNow(p, 1); !ok || p.Len() != 0 {
			t.Errorf("%v: the shortest packet is %v", s, p.Drop)
		}
	}
}

// TestVPPPad: authenticated packets with trailers that lie (CASES B.1, VPP pad
// test).
func TestVPPPad(t *testing.T) {
	body := plaintext(31)
	pad := make([]byte, 255)
	for i := range pad {
		pad[i] = byte(i + 1)
	}
	tests := map[string]struct {
		plain []byte
		len   int // of what comes out, -1 where it is refused
	}{
		"pad length 255 of 28 bytes":     {slices.Concat(body[:24], []byte{0, 0, 255, 4}), -1},
		"pad length 255 of 32 bytes":     {slices.Concat(body[:28], []byte{0, 0, 255, 4}), -1},
		"pad length all but one":         {slices.Concat(pad[:30], []byte{30, 4}), 0},
		"pad length one too many":        {slices.Concat(pad[:30], []byte{31, 4}), -1},
		"pad of 255":                     {slices.Concat(body, pad, []byte{255, 4}), 31},
		"no padding":                     {slices.Concat(body[:30], []byte{0, 4}), 30},
		"1, 2":                           {slices.Concat(body[:28], []byte{1, 2, 2, 4}), 28},
		"0, 0":                           {slices.Concat(body[:28], []byte{0, 0, 2, 4}), -1},
		"0, 2":                           {slices.Concat(body[:28], []byte{0, 2, 2, 4}), -1},
		"1, 1":                           {slices.Concat(body[:28], []byte{1, 1, 2, 4}), -1},
		"2, 1":                           {slices.Concat(body[:28], []byte{2, 1, 2, 4}), -1},
		"last of 255 is wrong":           {slices.Concat(body, pad[:254], []byte{0, 255, 4}), -1},
		"trailer alone, pad 2":           {[]byte{1, 2, 2, 4}, 0},
		"trailer alone, 3 of 2 present":  {[]byte{1, 2, 3, 4}, -1},
		"a block alone, pad 14":          {slices.Concat(pad[:14], []byte{14, 4}), 0},
		"a block alone, 15 of 14 there":  {slices.Concat(pad[:14], []byte{15, 4}), -1},
		"more padding than is necessary": {slices.Concat(body[:16], pad[:30], []byte{30, 4}), 16},
	}
	for _, s := range suites {
		sealer, opener := newPair(t, s)
		for name, tt := range tests {
			if len(tt.plain)%s.BlockAlign() != 0 {
				continue // no such packet can be
			}
			p := newPacket(sealer.sealRaw(testSPI, 1, tt.plain))
			next, ok := opener.openNow(p, 1)
			if tt.len < 0 {
				if ok || p.Drop != packet.BadPadding {
					t.Errorf("%v, %s: %v, want %v", s, name, p.Drop, packet.BadPadding)
				}
				continue
			}
			if !ok || next != 4 || !bytes.Equal(p.Bytes(), tt.plain[:tt.len]) {
				t.Errorf("%v, %s: %d bytes, %v, want %d", s, name, p.Len(), p.Drop, tt.len)
			}
		}
	}
}

// TestFragmentNextHeader: every next header comes out as it was sent; which are
// allowed is the caller's to say (CASES B.1, Windows CVE-2022-34718).
func TestFragmentNextHeader(t *testing.T) {
	sealer, opener := newPair(t, suites[0])
	for next := range 256 {
		p := newPacket(plaintext(40))
		sealer.sealNow(p, testSPI, 1, uint8(next))
		if got, ok := opener.openNow(p, 1); !ok || int(got) != next || p.Len() != 40 {
			t.Errorf("next header %d comes out as %d, %v", next, got, p.Drop)
		}
	}
}

// TestReservedSPI: an SPI of 0 to 255 names no SA (CASES B.1, CVE-2025-39965).
func TestReservedSPI(t *testing.T) {
	for spi := range uint32(300) {
		b := binary.BigEndian.AppendUint32(nil, spi)
		b = binary.BigEndian.AppendUint32(b, 5)
		h, ok := ParseHeader(b)
		if ok != (spi > 255) || h.SPI() != SPI(spi) || h.SeqLo() != 5 {
			t.Errorf("spi %d: %v, %v", spi, h.SPI(), ok)
		}
		if h, ok := ParseHeader(b[:7]); ok || h != nil {
			t.Errorf("spi %d: seven bytes are a header", spi)
		}
	}
}

// TestOpenRefusesOtherSequence: the high half is authenticated though not sent.
func TestOpenRefusesOtherSequence(t *testing.T) {
	for _, s := range suites {
		sealer, opener := newPair(t, s)
		p := newPacket(plaintext(40))
		sealer.sealNow(p, testSPI, 5, packet.ProtoIPv4)
		_, ok := opener.openNow(p, 1<<32+5)
		if ok == s.ESN { // without ESN there is no high half
			t.Errorf("%v: opened with another high half: %v", s, ok)
		}
	}
}

func TestSuite(t *testing.T) {
	for _, s := range suites {
		if got, err := ParseSuite(s.String()); err != nil || got != s {
			t.Errorf("ParseSuite(%q) = %v, %v", s, got, err)
		}
		for _, bad := range []int{0, s.KeyLen() - 1, s.KeyLen() + 1, s.KeyLen() - 4} {
			if _, err := NewSealer(s, make([]byte, bad)); err == nil {
				t.Errorf("%v: a key of %d bytes is accepted", s, bad)
			}
			if _, err := NewOpener(s, make([]byte, bad)); err == nil {
				t.Errorf("%v: a key of %d bytes is accepted", s, bad)
			}
		}
		for avail := range 200 {
			n := s.InnerMTU(avail)
			if n > 0 && s.SealedLen(n) > avail || s.SealedLen(n+1) <= avail && avail >= s.MinLen() {
				t.Errorf("%v: InnerMTU(%d) = %d, sealed %d, one more %d", s, avail, n, s.SealedLen(n), s.SealedLen(n+1))
			}
		}
	}
	for _, text := range []string{"", "none", "-esn", "aes128gcm16-noesn", "aes128", "aes128-none", "aes128-sha1", "aes128gcm16-sha256", "sha256"} {
		if s, err := ParseSuite(text); err == nil {
			t.Errorf("ParseSuite(%q) = %v", text, s)
		}
	}
	for _, s := range []Suite{{}, {Cipher: AES128CBC}, {Cipher: AES128GCM16, Integ: HMACSHA256}, {Integ: HMACSHA256}, {Cipher: AES128CBC, Integ: 9}, {Cipher: AES256CBC + 1}} {
		if _, err := NewSealer(s, make([]byte, s.KeyLen())); err == nil || s.KeyLen() != 0 {
			t.Errorf("%v with a key of %d bytes: %v", s, s.KeyLen(), err)
		}
	}
	// DESIGN: three layers of ESP in UDP over IPv4 at 1500.
	mtu := 1500
	for _, want := range []int{1438, 1374, 1310} {
		mtu = suites[0].InnerMTU(mtu - packet.IPv4HeaderLen - packet.UDPHeaderLen)
		if mtu != want {
			t.Errorf("inner MTU %d, want %d", mtu, want)
		}
	}
	if got := fmt.Sprint(SPI(0xabc), Tunnel, Transport); got != "0x00000abc tunnel transport" {
		t.Errorf("printed %q", got)
	}
}

// TestSizes holds the lengths of each kind of suite to those of its RFC.
func TestSizes(t *testing.T) {
	for name, want := range map[string][7]int{ // key, IV, ICV, block, shortest, 100 bytes sealed, inner MTU of 1472
		"aes128gcm16":      {20, 8, 16, 4, 36, 136, 1438},
		"aes192gcm12-esn":  {28, 8, 12, 4, 32, 132, 1442},
		"aes256gcm8":       {36, 8, 8, 4, 28, 128, 1446},
		"chacha20poly1305": {36, 8, 16, 4, 36, 136, 1438},
		"aes128-sha256":    {48, 16, 16, 16, 56, 152, 1422},
		"aes192-sha384":    {72, 16, 24, 16, 64, 160, 1422},
		"aes256-sha512":    {96, 16, 32, 16, 72, 168, 1406},
	} {
		s := mustSuite(t, name)
		got := [7]int{s.KeyLen(), s.IVLen(), s.ICVLen(), s.BlockAlign(), s.MinLen(), s.SealedLen(100), s.InnerMTU(1472)}
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestGCMIVUniqueness: eight goroutines seal with one Sealer at a time; all
// packets open, no IV occurs twice (CASES B.1, GCM IV uniqueness).
func TestGCMIVUniqueness(t *testing.T) {
	const workers, each = 8, 500
	sealer, opener := newPair(t, suites[1])
	var all [workers][][]byte
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				p := newPacket(plaintext(100))
				sealer.sealNow(p, testSPI, uint64(w*each+i+1), packet.ProtoIPv4)
				all[w] = append(all[w], bytes.Clone(p.Bytes()))
			}
		})
	}
	wg.Wait()
	seen := make(map[uint64]bool)
	for _, b := range slices.Concat(all[:]...) {
		iv := binary.BigEndian.Uint64(b[HeaderLen:])
		if seen[iv] {
			t.Fatalf("IV %d occurs twice", iv)
		}
		seen[iv] = true
		p := newPacket(b)
		if _, ok := opener.openNow(p, iv); !ok || !bytes.Equal(p.Bytes(), plaintext(100)) {
			t.Fatalf("packet %d: %v", iv, p.Drop)
		}
	}
}

// FuzzOpen changes sealed packets: no change is accepted, and no input panics.
func FuzzOpen(f *testing.F) {
	f.Add(uint8(0), []byte("an inner packet"), uint16(3), uint8(1))
	f.Add(uint8(7), []byte{}, uint16(0xffff), uint8(0x80))
	f.Add(uint8(1), bytes.Repeat([]byte{1}, 100), uint16(20), uint8(0xff))
	f.Fuzz(func(t *testing.T, which uint8, data []byte, at uint16, flip uint8) {
		s := suites[int(which)%len(suites)]
		sealer, opener := newPair(t, s)
		noise := newPacket(data)
		if _, ok := opener.openNow(noise, 9); ok {
			t.Fatal("noise is accepted")
		}
		if len(data) > packet.MaxPacket {
			return
		}
		p := newPacket(data)
		sealer.sealNow(p, testSPI, 9, packet.ProtoIPv4)
		if flip == 0 {
			if _, ok := opener.openNow(p, 9); !ok || !bytes.Equal(p.Bytes(), data) {
				t.Fatalf("an intact packet is refused: %v", p.Drop)
			}
			return
		}
		b := p.Bytes()
		b[int(at)%len(b)] ^= flip
		if _, ok := opener.openNow(p, 9); ok || p.Drop != packet.AuthFailed {
			t.Fatalf("byte %d changed by %#x is accepted (%v)", int(at)%len(b), flip, p.Drop)
		}
	})
}

// FuzzParseTrailer opens what the fuzzer authenticates.
func FuzzParseTrailer(f *testing.F) {
	f.Add([]byte{1, 2, 2, 4})
	f.Add([]byte{0, 0, 255, 4})
	f.Fuzz(func(t *testing.T, plain []byte) {
		next, trail, ok := parseTrailer(plain)
		if !ok {
			return
		}
		pad := trail - trailerLen
		if trail > len(plain) || next != plain[len(plain)-1] || pad != int(plain[len(plain)-2]) {
			t.Fatalf("%x: next header %d, trailer %d", plain, next, trail)
		}
		want := make([]byte, trail)
		putTrailer(want, pad, next)
		if !bytes.Equal(plain[len(plain)-trail:], want) {
			t.Errorf("%x ends in %x", plain, want)
		}
	})
}
