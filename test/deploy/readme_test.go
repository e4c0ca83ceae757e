//go:build real

package deploy

import (
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
	// The version of what was built stays, also if a file is changed meanwhile; and what is
	// to be tested is not that Debian still has a package.
	s.env = append(os.Environ(), "KUBECONFIG="+config, "SPOOL="+s.spool, "VERSION="+versionOf(t), "UNPINNED=1",
		"PATH="+filepath.Join(home, "bin")+":"+path(t, ".tools", "bin")+":"+os.Getenv("PATH"))
	return s
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
