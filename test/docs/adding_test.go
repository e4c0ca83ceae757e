package docs

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the examples of docs/adding.md")

const adding = root + "/docs/adding.md"

// examples are commits that added something, by their subjects: hashes do not
// survive a rebase.
var examples = []struct{ what, subject string }{
	{"a setting of the listeners", "translator/policy: drain-upgrades, what becomes of WebSockets in a drain"},
	{"a setting of the listeners", "translator: trusted-hops"},
	{"a setting of clusters", "translator, xds/bootstrap: same-zone-endpoints; docs: connections to endpoints"},
	{"a setting of routes, and a filter", "translator: max-request-body, 413 beyond it; counted, not buffered"},
	{"annotations, not honoured", "translator: a TLS section counts for hosts with a rule, a canary is withheld, a value that keeps nobody out closes nothing"},
	{"a finding", "translator: slices without the port of their Service are a Problem, and a Service without selector and slices"},
	{"a finding that time makes", "translator: a certificate that nobody renews is a Problem before it ends, and a metric says when the first ends"},
}

// between is where the examples stand in the page.
var between = regexp.MustCompile(`(?s)(<!-- examples -->\n)(.*)(<!-- /examples -->)`)

// TestExamples: the examples of docs/adding.md are what git says of these commits.
func TestExamples(t *testing.T) {
	commits := history(t)
	var b strings.Builder
	b.WriteString("| what | commit | files, with lines added and removed |\n|---|---|---|\n")
	for _, e := range examples {
		hash, ok := commits[e.subject]
		if !ok {
			t.Fatalf("no commit has the subject %q", e.subject)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.what, e.subject, touched(t, hash))
	}
	page := read(t, adding)
	parts := between.FindStringSubmatch(page)
	if parts == nil {
		t.Fatalf("%s has no place for examples", adding)
	}
	switch {
	case parts[2] == b.String():
	case *update:
		page = strings.Replace(page, parts[0], parts[1]+b.String()+parts[3], 1)
		if err := os.WriteFile(adding, []byte(page), 0o666); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: run with -update; want\n%s", adding, b.String())
	}
}

// history is the hash of each commit by its subject. Without the whole history,
// as in an archive or a shallow clone, nothing can be compared.
func history(t *testing.T) map[string]string {
	t.Helper()
	top, err := exec.CommandContext(t.Context(), "git", "-C", root, "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Skipf("not run: %s is no git checkout, or there is no git: %v", root, err)
	}
	if here, err := os.Stat(root); err != nil {
		t.Fatal(err)
	} else if there, err := os.Stat(strings.TrimSpace(string(top))); err != nil || !os.SameFile(here, there) {
		t.Skipf("not run: %s lies in another repository, %s", root, top)
	}
	if git(t, "rev-parse", "--is-shallow-repository") != "false\n" {
		t.Skip("not run: the checkout is shallow, earlier commits are not there (git fetch --unshallow)")
	}
	commits := map[string]string{}
	for line := range strings.Lines(git(t, "log", "--format=%H %s")) {
		hash, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		commits[subject] = hash
	}
	return commits
}

// touched are the files of a commit: "CHANGELOG.md +1, translator/hcm.go +11 -1".
func touched(t *testing.T, hash string) string {
	t.Helper()
	var files []string
	for line := range strings.Lines(git(t, "show", "--numstat", "--no-renames", "--format=", hash)) {
		added, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		removed, name, _ := strings.Cut(rest, "\t")
		text := name + " +" + added
		if removed != "0" {
			text += " -" + removed
		}
		files = append(files, text)
	}
	return fmt.Sprintf("%d: %s", len(files), strings.Join(files, ", "))
}

// git answers one question. The settings of whoever runs the test play no part.
func git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "core.quotePath=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

// checked are the pages in which every path of the project must exist.
var checked = []string{
	"CONTRIBUTING.md", "SECURITY.md", "test/README.md", "docs/adding.md", "docs/architecture.md", "docs/glossary.md", "docs/libraries.md",
}

var (
	code = regexp.MustCompile("`([^`\\s]+)`")
	// fenced is what stands between lines of three backticks.
	fenced = regexp.MustCompile("(?ms)^```.*?^```$")
)

// TestPaths: files and folders that these pages name exist. What is a path is what
// begins with a folder at the top of the project.
func TestPaths(t *testing.T) {
	for _, page := range checked {
		text := between.ReplaceAllString(read(t, filepath.Join(root, page)), "")
		looked := 0
		for _, m := range code.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if !ours(m[1]) {
				continue
			}
			looked++
			if found, err := filepath.Glob(filepath.Join(root, m[1])); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
		t.Logf("%s: %d paths", page, looked)
	}
}

// ours reports whether a text of a page is a path of the project.
func ours(text string) bool {
	top, _, nested := strings.Cut(text, "/")
	if !nested {
		return false
	}
	switch top {
	case "cmd", "controller", "deploy", "docs", "drain", "examples", "inspect", "object", "pmap", "test", "translator", "watcher", "xds":
		return true
	}
	return false
}
