package ike

import (
	"crypto/sha256"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// Limits on messages that come in fragments, and on the fragments sent.
const (
	maxFragments    = 128
	maxReassembled  = 65535
	maxUnproven     = 32768 // as long as the peer has not authenticated
	minFragmentSize = 256
	alwaysFits      = minFragmentSize - 112 // payloads that do, with all that goes around them
)

// defaultMTU is the IP packet that is assumed to pass where nothing smaller is
// known, also through what lies beyond the first link (RFC 7383, Section 2.5.1).
const defaultMTU = 1280

// fragmentSize is the largest IKE message that fits into an IP packet on the path
// of s, or 0 for any size, where the peer knows no fragmentation or payloads of n
// octets fit in any case. The fragments that the peer sends show what its side of
// the path takes.
func (e *Engine) fragmentSize(s *session, n int) int {
	if !s.fragments || n <= alwaysFits {
		return 0
	}
	mtu := defaultMTU
	if e.opt.MTU != nil {
		if m := e.opt.MTU(s.path); m > 0 {
			mtu = min(mtu, m)
		}
	}
	size := mtu - 20 - 8 // IPv4 and UDP headers
	if s.path.Remote.Addr().Unmap().Is6() {
		size = mtu - 40 - 8
	}
	if s.natt {
		size -= 4 // non-ESP marker
	}
	if s.peerFragment > 0 {
		size = min(size, s.peerFragment)
	}
	return max(size, minFragmentSize)
}

// An inbound is a protected message of the peer, opened.
type inbound struct {
	plain crypt.Plain
	raw   []byte // the datagram, or that of its first fragment
}

// A reassembly is a message of which not all fragments are there yet (RFC 7383,
// Section 2.6). All that are were authentic.
type reassembly struct {
	id          uint32
	parts       [][]byte // by number; nil where it is missing
	have, bytes int
	next        message.PayloadType // of the first fragment
	first       []byte              // its datagram
	largest     int                 // datagram of all
	until       time.Time
}

// take opens the fragment m and returns the message if it is now whole.
func (e *Engine) take(sa *ikeSA, r **reassembly, m *message.Message, f *message.EncryptedFragment, now time.Time) (*inbound, error) {
	if !sa.sess.fragments || f.Total > maxFragments {
		return nil, errUnauthentic
	}
	cur := *r
	if cur != nil && (cur.id != m.MessageID || due(cur.until, now)) {
		cur = nil
	}
	if cur != nil && (int(f.Total) < len(cur.parts) || int(f.Total) == len(cur.parts) && cur.parts[f.Number-1] != nil) {
		return nil, errUnauthentic // of an older set, or again
	}
	got, err := sa.sk.OpenFragment(m)
	if err != nil {
		return nil, openError(err)
	}
	if cur == nil || len(cur.parts) < int(f.Total) { // the sender starts anew with smaller ones
		cur = &reassembly{id: m.MessageID, parts: make([][]byte, f.Total), until: now.Add(e.opt.Retransmit.total())}
	}
	if !cur.add(got, m.Raw, sa.reassemblyLimit()) {
		*r = nil
		return nil, errUnauthentic
	}
	*r = cur
	if cur.have < len(cur.parts) {
		return nil, errPartial
	}
	*r = nil
	sa.sess.peerFragment = cur.largest
	return &inbound{plain: crypt.Plain{Next: cur.next, Data: slices.Concat(cur.parts...)}, raw: cur.first}, nil
}

// add stores a fragment, unless the message becomes longer than limit.
func (r *reassembly) add(f crypt.Fragment, raw []byte, limit int) bool {
	if r.bytes += len(f.Data); r.bytes > limit {
		return false
	}
	if f.Number == 1 {
		r.next, r.first = f.Next, raw
	}
	r.parts[f.Number-1] = append([]byte{}, f.Data...) // never nil
	r.have++
	r.largest = max(r.largest, len(raw))
	return true
}

func (sa *ikeSA) reassemblyLimit() int {
	if sa.state == saHalf {
		return maxUnproven
	}
	return maxReassembled
}

// reassemblyUntil is when the fragments at hand are given up.
func (sa *ikeSA) reassemblyUntil() time.Time {
	var t time.Time
	if sa.part != nil {
		t = sa.part.until
	}
	if sa.out != nil && sa.out.part != nil {
		t = earliest(t, sa.out.part.until)
	}
	return t
}

// expireReassembly forgets the fragments of messages that did not become whole.
func (sa *ikeSA) expireReassembly(now time.Time) {
	if sa.part != nil && due(sa.part.until, now) {
		sa.part = nil
	}
	if sa.out != nil && sa.out.part != nil && due(sa.out.part.until, now) {
		sa.out.part = nil
	}
}

// repeats reports whether d is a repetition of the request that was answered
// last: bit by bit, or as other fragments of it, the first of which counts (RFC
// 7383, Section 2.6.1).
func (sa *ikeSA) repeats(d Datagram, h message.Header) bool {
	if sa.resp == nil || h.MessageID != sa.recvID-1 {
		return false
	}
	if sha256.Sum256(d.Data) == sa.lastReq {
		return true
	}
	if h.Next != message.PayloadSKF || h.Exchange != sa.lastKind || sa.sk == nil || !sa.sess.fragments {
		return false
	}
	m, err := message.Parse(d.Data)
	if err != nil {
		return false
	}
	f, err := sa.sk.OpenFragment(m)
	return err == nil && f.Number == 1
}
