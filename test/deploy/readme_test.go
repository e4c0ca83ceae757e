//go:build real

package deploy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"legation.dev/test/kube"
)

// inReadme are the commands by which README.md installs in a cluster, and what it asks
// when they are done.
var inReadme = regexp.MustCompile("(?s)\n## Install it in a cluster\n.*?\n```sh\n(.*?)\n\n(.*?)```\n")

// block is what README.md wants pasted.
var block = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// mayFind are commands that end with 1 when they find something.
var mayFind = regexp.MustCompile(`legation (problems|explain) `)

// TestReadmePastes: what else README.md wants pasted works, one block after the other in
// one shell, and leaves nothing behind: neither a process nor a file.
func TestReadmePastes(t *testing.T) {
	text, err := os.ReadFile(path(t, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(b[1], "helm install") {
			continue // TestReadmeInstalls
		}
		for line := range strings.Lines(strings.ReplaceAll(b[1], "\\\n", "")) {
			checked(&script, strings.TrimSpace(line))
		}
	}
	s := newShell(t)
	tmp := t.TempDir()
	before := clone(t)
	c := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	c.Dir = path(t)
	// The demo ends by itself here, and makes fewer changes.
	c.Env = append(s.env, "TMPDIR="+tmp, "FOR=1s", "DEMO=-changes 1s")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), failedWord) {
		t.Errorf("%v\n%s\n...%s", err, regexp.MustCompile(failedWord+".*").FindAll(out, -1), out[max(0, len(out)-3000):])
	}
	for _, want := range []string{"Hello from shop/web", "failures                     0", "ClusterDiscoveryService", "SERVING", "ingress/shop.localhost"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing printed %q", want)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left in the temporary folder", err, left)
	}
	if after := clone(t); after != before {
		t.Errorf("files of the clone were\n%s\nand are\n%s", before, after)
	}
}

// failedWord is printed when a command fails.
const failedWord = "COMMAND FAILED"

// checked writes a command, and what tells that it failed.
func checked(to *strings.Builder, line string) {
	code := strings.TrimSpace(regexp.MustCompile(`\s#\s.*$|^#.*$`).ReplaceAllString(line, ""))
	bound := 0
	if mayFind.MatchString(code + " ") {
		bound = 1
	}
	to.WriteString(line + "\n")
	if code != "" && !strings.HasSuffix(code, "&") {
		fmt.Fprintf(to, "status=$?; test $status -le %d || echo %s: $status, line %q\n", bound, failedWord, strings.ReplaceAll(code, "$", ""))
	}
}

// clone are the files of the repository that git has not, but for those that it is to
// ignore.
func clone(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", path(t), "status", "--porcelain", "--untracked-files=all").Output()
	if err != nil {
		t.Skipf("not run: this is no git checkout: %v", err)
	}
	return string(out)
}

// spooled are programs that the commands call and that need what a test has not: each
// writes down what it was told. What kubectl was to apply is applied by us, and what kind
// was to load is loaded into our kubelet.
var spooled = map[string]string{
	"kind": `#!/bin/sh
set -eu
test "$1 $2" = "load image-archive"
cp "$3" "$SPOOL/images.tar"
`,
	"kubectl": `#!/bin/sh
set -eu
test "$1" = apply; shift
while test $# -gt 0; do
	test "$1" = --filename
	case $2 in
	-) cat > "$SPOOL/0.yaml" ;;
	*) cp "$2"/*.yaml "$SPOOL/" ;;
	esac
	shift 2
done
`,
}

// TestReadmeInstalls: three commands of README.md lead from a fresh clone to an Ingress
// that is served, in a cluster that knows only the images that these commands make.
func TestReadmeInstalls(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	before := digests(t)
	d := &deployed{T: t, ctx: t.Context()}
	commands, after := readmeCommands(t)
	s := newShell(t)
	t.Cleanup(func() {
		inCluster(t, "uninstall", "legation", "--namespace", namespace, "--ignore-not-found")
		d.remove(s.applied)
	})
	for _, c := range commands {
		s.paste(d, c)
	}
	if again := digests(t); again != before {
		t.Errorf("the images of the same sources are others:\n%s\n%s", before, again)
	}
	d.awaitAddress("first", kube.NodeAddress(0), kube.NodeAddress(1))
	for _, p := range d.pods("control-plane") {
		d.prints(d.says(p.Name, "version"), versionOf(t))
	}
	_, envoy := imageNames(t)
	for _, p := range d.pods("envoy") {
		if p.Spec.Containers[0].Image != envoy {
			t.Errorf("%s runs %s, want %s", p.Name, p.Spec.Containers[0].Image, envoy)
		}
	}
	asked := regexp.MustCompile(`curl --header 'Host: (.*?)' http://ADDRESS(\S+)`).FindStringSubmatch(after)
	if asked == nil {
		t.Fatalf("README.md asks nothing of the Ingress: %s", after)
	}
	if status, err := d.status(kube.NodeAddress(0)+":80", asked[1], asked[2], ""); err != nil || status != http.StatusOK {
		t.Errorf("the Ingress of README.md answers %d, %v", status, err)
	}
}

