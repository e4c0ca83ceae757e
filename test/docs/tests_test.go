package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFolders: each folder of tests stands in test/README.md once, in a row of a
// table.
func TestFolders(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root, "test"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{} // by folder
	for line := range strings.Lines(read(t, filepath.Join(root, "test", "README.md"))) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, l := range link.FindAllStringSubmatch(line, -1) {
			rows[l[1]]++
		}
	}
	looked := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		looked++
		if n := rows[e.Name()]; n != 1 {
			t.Errorf("test/%s stands in %d rows of test/README.md, want 1", e.Name(), n)
		}
	}
	if looked < 20 {
		t.Errorf("only %d folders were looked at", looked)
	}
}
