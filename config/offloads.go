package config

// Offloads are the kernel's helps that the node may use where they are there.
type Offloads struct {
	TSO bool // TCP super-packets on the TUN
	USO bool // UDP super-packets on the TUN; not without TSO
	GSO bool // UDP_SEGMENT: runs of packets are sent at once
	GRO bool // UDP_GRO: runs of packets are received at once

	Ring bool // io_uring: several packets are read from the TUN at once
}

var allOffloads = Offloads{TSO: true, USO: true, GSO: true, GRO: true, Ring: true}

// offloads reads the key of the same name: all, none, or a list.
func (b *builder) offloads(top object) {
	b.Offloads = allOffloads
	v, ok := top.get("offloads")
	if !ok {
		return
	}
	b.Offloads = Offloads{}
	items := v.items()
	words := []string{"tso", "uso", "gso", "gro", "io_uring"}
	if len(items) == 1 {
		words = append(words, "all", "none")
	}
	for _, item := range items {
		if word, ok := item.word(words...); ok {
			b.Offloads.add(word)
		}
	}
	if b.Offloads.USO && !b.Offloads.TSO {
		v.fail("add tso, or leave uso out", "%s has uso without tso", v.what)
	}
}

func (o *Offloads) add(word string) {
	switch word {
	case "tso":
		o.TSO = true
	case "uso":
		o.USO = true
	case "gso":
		o.GSO = true
	case "gro":
		o.GRO = true
	case "io_uring":
		o.Ring = true
	case "all":
		*o = allOffloads
	}
}
