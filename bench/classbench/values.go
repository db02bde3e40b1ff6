package classbench

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
)

// services are ports that many rules name.
func services() []uint16 {
	return []uint16{
		80, 443, 53, 22, 25, 1521, 123, 161, 21, 20, 110, 143, 389, 445, 135, 137, 139, 1433, 3306, 5432, 8080, 23, 69, 88, 111, 162, 179, 514, 587, 636,
		873, 989, 993, 995, 1194, 1221, 1525, 1526, 1701, 1712, 1723, 1812, 1813, 2049, 2121, 3128, 3389, 5060, 5061, 5555, 5631, 5900, 6000, 6379, 6789, 8443, 9000, 9090, 14753, 32200,
	}
}

func (g *Generator) ports(c class) Ports {
	switch c {
	case hi:
		return Ports{1024, math.MaxUint16}
	case lo:
		return Ports{0, 1023}
	case em:
		p := uint16(g.IntN(math.MaxUint16 + 1))
		if list := services(); g.IntN(20) > 0 {
			p = list[g.popular(len(list))]
		}
		return Ports{p, p}
	case ar:
		if from := []uint16{1025, 5001}; g.IntN(6) == 0 {
			return Ports{from[g.IntN(2)], math.MaxUint16}
		}
		from := uint16(100 * g.IntN(650))
		return Ports{from, from + []uint16{7, 9, 10, 19, 49, 50, 99}[g.IntN(7)]}
	}
	return anyPorts()
}

func anyPorts() Ports { return Ports{0, math.MaxUint16} }

// popular is below n, small numbers more often than large ones.
func (g *Generator) popular(n int) int {
	z := g.zipf[n]
	if z == nil {
		const skew, flat = 1.1, 20
		z = rand.NewZipf(g.Rand, skew, flat, uint64(n-1))
		g.zipf[n] = z
	}
	return int(z.Uint64())
}

// addr is that of a host: there are some hosts for four rules, eight in a subnet
// and some hundred in a network.
func (g *Generator) addr(v6 bool) netip.Addr {
	n := g.popular(16 + g.size/4)
	network := g.mix(uint64(math.Sqrt(float64(n))))
	subnet := g.mix(network + uint64(n/8))
	host := g.mix(subnet + uint64(n))
	if !v6 {
		return netip.AddrFrom4([4]byte{byte(1 + network%223), byte(network >> 8), byte(subnet), byte(host)})
	}
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], 0x20000000|uint32(network)&0xfffffff)
	binary.BigEndian.PutUint16(b[4:], uint16(subnet)&0x3ff)
	binary.BigEndian.PutUint16(b[6:], uint16(host)&0xf)
	binary.BigEndian.PutUint64(b[8:], host)
	return netip.AddrFrom16(b)
}

// mix is the same large number for the same small one (SplitMix64).
func (g *Generator) mix(n uint64) uint64 {
	n += g.base
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// prefix has a length of IPv4, or that of IPv6 which is used alike.
func (g *Generator) prefix(bits int, v6 bool) netip.Prefix {
	if bits == 0 {
		return netip.Prefix{}
	}
	if v6 {
		bits = []int{16, 24, 32, 40, 48, 56, 64, 128}[(bits-1)/4]
	}
	p, _ := g.addr(v6).Prefix(bits)
	return p
}
