package classbench

// A Seed says what the rules of one sort of filter have in common.
type Seed struct {
	Name  string
	parts []part // each rule is of one of them
}

// A part is shares in percent.
type part struct {
	kinds  []kind
	pairs  []pair
	repeat int // rules between the addresses of the one before
}

// A kind is a protocol, 0 for any, with a class of ports on either side.
type kind struct {
	share    int
	proto    uint8
	src, dst class
}

// A pair is the lengths of the prefixes of source and destination, as those of
// IPv4. A length of 0 is everything.
type pair struct{ share, src, dst int }

// A class is one of port ranges, in ClassBench's words.
type class uint8

const (
	wc class = iota // any
	hi              // 1024 and above
	lo              // below 1024
	ar              // an arbitrary range
	em              // one port
)

const (
	anyProto = 0
	icmp     = 1
	tcp      = 6
	udp      = 17
	gre      = 47
	esp      = 50
)

// Seeds lists the three seeds and their mix.
func Seeds() []Seed {
	return []Seed{{"acl", []part{acl()}}, {"fw", []part{fw()}}, {"ipc", []part{ipc()}}, Mix()}
}

// Mix has a third of its rules of each seed.
func Mix() Seed { return Seed{"mix", []part{acl(), fw(), ipc()}} }

// acl has hosts on both sides, and ports of destinations.
func acl() part {
	return part{
		repeat: 85,
		kinds: []kind{
			{57, tcp, wc, em}, {11, tcp, wc, ar}, {19, tcp, wc, wc}, {1, udp, wc, em},
			{9, anyProto, wc, wc}, {3, icmp, wc, wc},
		},
		pairs: []pair{
			{68, 32, 32}, {6, 32, 24}, {6, 32, 22}, {5, 23, 32}, {4, 23, 31}, {3, 23, 16}, {3, 31, 32}, {2, 30, 32}, {1, 8, 0}, {1, 23, 28}, {1, 0, 13},
		},
	}
}

// fw has everything on one side of most rules, and ports on either side.
func fw() part {
	return part{
		repeat: 15,
		kinds: []kind{
			{22, tcp, wc, em}, {12, tcp, hi, em}, {9, tcp, em, hi}, {6, tcp, em, wc}, {5, tcp, wc, ar}, {4, tcp, hi, hi},
			{13, udp, wc, em}, {6, udp, em, wc}, {4, udp, hi, hi}, {3, udp, em, em}, {2, udp, wc, lo}, {2, udp, ar, wc},
			{7, anyProto, wc, wc}, {3, icmp, wc, wc}, {1, gre, wc, wc}, {1, esp, wc, wc},
		},
		pairs: []pair{
			{22, 0, 32}, {19, 32, 0}, {8, 0, 24}, {7, 24, 0}, {4, 0, 28}, {4, 28, 0}, {3, 0, 21}, {2, 16, 0},
			{14, 32, 32}, {6, 24, 32}, {6, 32, 24}, {4, 24, 24}, {1, 0, 0},
		},
	}
}

// ipc is between both.
func ipc() part {
	return part{
		repeat: 30,
		kinds: []kind{
			{25, tcp, wc, em}, {10, tcp, wc, wc}, {6, tcp, em, wc}, {5, tcp, wc, ar}, {4, tcp, hi, em}, {3, tcp, hi, hi}, {2, tcp, em, em},
			{12, udp, wc, em}, {6, udp, wc, wc}, {4, udp, em, em}, {3, udp, em, wc}, {2, udp, wc, hi},
			{11, anyProto, wc, wc}, {5, icmp, wc, wc}, {1, gre, wc, wc}, {1, esp, wc, wc},
		},
		pairs: []pair{
			{26, 32, 32}, {10, 24, 32}, {10, 32, 24}, {9, 24, 24}, {7, 0, 32}, {6, 32, 0}, {4, 16, 32}, {4, 32, 16}, {4, 16, 24}, {3, 24, 16},
			{3, 27, 27}, {3, 28, 32}, {3, 32, 28}, {2, 21, 21}, {2, 0, 24}, {2, 24, 0}, {1, 8, 8}, {1, 0, 0},
		},
	}
}
