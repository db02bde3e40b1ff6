package ike

import (
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A snapshot is all that an engine remembers, line by line, slow and whole: what
// must not change is compared in it. Left out is what anyone may change: what was
// refused and how often, and the secrets of cookies, which change with time.
type snapshot []string

func (n *end) snapshot() snapshot {
	d := dumper{seen: map[place]int{}}
	v := reflect.ValueOf(n.e).Elem()
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "opt", "refused", "replies", "strange", "strangers", "cookies", "rotateAt", "out":
		default:
			d.value(name, v.Field(i))
		}
	}
	d.line("SPIs", fmt.Sprint(slices.Sorted(maps.Keys(n.spis.taken))))
	d.line("events", fmt.Sprint(len(n.events)))
	return d.lines
}

// established is what n remembers of sessions that are up.
func (n *end) established() snapshot {
	var out snapshot
	for _, s := range n.e.order {
		if s.state != sessionUp {
			continue
		}
		d := dumper{seen: map[place]int{}}
		for _, o := range n.e.order { // others are not part of it
			if o != s {
				d.seen[place{reflect.ValueOf(o).Pointer(), reflect.TypeOf(o)}] = -int(o.id)
			}
		}
		d.value("session", reflect.ValueOf(s))
		out = append(out, d.lines...)
	}
	return out
}

// diff names the lines that are not the same.
func (s snapshot) diff(after snapshot) string {
	var out []string
	for i := range max(len(s), len(after)) {
		var a, b string
		if i < len(s) {
			a = s[i]
		}
		if i < len(after) {
			b = after[i]
		}
		if a != b && len(out) < 8 {
			out = append(out, fmt.Sprintf("%q became %q", a, b))
		}
	}
	return strings.Join(out, "\n")
}

// A dumper writes values down. What it has met already, and what belongs to other
// packages, is named by its place.
type dumper struct {
	seen  map[place]int
	met   int
	lines []string
}

type place struct {
	at   uintptr
	kind reflect.Type
}

func (d *dumper) line(path, s string) { d.lines = append(d.lines, path+"="+s) }

func (d *dumper) value(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		d.pointer(path, v)
	case reflect.Interface:
		if v.IsNil() {
			d.line(path, "nil")
			return
		}
		d.value(path+"("+v.Elem().Type().String()+")", v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() == reflect.TypeFor[timer]() && v.Type().Field(i).Name == "index" {
				continue // its place in the heap, which other timers move
			}
			d.value(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Map:
		d.mapping(path, v)
	case reflect.Slice, reflect.Array:
		d.list(path, v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		d.line(path, fmt.Sprint(v.IsNil()))
	default:
		d.line(path, fmt.Sprint(v))
	}
}

func (d *dumper) pointer(path string, v reflect.Value) {
	own := strings.HasPrefix(v.Type().Elem().PkgPath(), "warren/") || v.Type().Elem().Kind() == reflect.Pointer
	here := place{v.Pointer(), v.Type()}
	switch at, met := d.seen[here]; {
	case v.IsNil():
		d.line(path, "nil")
	case !own || v.Type().Elem().Name() == "Store":
		d.line(path, fmt.Sprintf("%#x", v.Pointer()))
	case met:
		d.line(path, fmt.Sprint("#", at))
	default:
		d.met++
		d.seen[here] = d.met
		d.value(path, v.Elem())
	}
}

func (d *dumper) mapping(path string, v reflect.Value) {
	type entry struct {
		key   string
		value reflect.Value
	}
	var all []entry
	for it := v.MapRange(); it.Next(); {
		k := dumper{seen: map[place]int{}}
		k.value("", it.Key())
		all = append(all, entry{strings.Join(k.lines, ","), it.Value()})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	d.line(path, fmt.Sprint(len(all)))
	for _, e := range all {
		d.value(path+"["+e.key+"]", e.value)
	}
}

func (d *dumper) list(path string, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, v.Len())
		for i := range b {
			b[i] = byte(v.Index(i).Uint())
		}
		d.line(path, hex.EncodeToString(b))
		return
	}
	d.line(path, fmt.Sprint(v.Len()))
	for i := range v.Len() {
		if x := v.Index(i); v.Len() < 256 || !x.IsZero() { // a table is mostly empty
			d.value(fmt.Sprintf("%s[%d]", path, i), x)
		}
	}
}
