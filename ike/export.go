package ike

import "warren/ike/crypt"

// ExportedKeys are the keys of one IKE SA.
type ExportedKeys struct {
	SPIi, SPIr uint64
	Choice     crypt.Choice
	Keys       crypt.Exported
}

// ExportKeys copies the keys of every IKE SA that is not closed, those that were
// just rekeyed included. It is for the analysis of captures, where the user has
// allowed that, and for nothing else.
func (e *Engine) ExportKeys() []ExportedKeys {
	var out []ExportedKeys
	for _, s := range e.order {
		for _, sa := range s.sas {
			if keys, err := sa.keys.Export(); err == nil {
				out = append(out, ExportedKeys{uint64(sa.spiI), uint64(sa.spiR), sa.choice, keys})
			}
		}
	}
	return out
}
