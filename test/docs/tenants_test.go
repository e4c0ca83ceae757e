package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTenants: each line of the table of what one namespace can do to another names tests
// that there are.
func TestTenants(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n### What the owner of a namespace can do to another one\n")
	table, _, _ = strings.Cut(table, "\nWhat holds in full:\n")
	lines := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 8 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "can") {
			continue
		}
		lines++
		for name := range strings.SplitSeq(cells[6], ",") {
			if name = strings.TrimSpace(name); !exists(t, name) {
				t.Errorf("%q, of the line that begins with %q: there is no such test", name, strings.TrimSpace(cells[1]))
			}
		}
	}
	if lines < 15 {
		t.Errorf("%d lines", lines)
	}
}

// exists reports whether there is a test "package.TestName", or a "scenario NAME".
func exists(t *testing.T, name string) bool {
	t.Helper()
	if scenario, ok := strings.CutPrefix(name, "scenario "); ok {
		_, err := os.Stat("../../translator/testdata/" + scenario + ".txtar")
		return err == nil
	}
	folder, test, ok := strings.Cut(name, ".")
	if !ok {
		return false
	}
	for _, pattern := range []string{"../../test/" + folder, "../../" + folder, "../../*/" + folder} {
		files, err := filepath.Glob(pattern + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if regexp.MustCompile(`(?m)^func ` + test + `\(`).Match(text) {
				return true
			}
		}
	}
	return false
}
