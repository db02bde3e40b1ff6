package node

import (
	"net/netip"
	"slices"

	"warren/config"
	"warren/esp"
	"warren/ike"
	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/nest"
	"warren/sa"
)

// peerConfig is the session that establishes n from local.
func (n *Node) peerConfig(node *nest.Node, p *config.Peer, local netip.Addr) (ike.PeerConfig, error) {
	localID, err := ike.ParseID(p.Identity.ID)
	if err != nil {
		return ike.PeerConfig{}, err
	}
	remoteID, err := ike.ParseID(p.ID)
	if err != nil {
		return ike.PeerConfig{}, err
	}
	c := ike.PeerConfig{
		Name: p.Name, Layer: node.ID, Via: node.Via(),
		Local:     netip.AddrPortFrom(local, n.cfg.Listen.IKE),
		Remote:    netip.AddrPortFrom(node.Action.Addr, p.IKE),
		LocalNATT: n.cfg.Listen.NATT, RemoteNATT: p.NATT,
		LocalID: localID, RemoteID: remoteID,
		Cert: p.Identity.Cert, Trust: n.stores[p.Identity], PSK: []byte(p.PSK), PPK: ppkOf(p.PPK),
		IKE: p.Profile.IKE, ESP: p.Profile.ESP,
		Mode: node.Mode(), LocalTS: node.LocalTS, RemoteTS: node.RemoteTS,
		Resumption: p.Resumption,
		MOBIKE:     p.MOBIKE && node.Via() == sa.Network, // inside a layer the address is its lease
		Encap:      ike.Encap(p.Encap), Childless: ike.Childless(p.Childless), Rekey: rekeyOf(p.Profile.Rekey),
		Liveness: p.Liveness, Window: p.ReplayWindow, Again: n.again(node),
	}
	if eap := p.Identity.EAP; eap != nil {
		if c.EAP, err = account(eap, &c); err != nil {
			return ike.PeerConfig{}, err
		}
		c.Cert = nil
	}
	if node.Mode() == esp.Tunnel {
		c.VirtualIP4, c.VirtualIP6 = p.VirtualIP4, p.VirtualIP6
		c.Want4, c.Want6 = p.Want4, p.Want6
	}
	return c, nil
}

// account is that by which c is to prove itself.
func account(a *config.EAP, c *ike.PeerConfig) (*eap.Account, error) {
	if !a.TLS {
		return eap.PasswordAccount(a.User, []byte(a.Password)), nil
	}
	server := c.RemoteID
	if a.Server != "" {
		var err error
		if server, err = ike.ParseID(a.Server); err != nil {
			return nil, err
		}
	}
	return ike.CertificateAccount(a.User, c.Cert, c.Trust, server), nil
}

func ppkOf(p *config.PPK) ike.PPK {
	if p == nil {
		return ike.PPK{}
	}
	return ike.PPK{ID: p.ID, Secret: crypt.Secret(p.Secret), Required: p.Required}
}

// rekeyOf spreads a profile's limits: the hard one is a quarter beyond the soft
// one, so that a rekey that is refused once has time for another try.
func rekeyOf(r config.Rekey) ike.Rekey {
	return ike.Rekey{
		IKE: r.IKE, Reauth: r.Reauth,
		Child: sa.Lifetime{
			SoftTime: r.Child, HardTime: r.Child + r.Child/4,
			SoftBytes: r.Bytes, HardBytes: r.Bytes + r.Bytes/4,
			SoftPackets: r.Packets, HardPackets: r.Packets + r.Packets/4,
		},
	}
}

func (s *setup) acceptConfig(n *Node, a *config.Accept) (ike.AcceptConfig, error) {
	id, err := ike.ParseID(a.Identity.ID)
	if err != nil {
		return ike.AcceptConfig{}, err
	}
	pool, err := s.pool(n.pools, a)
	if err != nil {
		return ike.AcceptConfig{}, err
	}
	var ppk func(string) ([]byte, bool)
	if a.PPKs != nil {
		ppk = func(id string) ([]byte, bool) {
			s, ok := a.PPKs[id]
			return s, ok
		}
	}
	trust, users := s.stores[a.Identity], eap.Users(nil)
	if a.Users != nil {
		trust = nil // it is for the peers of others
		users = func(user string) ([]byte, bool) {
			s, ok := a.Users[user]
			return s, ok
		}
	}
	return ike.AcceptConfig{
		Users: users, PPK: ppk, PPKRequired: a.PPKRequired,
		Name: a.Name, Where: s.cfg.Where(a, ""), LocalID: id, IDs: slices.Clone(a.IDs), Pool: pool,
		Cert: a.Identity.Cert, Trust: trust,
		PSK: func(remote ike.ID) ([]byte, bool) {
			s, ok := a.Secret(remote.String())
			return []byte(s), ok
		},
		Local: a.Local, Remote: a.Remote, Modes: modesOf(a), MOBIKE: a.MOBIKE, Resumption: a.Resumption,
		IKE: a.Profile.IKE, ESP: a.Profile.ESP, Rekey: rekeyOf(a.Profile.Rekey),
		Liveness: a.Liveness, Window: a.ReplayWindow, NextLayer: n.nextLayer,
	}, nil
}

// pool is the pool of an entry, the one that it has already unless it is to be
// another; nil where it has none.
func (s *setup) pool(old []namedPool, a *config.Accept) (*ike.Pool, error) {
	if len(a.Pool) == 0 {
		return nil, nil
	}
	at := slices.IndexFunc(old, func(p namedPool) bool { return p.name == a.Name && slices.Equal(p.prefixes, a.Pool) })
	if at >= 0 {
		s.pools = append(s.pools, old[at])
		return old[at].Pool, nil
	}
	p, err := ike.NewPool(a.Pool)
	if err == nil {
		s.pools = append(s.pools, namedPool{a.Name, a.Pool, p})
	}
	return p, err
}

type namedPool struct {
	name     string
	prefixes []netip.Prefix
	*ike.Pool
}

func modesOf(a *config.Accept) []esp.Mode {
	var modes []esp.Mode
	if a.Tunnel {
		modes = append(modes, esp.Tunnel)
	}
	if a.Transport {
		modes = append(modes, esp.Transport)
	}
	return modes
}
