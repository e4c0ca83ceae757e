package finding

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/problems.md")

// problemsPage is generated from the table.
const problemsPage = "../../docs/problems.md"

// TestTable: every row says all that people must know of a code.
func TestTable(t *testing.T) {
	for _, r := range Table() {
		if r.Code == "" || r.Text == "" || r.Page == "" || !strings.HasSuffix(r.Do, ".") && !strings.HasSuffix(r.Do, ".)") {
			t.Errorf("%+v is not complete", r)
		}
		if r.Severity != Error && r.Severity != Warning && r.Severity != Info {
			t.Errorf("%s: severity %q", r.Code, r.Severity)
		}
	}
	if got, want := (Row{Text: "%s has 100%% of %v"}).says(), "... has 100% of ..."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMarkdown holds docs/problems.md against the table.
func TestMarkdown(t *testing.T) {
	if *update {
		if err := os.WriteFile(problemsPage, []byte(Markdown()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(problemsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != Markdown() {
		t.Errorf("%s is not what the table says: run go test ./translator/finding -update", problemsPage)
	}
}
