package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tourLine is a line of the tour: a folder, then what it is for.
var tourLine = regexp.MustCompile(`(?m)^([a-z][a-z0-9/-]*)/ +(\S.*)$`)

// TestTour: each folder in the tour of docs/architecture.md exists, and each package
// of the product is in it, on a line of its own or named on that of the folder above it.
func TestTour(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, root+"/docs/architecture.md"), "```\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/architecture.md has no tour")
	}
	told := map[string]string{} // by folder
	for _, l := range tourLine.FindAllStringSubmatch(block, -1) {
		told[l[1]] = l[2]
		if info, err := os.Stat(filepath.Join(root, l[1])); err != nil || !info.IsDir() {
			t.Errorf("the tour has %s, which is no folder", l[1])
		}
	}
	packages := productPackages(t)
	for folder := range packages {
		named := strings.Contains(told[filepath.Dir(folder)], filepath.Base(folder))
		if told[folder] == "" && !named {
			t.Errorf("%s is not in the tour", folder)
		}
	}
	if len(packages) < 30 {
		t.Errorf("only %d packages were looked at", len(packages))
	}
}

// productPackages are the folders with Go files that are no tests' own.
func productPackages(t *testing.T) map[string]bool {
	t.Helper()
	folders := map[string]bool{}
	for _, name := range productFiles(t) {
		folders[filepath.ToSlash(filepath.Dir(name))] = true
	}
	return folders
}

// productFiles are the Go files, below root, that are no tests and not test's own.
func productFiles(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "test" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
