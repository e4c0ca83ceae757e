package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/translator/finding"
)

// used are the names that our code, other than tests, takes from package finding.
func used(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, name := range productFiles(t) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if from, ok := s.X.(*ast.Ident); ok && from.Name == "finding" {
					names[s.Sel.Name] = true
				}
			}
			return true
		})
	}
	return names
}

// TestCodes: each kind of Problem is told by somebody, and the page that explains it
// is there.
func TestCodes(t *testing.T) {
	names, seen := used(t), map[finding.Code]bool{}
	for _, r := range finding.Table() {
		if seen[r.Code] {
			t.Errorf("%s has two rows", r.Code)
		}
		seen[r.Code] = true
		if !names[string(r.Code)] {
			t.Errorf("no code makes a Problem of code %s", r.Code)
		}
		page, anchor, _ := strings.Cut(r.Page, "#")
		path := filepath.Join(root, "docs", page)
		if _, err := os.Stat(path); page == "" || err != nil {
			t.Errorf("%s: its page %q is not there", r.Code, r.Page)
		} else if anchor != "" && !hasAnchor(read(t, path), anchor) {
			t.Errorf("%s: %s has no heading %q", r.Code, page, anchor)
		}
	}
}
