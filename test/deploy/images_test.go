//go:build real

package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"legation.dev/test/kube"
)

// built is what `make images` writes.
const built = "images.tar"

// imageNames are those of out/values.yaml, as the chart puts them together.
func imageNames(t *testing.T) (legation, envoy string) {
	t.Helper()
	text, err := os.ReadFile(path(t, "out", "values.yaml"))
	if err != nil {
		t.Fatalf("%v: run `make images`", err)
	}
	type image struct{ Repository, Tag string }
	var values struct {
		Image image
		Envoy struct{ Image image }
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	return values.Image.Repository + ":" + values.Image.Tag, values.Envoy.Image.Repository + ":" + values.Envoy.Image.Tag
}

// loaded are the images of `make images`, of which pods are run from now on.
func loaded(t *testing.T) map[string]kube.Image {
	t.Helper()
	all, err := k.Load(path(t, "out", built))
	if err != nil {
		t.Fatalf("%v: run `make images`", err)
	}
	return all
}

// TestImages: what the images say of themselves, and have in them beside programs.
func TestImages(t *testing.T) {
	legation, envoy := imageNames(t)
	all := loaded(t)
	for name, parts := range map[string][]string{
		legation: {"stdlib@", "k8s.io/client-go@", "google.golang.org/grpc@"},
		envoy:    {"stdlib@", "pkg:github/envoyproxy/envoy@", "pkg:deb/debian/libc6@"},
	} {
		i, ok := all[name]
		if !ok {
			t.Fatalf("the archive has no %s", name)
		}
		short := regexp.MustCompile(`.*/|:.*`).ReplaceAllString(name, "")
		if i.Config.User != "65532:65532" || len(i.Config.Entrypoint) == 0 || len(i.Config.Cmd) == 0 {
			t.Errorf("%s: %+v", name, i.Config)
		}
		for _, label := range []string{"title", "description", "licenses", "version", "revision", "created", "vendor", "url"} {
			if _, ok := i.Config.Labels["org.opencontainers.image."+label]; !ok {
				t.Errorf("%s has no label %s", name, label)
			}
		}
		list, err := os.ReadFile(filepath.Join(i.Root, "usr", "share", "sbom", short+".cdx.json"))
		if err != nil {
			t.Error(err)
		}
		for _, p := range parts {
			if !bytes.Contains(list, []byte(p)) {
				t.Errorf("%s: its list of parts has no %s", name, p)
			}
		}
		licensed(t, i.Root, list)
		plain(t, i.Root)
	}
}

// module is one in a list of parts.
var module = regexp.MustCompile(`"purl": "pkg:golang/([^"]+)"`)

// licensed: for each module there is a licence.
func licensed(t *testing.T, root string, list []byte) {
	t.Helper()
	all := module.FindAllSubmatch(list, -1)
	for _, m := range all {
		if texts, err := filepath.Glob(filepath.Join(root, "usr", "share", "licenses", string(m[1]), "*")); err != nil || len(texts) == 0 {
			t.Errorf("no licence of %s", m[1])
		}
	}
	if len(all) < 10 {
		t.Errorf("%d modules are not all", len(all))
	}
}

// plain: nothing in an image gives rights, and nobody but root can change it, but what
// is for that.
func plain(t *testing.T, root string) {
	t.Helper()
	err := filepath.Walk(root, func(at string, info os.FileInfo, err error) error {
		if err != nil || info.Mode()&os.ModeSymlink != 0 {
			return err
		}
		name, err := filepath.Rel(root, at)
		if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 || info.Mode().Perm()&0o022 != 0 && name != "tmp" {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// standalone is a folder of manifests without a backend.
const standalone = `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: legation}
spec: {controller: legation.dev/ingress-controller, parameters: {kind: ConfigMap, name: legation, namespace: shop, scope: Namespace}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: legation, namespace: shop}
data: {bind-addresses: 0.0.0.0, http-port: "10080", https-port: "10443"}
`

// TestImagesAlone: each image runs by what it says itself, its entry point, command and
// user, on a file system that cannot be written: an Envoy of one is configured by a
// control plane of the other.
func TestImagesAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	legation, envoy := imageNames(t)
	loaded(t)
	ns := k.Namespace(t)
	d := &deployed{T: t, ctx: t.Context()}
	yes := true
	only := &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}
	config := corev1.VolumeMount{Name: "config", MountPath: "/etc/envoy"}
	d.apply(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "manifests"}, Data: map[string]string{"class.yaml": standalone}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "alone"}, Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "bootstrap", Image: legation, SecurityContext: only, VolumeMounts: []corev1.VolumeMount{config},
				Args: []string{"bootstrap", "--file=/etc/envoy/envoy.yaml"}}},
			Containers: []corev1.Container{
				{Name: "legation", Image: legation, SecurityContext: only, Args: []string{"serve", "--source=dir:/manifests"},
					VolumeMounts: []corev1.VolumeMount{{Name: "manifests", MountPath: "/manifests"}}},
				{Name: "envoy", Image: envoy, SecurityContext: only, VolumeMounts: []corev1.VolumeMount{config, {Name: "run", MountPath: "/run/legation"}}},
			},
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				{Name: "run", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				{Name: "manifests", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "manifests"}}}}},
		}})
	d.answers(ns, "alone", "10080", http.StatusNotFound)
	for program, arg := range map[string]string{"/usr/local/bin/legation": "serve", "/usr/local/bin/shutdown-manager": "run", "envoy": "--config-path"} {
		as(t, program, arg)
	}
}

