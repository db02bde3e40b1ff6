package crypt

import (
	"slices"

	"warren/ike/message"
)

// kex takes the first key exchange of p that own allows, and then additional
// ones that own allows, none of which comes twice (RFC 9370, Section 2.2.1).
//
// For a child SA a list that is empty means the same as NONE alone; an IKE SA
// needs a key exchange, also when it is rekeyed (RFC 7296, Section 2.18). An
// additional one that is not listed is as good as NONE.
func (c *Choice) kex(p message.Proposal, own Proposal) bool {
	var choices [1 + MaxAddKE][]message.DHGroup
	offered := list(p, message.TransformKE)
	c.dhNone = has(offered, uint16(message.DHNone))
	choices[0] = common(offered, own.DH)
	if p.Protocol == message.ProtoIKE {
		choices[0] = slices.DeleteFunc(choices[0], func(g message.DHGroup) bool { return g == message.DHNone })
	}
	for i := range own.AddKE {
		offered := list(p, addKE(i))
		c.addNone[i] = has(offered, uint16(message.DHNone))
		choices[1+i] = common(offered, own.AddKE[i])
	}
	var taken [1 + MaxAddKE]message.DHGroup
	if !assign(choices[:], taken[:], 0) {
		return false
	}
	c.DH, c.AddKE = taken[0], [MaxAddKE]message.DHGroup(taken[1:])
	return true
}

// common lists, in the order of offered, what own allows too. A missing list on
// either side stands for NONE.
func common(offered []message.Transform, own []message.DHGroup) (both []message.DHGroup) {
	if len(own) == 0 {
		own = []message.DHGroup{message.DHNone}
	}
	if len(offered) == 0 {
		offered = []message.Transform{{ID: uint16(message.DHNone)}}
	}
	for _, t := range offered {
		g := message.DHGroup(t.ID)
		if t.KeyLen == 0 && len(t.Other) == 0 && slices.Contains(own, g) && !slices.Contains(both, g) {
			both = append(both, g)
		}
	}
	return both
}

// assign fills taken from i on with the first of choices that lets it repeat no
// method and, where there is no key exchange at all, have no additional ones
// either. There are at most seven lists, and only of what is implemented.
func assign(choices [][]message.DHGroup, taken []message.DHGroup, i int) bool {
	if i == len(choices) {
		return true
	}
	for _, g := range choices[i] {
		if g != message.DHNone && (slices.Contains(taken[:i], g) || i > 0 && taken[0] == message.DHNone) {
			continue
		}
		if taken[i] = g; assign(choices, taken, i+1) {
			return true
		}
	}
	return false
}
