// Package docs looks at the pages of the project: links and paths in them must lead
// somewhere, lists of packages and folders must be complete, and what is told of
// earlier commits must be what git says. It has tests only.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]+))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// unanchored is what GitHub leaves out of a heading to make its anchor.
	unanchored = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// pages are all Markdown files of the project.
func pages(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // what was fetched
		}
		if filepath.Ext(path) == ".md" {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hasAnchor reports whether a page has a heading of that anchor.
func hasAnchor(page, anchor string) bool {
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		if strings.ReplaceAll(unanchored.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestLinks: each link between pages, and into the project, leads to a file, and to
// a heading that it has.
func TestLinks(t *testing.T) {
	looked := 0
	for _, page := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(l[1], "://") || strings.HasPrefix(l[1], "mailto:") {
				continue
			}
			looked++
			target := page
			if l[1] != "" {
				target = filepath.Join(filepath.Dir(page), l[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", page, l[0])
			} else if l[2] != "" && !hasAnchor(read(t, target), l[2]) {
				t.Errorf("%s: %s has no heading %q", page, l[0], l[2])
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d links were looked at", looked)
	}
}
