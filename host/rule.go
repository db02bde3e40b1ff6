package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// protocolTag is the FRA_PROTOCOL and RTA_PROTOCOL of everything that is ours.
const protocolTag = 87

// rule is one kernel rule, comparable. The netlink library's own type lacks the
// action when it reads rules back, and opens a socket per request.
type rule struct {
	family       uint8
	pref         uint32
	action       uint8
	table        uint32
	target       uint32 // of a goto
	mark, mask   uint32
	src, dst     netip.Prefix
	proto        uint8
	sport, dport Ports
}

type ruleSocket struct {
	sockets map[int]*nl.SocketHandle
}

func openRuleSocket() (*ruleSocket, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("host: open netlink: %w", err)
	}
	return &ruleSocket{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (s *ruleSocket) close() { s.sockets[unix.NETLINK_ROUTE].Close() }

func (s *ruleSocket) request(kind, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = s.sockets
	return req
}

// add adds a rule; one that is there already is fine.
func (s *ruleSocket) add(r rule) error {
	return s.create(r, unix.NLM_F_EXCL)
}

// append adds a rule without the kernel's search for another like it.
func (s *ruleSocket) append(r rule) error { return s.create(r, 0) }

func (s *ruleSocket) create(r rule, flag int) error {
	req := s.request(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_ACK|flag)
	r.encode(req)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("host: add %s: %w", r, err)
	}
	return nil
}

// del removes a rule; one that is gone already is fine.
func (s *ruleSocket) del(r rule) error {
	req := s.request(unix.RTM_DELRULE, unix.NLM_F_ACK)
	r.encode(req)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("host: remove %s: %w", r, err)
	}
	return nil
}

// ours lists the rules with our tag and a priority in [lo, hi], in kernel order.
func (s *ruleSocket) ours(family int, lo, hi uint32) ([]rule, error) {
	msgs, err := s.dump(family)
	if err != nil {
		return nil, err
	}
	var out []rule
	for _, m := range msgs {
		r, rest, err := decodeRule(m)
		if err != nil {
			return nil, err
		}
		if rest.tag == protocolTag && r.pref >= lo && r.pref <= hi {
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *ruleSocket) dump(family int) ([][]byte, error) {
	for range 5 {
		req := s.request(unix.RTM_GETRULE, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(family))
		msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
		if errors.Is(err, nl.ErrDumpInterrupted) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("host: list rules: %w", err)
		}
		return msgs, nil
	}
	return nil, errors.New("host: list rules: somebody else keeps changing them")
}

func (r rule) encode(req *nl.NetlinkRequest) {
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: r.family, Type: r.action}}
	req.AddData(msg)
	attr := func(kind int, b []byte) { req.AddData(nl.NewRtAttr(kind, b)) }
	u32 := func(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
	if r.dst.IsValid() {
		msg.Dst_len = uint8(r.dst.Bits())
		attr(nl.FRA_DST, r.dst.Addr().AsSlice())
	}
	if r.src.IsValid() {
		msg.Src_len = uint8(r.src.Bits())
		attr(nl.FRA_SRC, r.src.Addr().AsSlice())
	}
	attr(nl.FRA_PRIORITY, u32(r.pref))
	attr(nl.FRA_PROTOCOL, []byte{protocolTag})
	if r.action == nl.FR_ACT_GOTO {
		attr(nl.FRA_GOTO, u32(r.target))
	}
	if r.table != 0 {
		attr(nl.FRA_TABLE, u32(r.table))
	}
	if r.mask != 0 {
		attr(nl.FRA_FWMARK, u32(r.mark))
		attr(nl.FRA_FWMASK, u32(r.mask))
	}
	if r.proto != 0 {
		attr(nl.FRA_IP_PROTO, u32(uint32(r.proto))[:1])
	}
	if r.sport != (Ports{}) {
		attr(nl.FRA_SPORT_RANGE, r.sport.attr())
	}
	if r.dport != (Ports{}) {
		attr(nl.FRA_DPORT_RANGE, r.dport.attr())
	}
}

func (p Ports) attr() []byte {
	return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, p.Lo), p.Hi)
}

// ruleRest is what rule has no field for.
type ruleRest struct {
	tag   uint8
	flags uint32
	other []nl.RtAttr // sorted by nothing: the kernel's order
}

func decodeRule(b []byte) (rule, ruleRest, error) {
	var r rule
	var rest ruleRest
	if len(b) < unix.SizeofRtMsg {
		return r, rest, errors.New("host: list rules: message too short")
	}
	msg := nl.DeserializeRtMsg(b)
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofRtMsg:])
	if err != nil {
		return r, rest, fmt.Errorf("host: list rules: %w", err)
	}
	r.family, r.action, r.table, rest.flags = msg.Family, msg.Type, uint32(msg.Table), msg.Flags
	for _, a := range attrs {
		if !r.decode(int(a.Attr.Type), a.Value, msg, &rest) {
			rest.other = append(rest.other, nl.RtAttr{RtAttr: unix.RtAttr(a.Attr), Data: a.Value})
		}
	}
	return r, rest, nil
}

func (r *rule) decode(kind int, v []byte, msg *nl.RtMsg, rest *ruleRest) bool {
	switch {
	case kind == nl.FRA_DST:
		r.dst = prefixOf(v, msg.Dst_len)
	case kind == nl.FRA_SRC:
		r.src = prefixOf(v, msg.Src_len)
	case kind == nl.FRA_PROTOCOL && len(v) >= 1:
		rest.tag = v[0]
	case kind == nl.FRA_IP_PROTO && len(v) >= 1:
		r.proto = v[0]
	case len(v) < 4:
		return false
	case kind == nl.FRA_PRIORITY:
		r.pref = binary.NativeEndian.Uint32(v)
	case kind == nl.FRA_GOTO:
		r.target = binary.NativeEndian.Uint32(v)
	case kind == nl.FRA_TABLE:
		r.table = binary.NativeEndian.Uint32(v)
	case kind == nl.FRA_FWMARK:
		r.mark = binary.NativeEndian.Uint32(v)
	case kind == nl.FRA_FWMASK:
		r.mask = binary.NativeEndian.Uint32(v)
	case kind == nl.FRA_SPORT_RANGE:
		r.sport = Ports{binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])}
	case kind == nl.FRA_DPORT_RANGE:
		r.dport = Ports{binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])}
	default:
		return false
	}
	return true
}

func prefixOf(b []byte, bits uint8) netip.Prefix {
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, int(bits))
}
