package node

import (
	"fmt"

	"warren/config"
	"warren/ike"
	"warren/ike/trust"
)

// A setup is what a configuration means to the engine, made before anything
// changes.
type setup struct {
	cfg    *config.Config
	stores map[*config.Identity]*trust.Store // of those that trust certificates
	accept []ike.AcceptConfig
	pools  []namedPool
}

// setUp makes the setup of cfg, with the pools and the fetched revocation lists
// that are there already.
func (n *Node) setUp(cfg *config.Config) (*setup, error) {
	s := &setup{cfg: cfg, stores: make(map[*config.Identity]*trust.Store)}
	for _, id := range cfg.Identities {
		if id.Trust == nil {
			continue
		}
		store, err := trust.New(*id.Trust)
		if err != nil {
			return nil, fmt.Errorf("node: identity %s: %w", id.Name, err)
		}
		for before, old := range n.stores {
			if before.Name == id.Name {
				store.Inherit(old)
			}
		}
		s.stores[id] = store
	}
	for _, a := range cfg.Accept {
		c, err := s.acceptConfig(n, a)
		if err != nil {
			return nil, fmt.Errorf("node: accept %s: %w", a.Name, err)
		}
		s.accept = append(s.accept, c)
	}
	return s, nil
}
