package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPorts: the page on security has each port of the rendered chart, and no other.
func TestPorts(t *testing.T) {
	chart, err := os.ReadFile("../../deploy/manifests/legation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`\{name: ([a-z-]+), containerPort: (\d+)`).FindAllStringSubmatch(string(chart), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	_, table, _ := strings.Cut(string(page), "\n## Ports\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, m := range regexp.MustCompile(`[ ,]([a-z-]+ \d+)`).FindAllStringSubmatch(table, -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if want = slices.Compact(want); len(want) < 7 || !slices.Equal(got, want) {
		t.Errorf("the page has %q, the chart %q", got, want)
	}
}
