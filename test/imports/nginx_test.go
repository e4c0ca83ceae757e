package imports

import (
	"go/ast"
	"strings"
	"testing"
)

// mayNameNginx are the folders whose identifiers and strings may have the word nginx, and
// why. Comments may have it anywhere: they say what is compared.
var mayNameNginx = map[string]string{
	"translator/lower/nginx":   "the dialect",
	"translator/lower/foreign": "names of other controllers",
	"translator/lower/ingress": "it asks the dialect",
	"translator/finding":       "texts for operators",
	"translator/policy":        "texts for operators, and the server of that name as a preset",
	"translator/worlds":        "random annotations, and that preset",
}

// TestNginx: what ingress-nginx calls things is known in one place. The model, what is
// rendered of it and the xDS side have words of their own.
func TestNginx(t *testing.T) {
	seen := map[string]bool{}
	parsed(t, []string{"controller", "inspect", "object", "pmap", "state", "translator", "watcher", "xds"}, func(folder string, n ast.Node) {
		word := ""
		switch n := n.(type) {
		case *ast.Ident:
			word = n.Name
		case *ast.BasicLit:
			word = n.Value
		}
		if !strings.Contains(strings.ToLower(word), "nginx") {
			return
		}
		seen[folder] = true
		if mayNameNginx[folder] == "" {
			t.Errorf("%s has %s: what that means belongs to translator/lower/nginx", folder, word)
		}
	})
	for folder := range mayNameNginx {
		if !seen[folder] {
			t.Errorf("%s has no such word any more: take it out of the table", folder)
		}
	}
}
