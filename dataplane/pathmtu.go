package dataplane

import (
	"net/netip"
	"sync"
	"time"

	"warren/sa"
)

// pathMTUs asks the underlay for the MTU of paths that turned out to be too
// narrow, and tells the Handler; each destination at most once in askEvery.
type pathMTUs struct {
	mu    sync.Mutex
	asked map[netip.Addr]time.Time
}

const (
	askEvery = time.Second
	maxAsked = 1024 // destinations remembered
)

// ask is called for a packet that the underlay refused as too big.
func (m *pathMTUs) ask(d *Dataplane, local, remote netip.Addr) {
	if !m.due(remote, time.Now()) {
		return
	}
	if mtu, err := d.opt.Underlay.PathMTU(local, remote); err == nil {
		d.opt.Handler.PathMTU(sa.Network, remote, mtu)
	}
}

func (m *pathMTUs) due(remote netip.Addr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.asked[remote]; ok && now.Sub(last) < askEvery {
		return false
	}
	if m.asked == nil || len(m.asked) >= maxAsked {
		m.asked = make(map[netip.Addr]time.Time)
	}
	m.asked[remote] = now
	return true
}
