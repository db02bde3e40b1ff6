package config

import "fmt"

// Where is the place of a key of a peer, an accept entry or a profile, as
// file:line:column; of the entry itself if it does not have the key. It is empty
// for what is not in the file, as the default profile.
func (c *Config) Where(of any, key string) string {
	if at, ok := c.at[of][key]; ok {
		return fmt.Sprintf("%s:%d:%d", c.Path, at.line, at.column)
	}
	switch of := of.(type) {
	case *Peer:
		return of.Pos
	case *Accept:
		return of.Pos
	case *Profile:
		return of.Pos
	}
	return ""
}
