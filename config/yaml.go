package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A reader walks one file and collects what is wrong with it.
type reader struct {
	file     string
	lines    []string // as they may be shown
	problems Problems
}

// A place is where a message points.
type place struct{ line, column int }

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

func (r *reader) pos(at place) string { return fmt.Sprintf("%s:%d:%d", r.file, at.line, at.column) }

func (r *reader) add(s Severity, at place, fix, message string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: at.line, Column: at.column, Severity: s, Message: message, Fix: fix})
}

// finish sorts what was found and adds the source lines, only now, when all
// that must not be shown is masked.
func (r *reader) finish() Problems {
	for i := range r.problems {
		if p := &r.problems[i]; p.File == r.file && p.Line > 0 && p.Line <= len(r.lines) {
			p.Source = strings.TrimRight(r.lines[p.Line-1], " \t\r")
		}
	}
	r.problems.sort()
	return r.problems
}

// fail notes an error at a place, with the way out.
func (r *reader) fail(at place, fix, format string, args ...any) {
	r.add(SeverityError, at, fix, fmt.Sprintf(format, args...))
}

func (r *reader) warn(at place, fix, format string, args ...any) {
	r.add(SeverityWarning, at, fix, fmt.Sprintf(format, args...))
}

// parse returns the only document of src, or nil after noting why not. The
// message of the library's error is kept, its excerpt is not: it would show
// secrets.
func (r *reader) parse(src []byte) ast.Node {
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			r.fail(placeOf(syntax.GetToken()), "check indentation, quotes and brackets here and on the lines above",
				"not YAML: %s", syntax.GetMessage())
		} else {
			r.fail(place{1, 1}, "check indentation, quotes and brackets", "not YAML")
		}
		return nil
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) == 0 {
		r.fail(place{1, 1}, "begin with: node: {name: NAME}", "the file is empty")
		return nil
	}
	if len(docs) > 1 {
		r.fail(placeOf(docs[1].Body.GetToken()), "keep one document and delete the --- lines", "more than one YAML document")
	}
	return docs[0].Body
}

// A value is one node of the file, with what to call it in messages.
type value struct {
	r    *reader
	node ast.Node
	what string // "address of peer sg1"
	at   place
}

func (r *reader) value(n ast.Node, what string) value {
	at := place{1, 1}
	if n != nil {
		at = placeOf(n.GetToken())
		if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
			at = placeOf(m.Values[0].Key.GetToken()) // the token of a block mapping is its first colon
		}
	}
	return value{r, n, what, at}
}

func (v value) fail(fix, format string, args ...any) { v.r.fail(v.at, fix, format, args...) }

// empty reports whether nothing, or null, was written.
func (v value) empty() bool {
	if v.node == nil {
		return true
	}
	_, null := v.node.(*ast.NullNode)
	return null
}

// text is a scalar as it was written, quotes removed.
func (v value) text() (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		v.fail("write the value itself", "%s: anchors, aliases and tags are not supported", v.what)
	case nil, *ast.NullNode:
		v.fail("write a value or delete the key", "%s is empty", v.what)
	default:
		v.fail("write one value", "%s is %s where one value is expected", v.what, kindOf(v.node))
	}
	return "", false
}

// items are the members of a sequence; anything else is a sequence of itself.
func (v value) items() []value {
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		return []value{v}
	}
	out := make([]value, len(seq.Values))
	for i, n := range seq.Values {
		out[i] = v.r.value(n, v.what)
	}
	return out
}

// kindOf is what to call a node that is of the wrong kind.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case nil, *ast.NullNode:
		return "empty"
	}
	return "something else"
}

// An object is a mapping whose keys are known to be good.
type object struct {
	value
	fields map[string]value
	keys   map[string]place
	meant  []string // keys that were probably meant by unknown ones
}

