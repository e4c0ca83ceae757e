//go:build real

package nginx

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	page = "../../docs/differences.md"
	// The list stands in the page between these lines.
	pageBegins = "<!-- from test/nginx/differences.go, by go test -tags real ./test/nginx -run TestPage -update -->\n"
	pageEnds   = "<!-- end -->\n"
	// mostDifferences: more than that nobody reads before a move.
	mostDifferences = 25
)

// TestPage: docs/differences.md has the list of what is known to differ.
func TestPage(t *testing.T) {
	if len(Differences) > mostDifferences {
		t.Errorf("%d differences, want at most %d", len(Differences), mostDifferences)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), pageBegins)
	old, after, ends := strings.Cut(rest, pageEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the list", page)
	}
	switch list := rendered(); {
	case old == list:
	case *update:
		if err := os.WriteFile(page, []byte(before+pageBegins+list+pageEnds+after), 0o644); err != nil {
			t.Error(err)
		}
	default:
		t.Errorf("%s has not what the list says: -update writes it", page)
	}
}

// rendered is the list as the page has it.
func rendered() string {
	text := "| | ingress-nginx | Legation | why |\n|---|---|---|---|\n"
	for _, d := range Differences {
		text += fmt.Sprintf("| %s | %s | %s | %s |\n", d.What, d.Theirs, d.Ours, d.Why)
	}
	return text
}
