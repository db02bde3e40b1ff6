package node

import (
	"bytes"
	"fmt"

	"warren/config"
	"warren/control"
)

// Keys implements control.Backend.
func (b *backend) Keys() (control.Keys, error) {
	c := ask(b.n, func() *config.Config { return b.n.cfg })
	if c == nil {
		return control.Keys{}, errStopped
	}
	if !c.AllowKeyExport {
		return control.Keys{}, fmt.Errorf("node %s keeps the keys of its SAs for itself; to debug, write allow_key_export: true at %s and start it again", c.Node, c.AllowKeyExportPos)
	}
	b.n.log.Warn("the keys of all SAs are told over the control socket", "why", "allow_key_export")
	return ask(b.n, b.n.keys), nil
}

// keys are those of all SAs, as Wireshark reads them.
func (n *Node) keys() control.Keys {
	var k control.Keys
	add := func(to *[]string, line string, err error) {
		if err != nil {
			to, line = &k.LeftOut, err.Error()
		}
		*to = append(*to, line)
	}
	for _, x := range n.ike.ExportKeys() {
		line, err := ikeLine(x)
		add(&k.IKE, line, err)
		x.Keys.Wipe()
	}
	for _, c := range n.byAge() {
		line, err := espLine(c, c.SPIIn, c.keyIn)
		add(&k.ESP, line, err)
		line, err = espLine(c, c.SPIOut, c.keyOut)
		add(&k.ESP, line, err)
	}
	return k
}

// keep remembers the keys of a pair for Keys, where that is allowed.
func (c *child) keep(allowed bool) {
	if allowed {
		c.keyIn, c.keyOut = bytes.Clone(c.KeyIn), bytes.Clone(c.KeyOut)
	}
}