// object reads v as a mapping with the keys of a section. Unknown and repeated
// keys are errors; ok is false if v is no mapping at all.
func (v value) object(section string) (object, bool) {
	o := object{value: v, fields: map[string]value{}, keys: map[string]place{}}
	entries, ok := v.entries()
	if !ok {
		return o, false
	}
	known := keyNames(section)
	for _, e := range entries {
		if !slices.Contains(known, e.key) {
			o.meant = append(o.meant, v.r.unknownKey(e, v.what, known, section))
			continue
		}
		e.value.what = e.key
		if v.what != "" {
			e.value.what = e.key + " of " + v.what
		}
		o.fields[e.key], o.keys[e.key] = e.value, e.at
	}
	return o, true
}

// unknownKey notes a key that a section does not know, and returns the one that
// was probably meant, or "".
func (r *reader) unknownKey(e entry, what string, known []string, section string) string {
	where := ""
	if what != "" {
		where = " in " + what
	}
	meant := nearest(e.key, known)
	if slices.Contains(known, "psk_file") && (meant == "" || strings.HasPrefix(meant, "psk")) || section == "ppk" || section == "eap" {
		r.maskValue(e.value) // it may be a secret under another name
	}
	fix := "known here: " + strings.Join(known, ", ")
	if meant != "" {
		fix = fmt.Sprintf("write %q", meant)
	}
	if hint := keyHint(section, e.key); hint != "" {
		fix = hint
	}
	r.fail(e.at, fix, "unknown key %q%s", e.key, where)
	return meant
}

// maskValue hides a scalar in the line that it stands on.
func (r *reader) maskValue(v value) {
	s, ok := v.node.(*ast.StringNode)
	if !ok || s.Value == "" || v.at.line < 1 || v.at.line > len(r.lines) {
		return
	}
	line := []rune(r.lines[v.at.line-1])
	from := min(v.at.column-1, len(line))
	rest := string(line[from:])
	r.lines[v.at.line-1] = string(line[:from]) + strings.ReplaceAll(rest, s.Value, strings.Repeat("*", len([]rune(s.Value))))
}

// An entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    place
	value value
}

// entries are the keys of a mapping in order, without those that come twice.
func (v value) entries() ([]entry, bool) {
	m, ok := v.node.(*ast.MappingNode)
	if !ok {
		v.fail("write key: value pairs", "%s is %s where a mapping is expected", cmpOr(v.what, "the file"), kindOf(v.node))
		return nil, false
	}
	var out []entry
	seen := map[string]place{}
	for _, kv := range m.Values {
		at := placeOf(kv.Key.GetToken())
		s, ok := kv.Key.(*ast.StringNode)
		key := ""
		if ok {
			key = s.Value
		} else if n, number := kv.Key.(*ast.IntegerNode); number {
			key, ok = n.GetToken().Value, true
		}
		if !ok {
			v.r.fail(at, "write a plain name", "this key is not a name")
			continue
		}
		if first, twice := seen[key]; twice {
			v.r.fail(at, "keep one of them", "key %q is here a second time; the first is on line %d", key, first.line)
			continue
		}
		seen[key] = at
		out = append(out, entry{key, at, v.r.value(kv.Value, key)})
	}
	return out, true
}

// get is a key's value if it was written. A key without a value is an error.
func (o object) get(key string) (value, bool) {
	v, ok := o.fields[key]
	if !ok {
		return value{}, false
	}
	if v.empty() {
		v.r.fail(o.keys[key], "write a value or delete the key", "%s is empty", v.what)
		return value{}, false
	}
	return v, true
}

// need is get for a key that must be there. That it is misspelt was said.
func (o object) need(key, example string) (value, bool) {
	if _, ok := o.fields[key]; !ok {
		if slices.Contains(o.meant, key) {
			return value{}, false
		}
		o.fail("add "+example, "%s has no %s", cmpOr(o.what, "the file"), key)
		return value{}, false
	}
	return o.get(key)
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
