//go:build real

package trials

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	run    = flag.Bool("run-patches", false, "build what each patch makes, and run its tests")
	update = flag.Bool("update", false, "merge each patch into the last commit, and write it anew")
)

// trials are the patches, what they may not touch, and what they test.
var trials = []struct {
	patch      string
	untouched  []string
	test, real []string
}{
	{"httproute.patch", []string{"translator/route/", "translator/render/", "xds/"},
		[]string{"./translator/lower/...", "./translator/input", "./translator/route", "./test/imports"}, []string{"./test/gateway"}},
}

// command runs a command in a folder, and fails with what it says.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// checkout is a copy of the last commit, with the tools of this one.
func checkout(t *testing.T, root string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	command(t, root, "git", "worktree", "add", "--quiet", "--detach", dir, "HEAD")
	t.Cleanup(func() {
		if out, err := exec.Command("git", "-C", root, "worktree", "remove", "--force", dir).CombinedOutput(); err != nil {
			t.Errorf("the copy stays: %v\n%s", err, out)
		}
	})
	if err := os.Symlink(filepath.Join(root, ".tools"), filepath.Join(dir, ".tools")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPatches: each one applies, and leaves alone what it proves to be general.
func TestPatches(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range trials {
		t.Run(c.patch, func(t *testing.T) {
			dir, patch := checkout(t, root), filepath.Join(root, "docs/trials", c.patch)
			if *update {
				command(t, dir, "git", "apply", "--3way", patch)
				rewrite(t, dir, patch)
			} else {
				command(t, dir, "git", "apply", "--index", patch)
			}
			for file := range strings.FieldsSeq(command(t, dir, "git", "diff", "--cached", "--name-only", "HEAD")) {
				for _, prefix := range c.untouched {
					if strings.HasPrefix(file, prefix) {
						t.Errorf("the patch touches %s", file)
					}
				}
			}
			if *run {
				command(t, dir, "go", "build", "./...")
				t.Log(command(t, dir, "go", append([]string{"test"}, c.test...)...))
				t.Log(command(t, dir, "go", append([]string{"test", "-tags", "real", "-count=1"}, c.real...)...))
			}
		})
	}
}

// rewrite writes a patch that was merged.
func rewrite(t *testing.T, dir, patch string) {
	t.Helper()
	if err := os.WriteFile(patch, []byte(command(t, dir, "git", "diff", "--cached", "HEAD")), 0o644); err != nil {
		t.Fatal(err)
	}
}
