package control

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsHandler serves /metrics from a registry of its own.
func metricsHandler(b Backend) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(b), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	return mux
}

// collector turns a Status into metrics when it is asked, so that nothing is
// counted twice. A tunnel that two chains share shows under both.
type collector struct {
	backend Backend

	info, uptime, mtu, state        *prometheus.Desc
	layerUp, packets, bytes, rekeys *prometheus.Desc
	reauths                         *prometheus.Desc
	drops, refused                  *prometheus.Desc
	traffic, sessions               *prometheus.Desc
	securityAssociation             *prometheus.Desc
	certificate                     *prometheus.Desc
}

func newCollector(b Backend) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("warren_"+name, help, labels, nil)
	}
	layer := []string{"chain", "layer", "peer"}
	return &collector{
		backend:  b,
		info:     desc("info", "1, with what is running as labels.", "node", "version"),
		uptime:   desc("uptime_seconds", "Time since the daemon started."),
		state:    desc("chain_state", "1 for the state the chain is in, 0 for the others.", "chain", "state"),
		mtu:      desc("chain_mtu_bytes", "Largest packet that the chain carries whole.", "chain"),
		layerUp:  desc("layer_up", "1 while the layer carries traffic.", layer...),
		packets:  desc("layer_packets_total", "Packets through the layer.", append(layer, "direction")...),
		bytes:    desc("layer_bytes_total", "Inner bytes through the layer.", append(layer, "direction")...),
		rekeys:   desc("layer_rekeys_total", "Times the layer's child SA was replaced.", layer...),
		reauths:  desc("layer_reauths_total", "Times the layer's session was authenticated anew.", layer...),
		drops:    desc("drops_total", "Refused packets.", "reason"),
		refused:  desc("ike_refused_total", "Refused IKE messages.", "reason"),
		traffic:  desc("traffic_packets_total", "Packets by the point of the data path where they were seen.", "point"),
		sessions: desc("accepted_sessions", "Sessions that peers opened.", "mode"),
		securityAssociation: desc("security_associations", "Child SAs in use.",
			"direction"),
		certificate: desc("certificate_expiry_seconds", "Until a certificate or revocation list ends; those of peers that opened a session are left out.",
			"kind", "identity", "peer", "subject", "issuer", "serial"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.uptime, c.mtu, c.state, c.layerUp, c.packets,
		c.bytes, c.rekeys, c.reauths, c.drops, c.refused, c.traffic, c.sessions, c.securityAssociation, c.certificate} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.backend.Status()
	gauge(ch, c.info, 1, s.Node, s.Version)
	gauge(ch, c.uptime, s.UptimeSeconds)
	for _, chain := range s.Chains {
		c.collectChain(ch, chain)
	}
	for reason, n := range s.Drops {
		counter(ch, c.drops, n, reason)
	}
	for reason, n := range s.IKE {
		counter(ch, c.refused, n, reason)
	}
	for point, n := range s.Traffic {
		counter(ch, c.traffic, n, point)
	}
	sessions := map[string]int{"tunnel": 0, "transport": 0}
	for _, a := range s.Accepted {
		sessions[a.Mode]++
	}
	for mode, n := range sessions {
		gauge(ch, c.sessions, float64(n), mode)
	}
	sas := map[string]int{"in": 0, "out": 0}
	for _, sa := range c.backend.SAs() {
		sas[sa.Direction]++
	}
	for direction, n := range sas {
		gauge(ch, c.securityAssociation, float64(n), direction)
	}
	c.collectCertificates(ch, c.backend.Certificates())
}

// collectCertificates tells each once, wherever it is met again. What peers show
// that open a session may be of any number.
func (c *collector) collectCertificates(ch chan<- prometheus.Metric, certs []Certificate) {
	type labels [6]string
	seen := make(map[labels]bool)
	for _, cert := range certs {
		l := labels{cert.Kind, cert.Identity, cert.Peer, cert.Subject, cert.Issuer, cert.Serial}
		if !cert.Accepted && !seen[l] {
			seen[l] = true
			gauge(ch, c.certificate, cert.SecondsLeft, l[:]...)
		}
	}
}

func (c *collector) collectChain(ch chan<- prometheus.Metric, chain Chain) {
	for _, state := range States() {
		gauge(ch, c.state, truth(chain.State == state), chain.Name, state)
	}
	gauge(ch, c.mtu, float64(chain.MTU), chain.Name)
	for _, l := range chain.Layers {
		number := strconv.Itoa(l.Layer)
		gauge(ch, c.layerUp, truth(l.State == StateUp), chain.Name, number, l.Peer)
		counter(ch, c.packets, l.PacketsIn, chain.Name, number, l.Peer, "in")
		counter(ch, c.packets, l.PacketsOut, chain.Name, number, l.Peer, "out")
		counter(ch, c.bytes, l.BytesIn, chain.Name, number, l.Peer, "in")
		counter(ch, c.bytes, l.BytesOut, chain.Name, number, l.Peer, "out")
		counter(ch, c.rekeys, l.Rekeys, chain.Name, number, l.Peer)
		counter(ch, c.reauths, l.Reauths, chain.Name, number, l.Peer)
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
