package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// goodName reports whether s may name a node, a peer, a rule and so on: names
// end up in socket paths, labels and chain names.
func goodName(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("._-", r) {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s[0] != '.' && s[0] != '-'
}

func (v value) name() (string, bool) {
	s, ok := v.text()
	if ok && !goodName(s) {
		v.fail("use letters, digits, dot, dash and underscore", "%s is %q, which cannot be a name", v.what, s)
		return "", false
	}
	return s, ok
}

// section is the mapping under key; without one, an empty mapping.
func (b *builder) section(top object, key string) object {
	if v, ok := top.get(key); ok {
		v.what = key
		o, _ := v.object(key)
		return o
	}
	return object{value: value{r: b.reader, what: key}}
}

func (b *builder) node(top object) {
	v, ok := top.need("node", "node: {name: NAME}")
	if !ok {
		return
	}
	v.what = "node"
	o, ok := v.object("node")
	if !ok {
		return
	}
	if v, ok := o.need("name", "name: NAME"); ok {
		b.Node, _ = v.name()
	}
}

func (b *builder) tun(top object) {
	o := b.section(top, "tun")
	b.Tun.Name = "warren0"
	if v, ok := o.get("name"); ok {
		if s, ok := v.name(); ok && len(s) > 15 {
			v.fail("use at most 15 characters", "%s is %q, too long for a device", v.what, s)
		} else if ok {
			b.Tun.Name = s
		}
	}
	v, ok := o.get("address")
	if !ok {
		return
	}
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			continue
		}
		p, ok := parsePrefix(s)
		if !ok || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
			item.fail("write an address like 10.200.0.1/32", "%s is %q, not an address", v.what, s)
			continue
		}
		b.Tun.Addresses = append(b.Tun.Addresses, p)
	}
}

func (b *builder) listen(top object) {
	o := b.section(top, "listen")
	b.Listen = Listen{IKE: 500, NATT: 4500}
	if v, ok := o.get("address"); ok {
		b.Listen.Addresses = v.addrs()
	} else {
		b.Listen.Addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	o.portInto("ike", &b.Listen.IKE)
	o.portInto("nat_t", &b.Listen.NATT)
	if b.Listen.IKE == b.Listen.NATT {
		o.fail("write two ports", "listen.ike and listen.nat_t are both %d", b.Listen.IKE)
	}
}

func (o object) portInto(key string, into *uint16) {
	if v, ok := o.get(key); ok {
		if n, ok := v.port(); ok {
			*into = n
		}
	}
}

func (b *builder) control(top object) {
	o := b.section(top, "control")
	b.Control.Socket = "/run/warren/" + cmpOr(b.Node, "warren") + ".sock"
	if v, ok := o.get("socket"); ok {
		if s, ok := v.text(); ok {
			b.Control.Socket = filepath.Clean(b.beside(s))
			if len(b.Control.Socket) > 107 {
				v.fail("use a shorter path", "%s is %d bytes long; a socket's path has at most 107", v.what, len(b.Control.Socket))
			}
		}
	}
	if v, ok := o.get("metrics"); ok {
		if s, ok := v.text(); ok {
			if !goodHostPort(s) {
				v.fail("write address:port, like 127.0.0.1:9466", "%s is %q", v.what, s)
			}
			b.Control.Metrics = s
		}
	}
}

func goodHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// beside is a path as seen from the configuration's folder.
func (b *builder) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.dir, path)
}

func (b *builder) limits(top object) {
	o := b.section(top, "limits")
	b.Limits = Limits{Depth: 8, Flows: 1 << 20, QueueBytes: 256 << 10, QueuePackets: 1024, QueueTTL: 5 * time.Second,
		HalfOpen: 4096, CookieThreshold: 64, InitRate: 64}
	o.intInto("workers", &b.Limits.Workers, 1, 64)
	o.intInto("depth", &b.Limits.Depth, 1, 8)
	o.intInto("flows", &b.Limits.Flows, 1, 1<<26)
	o.intInto("queue_packets", &b.Limits.QueuePackets, 1, 1<<20)
	o.intInto("half_open", &b.Limits.HalfOpen, 1, 1<<24)
	o.intInto("cookie_threshold", &b.Limits.CookieThreshold, 1, 1<<24)
	o.intInto("init_rate", &b.Limits.InitRate, 1, 1<<24)
	if v, ok := o.get("queue"); ok {
		if n, ok := v.size(); ok && (n < 2048 || n > 1<<30) {
			v.fail("write a size from 2KiB to 1GiB", "%s is %d bytes, out of range", v.what, n)
		} else if ok {
			b.Limits.QueueBytes = int(n)
		}
	}
	o.durationInto("queue_ttl", &b.Limits.QueueTTL, 10*time.Millisecond, false)
}

func (o object) intInto(key string, into *int, lo, hi int) {
	if v, ok := o.get(key); ok {
		if n, ok := v.integer(lo, hi); ok {
			*into = n
		}
	}
}

func (o object) booleanInto(key string, into *bool) {
	if v, ok := o.get(key); ok {
		if on, ok := v.boolean(); ok {
			*into = on
		}
	}
}

func (o object) durationInto(key string, into *time.Duration, lo time.Duration, zero bool) {
	if v, ok := o.get(key); ok {
		if d, ok := v.duration(lo, zero); ok {
			*into = d
		}
	}
}

// timers reads what is said about time and windows for the whole node.
func (b *builder) timers(top object) {
	b.Liveness, b.ReplayWindow = 30*time.Second, 4096
	top.durationInto("liveness", &b.Liveness, 100*time.Millisecond, true)
	top.intInto("replay_window", &b.ReplayWindow, 64, 65536)
	top.booleanInto("forwarding", &b.Forwarding)
	top.booleanInto("allow_key_export", &b.AllowKeyExport)
	b.AllowKeyExportPos = b.file
	if v, ok := top.get("allow_key_export"); ok {
		b.AllowKeyExportPos = b.pos(v.at)
	}
	if b.AllowKeyExport {
		b.warn(top.keys["allow_key_export"], "delete it when you are done with debugging",
			"allow_key_export lets whoever may use the control socket decrypt all traffic, and core dumps hold keys")
	}

	o := b.section(top, "retransmit")
	b.Retransmit = Retransmit{Tries: 5, Base: 500 * time.Millisecond, Factor: 2}
	o.intInto("tries", &b.Retransmit.Tries, 1, 20)
	o.durationInto("base", &b.Retransmit.Base, 10*time.Millisecond, false)
	if v, ok := o.get("factor"); ok {
		if s, ok := v.text(); ok {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || !(f >= 1 && f <= 10) {
				v.fail("write a number from 1 to 10, like 1.8", "%s is %q", v.what, s)
			} else {
				b.Retransmit.Factor = f
			}
		}
	}

	o = b.section(top, "retry")
	b.Retry = Retry{Min: time.Second, Max: time.Minute}
	o.durationInto("min", &b.Retry.Min, 10*time.Millisecond, false)
	o.durationInto("max", &b.Retry.Max, 10*time.Millisecond, false)
	if b.Retry.Min > b.Retry.Max {
		if _, ok := o.fields["max"]; ok {
			o.fail("write max: "+b.Retry.Min.String(), "retry.min is %s, more than retry.max, %s", b.Retry.Min, b.Retry.Max)
		}
		b.Retry.Max = b.Retry.Min
	}
}
