package warren_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows is which of this module's packages each one may import. A package that
// is not here, and is not below cmd, fails the test: say where it belongs.
func arrows() map[string][]string {
	esp := []string{"packet", "gcm8"}
	sa := []string{"packet", "esp", "policy"}
	layers := []string{"packet", "esp", "sa", "policy"}
	return map[string][]string{
		"packet":           nil,
		"gcm8":             nil,
		"policy":           {"packet"},
		"esp":              esp,
		"sa":               sa,
		"ike/message":      nil,
		"ike/crypt":        {"gcm8", "ike/message"},
		"ike/dn":           nil,
		"ike/sign":         {"ike/message"},
		"ike/trust":        {"ike/message", "ike/dn", "ike/sign"},
		"ike/eap":          {"ike/crypt", "ike/message", "ike/trust"},
		"pki":              {"ike/dn"},
		"pki/folder":       {"pki", "ike/sign", "ike/trust"},
		"ike":              append(slices.Clone(layers), "ike/message", "ike/crypt", "ike/dn", "ike/sign", "ike/trust", "ike/eap"),
		"nest":             layers,
		"poll":             nil,
		"tun":              {"packet", "poll"},
		"underlay":         {"packet", "poll"},
		"dataplane":        append(slices.Clone(layers), "nest", "poll", "tun", "underlay"),
		"config":           append(slices.Clone(layers), "nest", "ike", "ike/crypt", "ike/message", "ike/trust"),
		"control":          nil,
		"host":             nil,
		"node":             {"packet", "policy", "esp", "sa", "ike", "ike/crypt", "ike/eap", "ike/message", "ike/trust", "nest", "tun", "underlay", "dataplane", "config", "control", "host"},
		"doctor":           {"packet", "esp", "ike/crypt", "config", "control", "host", "tun", "underlay"},
		"lab":              {"control"},
		"itest":            {"lab", "control"},
		"bench":            {"lab", "control", "packet", "esp", "sa", "nest", "dataplane", "tun", "underlay", "policy", "bench/blast", "bench/classbench", "bench/crowd"},
		"bench/blast":      nil,
		"bench/classbench": {"packet"},
		"bench/crowd":      append(slices.Clone(layers), "ike", "ike/crypt", "underlay"),
		"bench/cmd/bench":  {"bench"},
		"tun/tuntest":      {"packet", "tun"},
		"underlay/memnet":  {"packet", "underlay"},
	}
}

// forbidden is what must not be reached even through others, and why.
func forbidden() []struct{ from, to, why string } {
	return []struct{ from, to, why string }{
		{"ike", "dataplane", "the state machine says what SAs there are, it does not know who uses them"},
		{"ike", "net/http", "the state machine has no sockets"},
		{"ike", "nest", "a layer's IKE must not know that it is a layer"},
		{"esp", "sa", "bytes to bytes: keys, counters and windows are the caller's"},
		{"policy", "nest", "a rule is matched without knowing what is built from it"},
		{"nest", "ike", "nest orders establishments, the node has them performed"},
		{"dataplane", "config", "the dataplane sees one view, never a file"},
		{"dataplane", "ike", "IKE packets are handed over as bytes"},
		{"control", "node", "the node is a Backend to it, so that fakes can be one too"},
		{"lab", "node", "the lab runs daemons as a user would, through their command"},
	}
}

type listed struct {
	ImportPath    string
	Dir           string
	Imports, Deps []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,Deps", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestArrows holds the imports to the order of the design: packages may only
// use those that were there before them.
func TestArrows(t *testing.T) {
	allowed := arrows()
	for _, p := range listPackages(t) {
		name, ours := strings.CutPrefix(p.ImportPath, "warren/")
		if !ours || strings.HasPrefix(name, "cmd/") {
			continue // a command may use everything
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("%s: no arrows are drawn for it", name)
			continue
		}
		for _, imp := range p.Imports {
			if to, ok := strings.CutPrefix(imp, "warren/"); ok && !slices.Contains(may, to) {
				t.Errorf("%s imports %s: only %v may be under it", name, to, may)
			}
		}
		for _, f := range forbidden() {
			if name == f.from && (slices.Contains(p.Deps, "warren/"+f.to) || slices.Contains(p.Deps, f.to)) {
				t.Errorf("%s reaches %s: %s", name, f.to, f.why)
			}
		}
	}
}

// TestNoPackageState refuses init functions, package-level variables that are
// assigned to, and those that are made to be changed (channels, locks, atomics).
func TestNoPackageState(t *testing.T) {
	set := token.NewFileSet()
	for _, files := range sources(t, set) {
		uses := resolve(set, files)
		for _, f := range files {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						t.Errorf("%s: init function", set.Position(d.Pos()))
					}
					for _, id := range assigned(d) {
						if v := uses[id]; v != nil && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
							t.Errorf("%s: package variable %s is assigned to", set.Position(id.Pos()), id.Name)
						}
					}
				case *ast.GenDecl:
					for _, name := range changeable(d) {
						t.Errorf("%s: package variable %s holds state", set.Position(name.Pos()), name.Name)
					}
				}
			}
		}
	}
}

// sources parses the module's own files without the tests, by directory.
func sources(t *testing.T, set *token.FileSet) map[string][]*ast.File {
	t.Helper()
	dirs := make(map[string][]*ast.File)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err == nil {
			dirs[filepath.Dir(path)] = append(dirs[filepath.Dir(path)], f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// resolve says what the names of a package stand for. Imports are not loaded:
// what comes from there stays unknown, and what is declared here is known.
func resolve(set *token.FileSet, files []*ast.File) map[*ast.Ident]types.Object {
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Error: func(error) {}}
	conf.Check(files[0].Name.Name, set, files, &info)
	return info.Uses
}

// assigned is the variables at the root of every assignment's left side: x in
// x = 1, x.f = 1, x[i]++ and *x = 1.
func assigned(fn *ast.FuncDecl) []*ast.Ident {
	var ids []*ast.Ident
	add := func(e ast.Expr) {
		if id := root(e); id != nil {
			ids = append(ids, id)
		}
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					add(e)
				}
			}
		case *ast.IncDecStmt:
			add(n.X)
		}
		return true
	})
	return ids
}

func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// changeable lists the variables of a declaration whose type or value is one
// that is there to be changed.
func changeable(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, s := range d.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok || d.Tok != token.VAR || !mutable(spec) {
			continue
		}
		names = append(names, spec.Names...)
	}
	return names
}

func mutable(spec *ast.ValueSpec) (found bool) {
	ast.Inspect(spec, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
				found = true
			}
		case *ast.ChanType:
			found = true
		}
		return !found
	})
	return found
}
