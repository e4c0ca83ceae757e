package docs

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// faults are the rows that have to be in test/rows.md.
func faults() (list []string) {
	for prefix, names := range map[string]string{"T-": "A1 A2 A3 A4 R1 R2 R3 R4 L1", "B-": "F1 S F2 F3 F4 F5 F6 F7 C1 E1", "": "K1 K2 K3 K4 K5 K6 K7 K8 K9 D1 D2 D3 D4 D5 D6 D7 D8"} {
		for name := range strings.FieldsSeq(names) {
			list = append(list, prefix+name)
		}
	}
	return list
}

// TestRows: each fault has tests that there are, and one that is shown of both sources has its
// objects among the rows that are read of both.
func TestRows(t *testing.T) {
	files := map[string]bool{} // whether it stands in the table
	for _, f := range match(t, filepath.Join(root, "test", "source", "testdata", "rows", "*.txtar")) {
		files[strings.TrimSuffix(filepath.Base(f), ".txtar")] = false
	}
	left := faults()
	for line := range strings.Lines(read(t, filepath.Join(root, "test", "rows.md"))) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.Contains(cells[1], "---") || strings.TrimSpace(cells[1]) == "row" {
			continue
		}
		row, source := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[3])
		left = slices.DeleteFunc(left, func(name string) bool { return name == row })
		read := false
		for name := range strings.SplitSeq(cells[4], ",") {
			name = strings.TrimSpace(name)
			if file, ok := strings.CutPrefix(name, "row "); ok {
				_, there := files[file]
				files[file], read = true, there
				name = "source.TestRows"
			}
			if !exists(t, name) {
				t.Errorf("row %s: there is no %s", row, name)
			}
		}
		if read != (source == "both") || !slices.Contains([]string{"both", "API server", "none"}, source) {
			t.Errorf("row %s: of %q, and with a row of both sources: %v", row, source, read)
		}
	}
	for name, named := range files {
		if !named {
			t.Errorf("row %s of test/source is not in the table", name)
		}
	}
	if len(left) > 0 {
		t.Errorf("not in the table: %q", left)
	}
}

func match(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}
