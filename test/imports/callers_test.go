package imports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// callers are the only places that may call a function: where one would do its work
// a second time.
var callers = []struct {
	pkg, function string
	from          []string // folders
	reason        string
}{
	{"policy", "OfIngress", []string{"translator/lower/ingress", "translator/worlds"}, "annotations are parsed once per change, by lowering"},
	{"policy", "OfService", []string{"translator/lower/service"}, "annotations are parsed once per change, by lowering"},
	{"policy", "OfClass", []string{"translator/lower/nginx", "translator/lower/settings"}, "settings are parsed once per change, by lowering"},
	{"ingress", "Lower", []string{"translator/lower"}, "an object is lowered where its kind is known"},
	{"service", "Lower", []string{"translator/lower"}, "an object is lowered where its kind is known"},
	{"settings", "Lower", []string{"translator/lower"}, "an object is lowered where its kind is known"},
	{"secret", "Lower", []string{"translator/lower"}, "a certificate is parsed where it is read, not for each host and pass"},
	{"lower", "Object", nil, "sources use Put and Manifests"},
	{"lower", "Put", []string{"inspect", "inspect/compare", "watcher/kube", "translator/worlds"}, "a source lowers what it reads, and nobody lowers again; compare and a plan lower what an object would be"},
	{"lower", "Stored", []string{"state"}, "what an earlier process has reduced is lowered when it is read again"},
	{"lower", "Manifests", []string{"inspect", "watcher/dir"}, "a source lowers what it reads, and nobody lowers again"},
}

// TestCallers: each function of callers is called from there, and from nowhere else
// in what is shipped.
func TestCallers(t *testing.T) {
	seen := map[string][]string{} // by "package.function": folders
	parsed(t, []string{"cmd", "drain", "inspect", "controller", "state", "translator", "watcher", "xds"}, func(folder string, n ast.Node) {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				name := x.Name + "." + s.Sel.Name
				seen[name] = append(seen[name], folder)
			}
		}
	})
	for _, c := range callers {
		name := c.pkg + "." + c.function
		for _, folder := range seen[name] {
			if !slices.Contains(c.from, folder) {
				t.Errorf("%s uses %s, which only %v may: %s", folder, name, c.from, c.reason)
			}
		}
		for _, folder := range c.from {
			if !slices.Contains(seen[name], folder) {
				t.Errorf("%s does not use %s any more: take it out of the table", folder, name)
			}
		}
	}
}

// parsed calls look for each node of what is shipped below some folders.
func parsed(t *testing.T, tops []string, look func(folder string, n ast.Node)) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return ignoreMissing(err)
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			folder, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				look(filepath.ToSlash(folder), n)
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func ignoreMissing(err error) error {
	if err != nil && strings.Contains(err.Error(), "no such file") {
		return nil
	}
	return err
}
