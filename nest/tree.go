package nest

import "slices"

// tree is all nodes, by layer and by place.
type tree struct{ roots []*Node }

// children are the nodes right inside n; those on the network for nil.
func (t *tree) children(n *Node) []*Node {
	if n == nil {
		return t.roots
	}
	return n.children
}

// find is the node that performs a inside parent, or nil. Two chains that want
// the same action at the same place find the same node: that is all sharing is.
func (t *tree) find(parent *Node, a Action) *Node {
	for _, n := range t.children(parent) {
		if n.Action == a {
			return n
		}
	}
	return nil
}

func (t *tree) add(n *Node) {
	if n.Parent == nil {
		t.roots = append(t.roots, n)
		return
	}
	n.Parent.children = append(n.Parent.children, n)
}

// remove takes a node without children out.
func (t *tree) remove(n *Node) {
	is := func(o *Node) bool { return o == n }
	if n.Parent == nil {
		t.roots = slices.DeleteFunc(t.roots, is)
		return
	}
	n.Parent.children = slices.DeleteFunc(n.Parent.children, is)
}

// has reports whether n is in the tree.
func (t *tree) has(n *Node) bool { return slices.Contains(t.children(n.Parent), n) }

// inward is every node, each before its children.
func (t *tree) inward() []*Node {
	all := slices.Clone(t.roots)
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].children...)
	}
	return all
}

// outward is every node, each after its children.
func (t *tree) outward() []*Node {
	all := t.inward()
	slices.Reverse(all)
	return all
}