// readmeCommands are those that README.md wants pasted, and what it asks when they are
// done.
func readmeCommands(t *testing.T) (commands []string, after string) {
	t.Helper()
	text, err := os.ReadFile(path(t, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := inReadme.FindStringSubmatch(string(text))
	if block == nil {
		t.Fatal("README.md does not install in a cluster")
	}
	commands = strings.Split(strings.ReplaceAll(block[1], "\\\n", ""), "\n")
	if len(commands) != 3 {
		t.Errorf("README.md has %d commands, want 3: %q", len(commands), commands)
	}
	return commands, block[2]
}

// shell is where commands are pasted.
type shell struct {
	env     []string
	spool   string
	applied []kube.Object
}

func newShell(t *testing.T) *shell {
	t.Helper()
	home := t.TempDir()
	s := &shell{spool: filepath.Join(home, "spool")}
	for _, dir := range []string{s.spool, filepath.Join(home, "bin")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range spooled {
		if err := os.WriteFile(filepath.Join(home, "bin", name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(home, "kubeconfig")
	if err := kube.WriteKubeconfig(config, k.REST()); err != nil {
		t.Fatal(err)
	}
	// Version, commit and time of what was built stay, also if there was a commit since; and
	// what is to be tested is not that Debian still has a package.
	commit, seconds := commitOf(t)
	s.env = append(os.Environ(), "KUBECONFIG="+config, "SPOOL="+s.spool, "VERSION="+versionOf(t), "REVISION="+commit, "SOURCE_DATE_EPOCH="+seconds, "UNPINNED=1",
		"PATH="+filepath.Join(home, "bin")+":"+path(t, ".tools", "bin")+":"+os.Getenv("PATH"))
	return s
}

// commitOf is the commit of the images in out/, and its time.
func commitOf(t *testing.T) (commit, seconds string) {
	t.Helper()
	text, err := os.ReadFile(path(t, "out", "values.yaml"))
	if err != nil {
		t.Fatalf("%v: run `make images`", err)
	}
	found := regexp.MustCompile(`of the commit (\S*) of SOURCE_DATE_EPOCH=(\d+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("out/values.yaml names no commit: run `make images`")
	}
	return string(found[1]), string(found[2])
}

// paste runs a command, and does what those programs were told.
func (s *shell) paste(d *deployed, command string) {
	d.Helper()
	c := exec.CommandContext(d.ctx, "sh", "-euc", command)
	c.Dir, c.Env = path(d.T), s.env
	out, err := c.CombinedOutput()
	d.Logf("$ %s\n%s", command, out)
	if err != nil {
		d.Fatal(err)
	}
	files, err := os.ReadDir(s.spool)
	if err != nil {
		d.Fatal(err)
	}
	for _, f := range files {
		at := filepath.Join(s.spool, f.Name())
		if f.Name() == built {
			if _, err := k.Load(at); err != nil {
				d.Fatal(err)
			}
		} else {
			objects, err := kube.Manifests(at)
			if err != nil {
				d.Fatal(err)
			}
			d.apply(objects...)
			s.applied = append(s.applied, objects...)
		}
		if err := os.Remove(at); err != nil {
			d.Fatal(err)
		}
	}
}

// digests are those of the images in out/.
func digests(t *testing.T) string {
	t.Helper()
	var all []string
	for _, image := range []string{"legation", "envoy"} {
		text, err := os.ReadFile(path(t, "out", "images", image, "index.json"))
		if err != nil {
			t.Fatalf("%v: run `make images`", err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, "\n")
}