// answers waits until a port of a pod answers with a status.
func (d *deployed) answers(ns, pod, port string, want int) {
	d.Helper()
	err := kube.Await(d.ctx, k.Client().CoreV1().Pods(ns), func(all []*corev1.Pod) error {
		for _, p := range all {
			if p.Name == pod && p.Status.PodIP != "" {
				address := net.JoinHostPort(p.Status.PodIP, port)
				d.until(func() error {
					if status, err := d.status(address, "nobody.test", "/", ""); err != nil || status != want {
						return fmt.Errorf("%s answers %d, %v, want %d\n%s", pod, status, err, want, k.Pods(d.ctx, ns))
					}
					return nil
				})
				return nil
			}
		}
		return errors.New("the pod has no address")
	})
	if err != nil {
		d.Fatal(err)
	}
}

// as wants a process of a pod, by its first words, to be nobody, and its root one of the
// images that cannot be written.
func as(t *testing.T, words ...string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		line, _ := os.ReadFile(file) // it may have ended
		if !bytes.HasPrefix(line, []byte(strings.Join(words, "\x00"))) {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		mounts, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "mounts"))
		if root := regexp.MustCompile(`(?m)^overlay / overlay (\S+)`).FindSubmatch(mounts); root == nil {
			continue // it is another test's
		} else if !slices.Contains(strings.Split(string(root[1]), ","), "ro") {
			t.Errorf("the root of %q can be written: %s", words, root[1])
		}
		if !bytes.Contains(status, []byte("\nUid:\t65532\t65532\t65532\t65532\n")) || !bytes.Contains(status, []byte("\nGid:\t65532\t65532\t65532\t65532\n")) {
			t.Errorf("%q runs as another user: %s", words, status)
		}
		return
	}
	t.Errorf("no process of an image is %q", words)
}

// TestImagesAnew: the programs are the same bytes when they are built in another folder.
// (That the images are the same when they are made again, TestReadmeInstalls sees.)
func TestImagesAnew(t *testing.T) {
	elsewhere := t.TempDir()
	build := func(args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), args[0], args[1:]...)
		c.Dir, c.Env = elsewhere, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	root := path(t)
	build("sh", "-c", "tar -C '"+root+"' --exclude=./.git --exclude=./.tools --exclude=./bin --exclude=./out -cf - . | tar -xf -")
	build("make", "build", "VERSION="+versionOf(t))
	for _, program := range []string{"legation", "shutdown-manager"} {
		here, err := os.ReadFile(filepath.Join(root, "bin", program))
		if err != nil {
			t.Fatal(err)
		}
		there, err := os.ReadFile(filepath.Join(elsewhere, "bin", program))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(here, there) {
			t.Errorf("%s is another one when it is built in another folder", program)
		}
	}
}

// versionOf is what the program that was built says.
func versionOf(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path(t, "bin", "legation"), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[1]
}
