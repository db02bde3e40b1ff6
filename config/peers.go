package config

import (
	"net/netip"
	"time"

	"warren/ike"
	"warren/ike/message"
	"warren/policy"
)

func (b *builder) peers(top object) {
	b.named(top, "peers", "peer", func(name string, e entry) {
		b.peerNames = append(b.peerNames, name)
		b.peerAt[name] = e.at
		if _, err := netip.ParseAddr(name); err == nil {
			b.fail(e.at, "give it a name", "peer %s is called like an address, so rules could not tell them apart", name)
		}
		p := &Peer{Name: name, IKE: 500, NATT: 4500, MOBIKE: true, Resumption: true, Liveness: b.Liveness, ReplayWindow: b.ReplayWindow,
			RemoteTS: policy.Everything(), Pos: b.pos(e.at)}
		b.Peers = append(b.Peers, p)
		o, ok := e.value.object("peers.*")
		if !ok {
			b.broken = true
			return
		}
		b.at[p] = o.keys
		b.peer(p, o)
	})
}

func (b *builder) peer(p *Peer, o object) {
	if v, ok := o.need("address", "address: 192.0.2.1"); ok {
		p.Addrs = b.peerAddrs(v)
	}
	if len(p.Addrs) == 0 {
		b.broken = true
	}
	if v, ok := o.need("id", "id: "+p.Name+".example, the identity that it proves"); ok {
		p.ID, _ = v.identity()
	}
	p.Identity = b.identityOf(o)
	p.Profile = b.profileOf(o)
	b.peerSecret(p, o)
	if p.PPK = b.ppk(o); p.PPK == nil && p.Identity != nil {
		p.PPK = p.Identity.PPK
	}
	b.peerCertificate(p, o)
	if v, ok := o.get("virtual_ip"); ok {
		v.virtualIP(p)
	}
	if v, ok := o.get("encap"); ok {
		word, _ := v.word("auto", "udp", "esp")
		p.Encap = map[string]Encap{"udp": EncapUDP, "esp": EncapESP}[word]
	}
	if v, ok := o.get("childless"); ok {
		word, _ := v.word("never", "prefer", "force")
		p.Childless = map[string]Childless{"prefer": ChildlessPrefer, "force": ChildlessForce}[word]
	}
	o.booleanInto("mobike", &p.MOBIKE)
	o.booleanInto("resumption", &p.Resumption)
	if v, ok := o.get("source"); ok {
		p.Source, _ = v.addr()
	}
	if v, ok := o.get("remote_ts"); ok {
		p.RemoteTS = v.selectors()
	}
	o.portInto("ike", &p.IKE)
	o.portInto("nat_t", &p.NATT)
	o.durationInto("liveness", &p.Liveness, 100*time.Millisecond, true)
	o.intInto("replay_window", &p.ReplayWindow, 64, 65536)
}

// peerAddrs are a peer's addresses, at most one of each family.
func (b *builder) peerAddrs(v value) []netip.Addr {
	addrs := v.addrs()
	var v4, v6 int
	for _, a := range addrs {
		if a.IsUnspecified() {
			v.fail("write where the peer is", "%s is %s, which is no place", v.what, a)
			return nil
		}
		if a.Is4() {
			v4++
		} else {
			v6++
		}
	}
	if v4 > 1 || v6 > 1 {
		v.fail("keep one of each family; make further addresses peers of their own", "%s has several addresses of one family", v.what)
	}
	return addrs
}

// peerSecret is the peer's own secret, or that of the identity.
func (b *builder) peerSecret(p *Peer, o object) {
	p.PSK = b.psk(o)
	id := p.Identity
	switch {
	case id == nil:
		return
	case o.saysSecret() && !id.opensByPSK():
		o.fail("delete psk, or name an identity without cert and ca", "%s has a pre-shared key, but with identity %s both sides use certificates", o.what, id.Name)
	case o.saysSecret():
		return
	case id.hasSecret || !id.opensByPSK():
		p.PSK = id.PSK
	case id.hasCert || id.EAP != nil:
		o.fail("add ca to identity "+id.Name+" for peers with certificates, or psk_file for peers without",
			"%s cannot prove itself: identity %s has neither ca nor a secret", o.what, id.Name)
	default:
		o.fail("add psk_file to the peer or to identity "+id.Name, "%s has no secret, and neither has identity %s", o.what, id.Name)
	}
}

// peerCertificate refuses what no certificate can prove.
func (b *builder) peerCertificate(p *Peer, o object) {
	if id, err := ike.ParseID(p.ID); err == nil && p.Identity != nil && p.Identity.hasCA && id.Type == message.IDKeyID {
		b.fail(o.keys["id"], "write a name, an address, user@host or a distinguished name",
			"%s must prove itself with a certificate, as identity %s has a ca, and no certificate is for %s", o.what, p.Identity.Name, p.ID)
	}
}

// virtualIP reads true, false, a family, an address, or a list of these.
func (v value) virtualIP(p *Peer) {
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			continue
		}
		switch s {
		case "true":
			p.VirtualIP4, p.VirtualIP6 = true, true
			continue
		case "false":
			continue
		case "ipv4", "0.0.0.0":
			p.VirtualIP4 = true
			continue
		case "ipv6", "::":
			p.VirtualIP6 = true
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || a.IsMulticast() {
			item.fail("write true, false, ipv4, ipv6 or an address to ask for", "%s is %q", v.what, s)
			continue
		}
		if a = a.Unmap(); a.Is4() {
			p.VirtualIP4, p.Want4 = true, a
		} else {
			p.VirtualIP6, p.Want6 = true, a
		}
	}
}
