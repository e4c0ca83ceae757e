// Package style holds how long a function may be, and that none is left over. It has
// tests only.
package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// budget is how many lines a function of the product may have, with its first and
	// its last.
	budget = 40
	// most is how many a function of a test may have: often it is a table.
	most = 80
)

// longer are functions above the budget, as "file function", and how many lines each
// has. The table may only shrink: whoever shortens a function lowers its number, or
// takes it out; nobody adds one.
var longer = map[string]int{
	"cmd/legation/serve.go serveCommand": 59,
	"cmd/legation/serving.go run":        42,
}

func TestFunctionLength(t *testing.T) {
	found := map[string]bool{}
	for name, lines := range functions(t) {
		allowed, excepted := longer[name]
		found[name] = excepted
		switch {
		case isTest(name) && lines > most:
			t.Errorf("%s has %d lines; %d are the most", name, lines, most)
		case isTest(name):
		case lines > max(budget, allowed):
			t.Errorf("%s has %d lines, and may have %d: take it apart", name, lines, max(budget, allowed))
		case excepted && lines < allowed:
			t.Errorf("%s has %d lines now: lower its number in the table, or take it out if that is within the budget", name, lines)
		}
	}
	for name := range longer {
		if !found[name] {
			t.Errorf("%s is in the table and nowhere else: take it out", name)
		}
	}
}

// isTest reports whether a function is of a test, or of what only tests run.
func isTest(name string) bool {
	return strings.HasPrefix(name, "test/") || strings.Contains(name, "_test.go")
}

// source is a file that people wrote.
type source struct {
	*ast.File
	set *token.FileSet
}

// files are all Go files of this repository that people wrote, by path.
func files(t *testing.T) map[string]source {
	t.Helper()
	root, all := filepath.Join("..", ".."), map[string]source{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err == nil && !ast.IsGenerated(f) {
			all[filepath.ToSlash(name)] = source{f, set}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// functions are all functions, as "file function", with their lines. Of two methods
// with one name in a file it is the longer.
func functions(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for name, f := range files(t) {
		f.lengths(name, all)
	}
	if len(all) < 1000 {
		t.Fatalf("%d functions are not all of them", len(all))
	}
	return all
}

// lengths adds the functions of one file.
func (f source) lengths(name string, all map[string]int) {
	line := func(p token.Pos) int { return f.set.Position(p).Line }
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			key := name + " " + fn.Name.Name
			all[key] = max(all[key], line(fn.End())-line(fn.Pos())+1)
		}
	}
}
