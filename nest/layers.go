package nest

import "warren/sa"

// A layerMap finds accepted children by layer. It is persistent, as a View is:
// with returns a map that shares all but four pages with the old one. A look-up
// needs one page of 2 KiB that is not the same for 65,536 layers in a row.
type layerMap struct {
	root *page[page[page[page[accepted]]]]
}

// A page holds one of 256 by a byte of the layer.
type page[T any] [256]*T

func (m layerMap) get(id sa.Layer) *accepted {
	return m.root.at(id >> 24).at(id >> 16).at(id >> 8).at(id)
}

// with is m with c, which may be nil for none, for a layer.
func (m layerMap) with(id sa.Layer, c *accepted) layerMap {
	a := m.root
	b := a.at(id >> 24)
	d := b.at(id >> 16)
	e := d.at(id >> 8)
	return layerMap{a.with(id>>24, b.with(id>>16, d.with(id>>8, e.with(id, c))))}
}

// each yields all in the order of their layers.
func (m layerMap) each(yield func(*accepted)) {
	m.root.each(func(b *page[page[page[accepted]]]) {
		b.each(func(d *page[page[accepted]]) {
			d.each(func(e *page[accepted]) { e.each(yield) })
		})
	})
}

// at is what p, which may be nil, holds by the low byte of i.
func (p *page[T]) at(i sa.Layer) *T {
	if p == nil {
		return nil
	}
	return p[i&0xff]
}

// with is a copy of p with v by the low byte of i, or nil if there is nothing
// left.
func (p *page[T]) with(i sa.Layer, v *T) *page[T] {
	var c page[T]
	if p != nil {
		c = *p
	}
	c[i&0xff] = v
	if c == (page[T]{}) {
		return nil
	}
	return &c
}

func (p *page[T]) each(yield func(*T)) {
	if p == nil {
		return
	}
	for _, v := range p {
		if v != nil {
			yield(v)
		}
	}
}
