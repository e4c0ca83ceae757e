package docs

import (
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/translator/finding"
)

// TestPagesOfFindings: the page that explains a finding exists, and has the heading.
func TestPagesOfFindings(t *testing.T) {
	for _, row := range finding.Table() {
		page, anchor, _ := strings.Cut(row.Page, "#")
		text := read(t, filepath.Join(root, "docs", page))
		if anchor != "" && !hasAnchor(text, anchor) {
			t.Errorf("%s: docs/%s has no heading %q", row.Code, page, anchor)
		}
	}
}
