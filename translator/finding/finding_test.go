package finding

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/problems.md")

// problemsPage is generated from the table.
const problemsPage = "../../docs/problems.md"

// TestPage: the page is what the table gives.
func TestPage(t *testing.T) {
	want := Markdown()
	if *update {
		if err := os.WriteFile(problemsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(problemsPage)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v): run make golden", problemsPage, err)
	}
}

// TestTable: every row says all that people must know, and every code is used in
// what is shipped, outside this package.
func TestTable(t *testing.T) {
	camel := regexp.MustCompile(`^([A-Z]+[a-z]*)+$`) // as reasons of Events are
	seen := map[Code]bool{}
	for _, r := range Table() {
		if !camel.MatchString(string(r.Code)) || r.Severity == "" || r.Text == "" || r.Page == "" || r.Do == "" {
			t.Errorf("the row of %q is not whole: %+v", r.Code, r)
		}
		if seen[r.Code] {
			t.Errorf("%s is there twice", r.Code)
		}
		seen[r.Code] = true
	}
	text, err := exec.CommandContext(t.Context(), "grep", "-rhoE", `finding\.[A-Z][A-Za-z]+\b`, "--include=*.go", "--exclude=*_test.go",
		"../../translator", "../../controller", "../../watcher", "../../cmd").Output()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		used[strings.TrimPrefix(strings.TrimSpace(line), "finding.")] = true
	}
	for code := range seen {
		if !used[string(code)] {
			t.Errorf("nothing is ever told as %s", code)
		}
	}
}
