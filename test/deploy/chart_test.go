//go:build real

package deploy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"legation.dev/test/envoy"
	"legation.dev/test/kube"
)

var (
	k      *kube.Cluster
	update = flag.Bool("update", false, "rewrite deploy/manifests")
)

func TestMain(m *testing.M) {
	programs, err := images()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kube.MainWithCluster(m, &k, kube.Options{Images: programs})
}

// kubeVersion is for what charts are rendered: helm has no cluster to ask here.
const kubeVersion = "1.36.3"

// path is that of a file of the repository.
func path(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// helm renders the chart for a release, with flags.
func helm(t *testing.T, release, namespace string, flags ...string) ([]byte, error) {
	t.Helper()
	args := append([]string{"template", release, path(t, "deploy", "helm", "legation"), "--namespace", namespace, "--kube-version", kubeVersion, "--skip-tests"}, flags...)
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), path(t, ".tools", "bin", "helm"), args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes(), nil
}

// render is helm where it must not fail.
func render(t *testing.T, release, namespace string, flags ...string) []byte {
	t.Helper()
	text, err := helm(t, release, namespace, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// example is a file of values of the chart, in its folder; "legation" has none.
type example struct{ name, namespace, file string }

// examples are those of the chart, its presets (values-NAME.yaml), and its defaults.
func examples(t *testing.T) (list []example) {
	t.Helper()
	chart := path(t, "deploy", "helm", "legation")
	list = append(list, example{"legation", "legation", "values.yaml"})
	for _, pattern := range []string{"examples/*.yaml", "values-*.yaml"} {
		files, err := filepath.Glob(filepath.Join(chart, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, f := range files {
			e := example{strings.TrimPrefix(strings.TrimSuffix(filepath.Base(f), ".yaml"), "values-"), "legation", f}
			if e.name == "second-release" {
				e.namespace = "staging"
			}
			list = append(list, e)
		}
	}
	return list
}

// named is the example of that name.
func named(t *testing.T, name string) example {
	t.Helper()
	list := examples(t)
	i := slices.IndexFunc(list, func(e example) bool { return e.name == name })
	if i < 0 {
		t.Fatalf("the chart has no example %s", name)
	}
	return list[i]
}

func (e example) render(t *testing.T) []byte {
	t.Helper()
	if e.name == "legation" {
		return render(t, "legation", e.namespace)
	}
	return render(t, e.namespace, e.namespace, "--values", e.file)
}

// objects are those of rendered text.
func objects(t *testing.T, text []byte) (list []*unstructured.Unstructured) {
	t.Helper()
	documents, err := kube.Documents(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents {
		u := &unstructured.Unstructured{}
		text, err := yaml.YAMLToJSONStrict(d)
		if err == nil {
			err = u.UnmarshalJSON(text)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, d)
		}
		list = append(list, u)
	}
	return list
}

// made is the first line of what the chart makes.
const made = "# Made by `make manifests` from deploy/helm/legation; do not edit.\n"

// same wants a file to be what the chart makes, or makes it so with -update.
func same(t *testing.T, file string, text []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%s is not what the chart makes (%v): run `make manifests`", file, err)
	}
}

// rights are the documents of rendered text that say who may do what.
func rights(t *testing.T, text []byte) []byte {
	t.Helper()
	documents, err := kube.Documents(text)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, d := range documents {
		if o := objects(t, d)[0]; !strings.HasSuffix(o.GetName(), "-envoy-nodes") && o.GroupVersionKind().Group == "rbac.authorization.k8s.io" || o.GetKind() == "ServiceAccount" && o.GetName() == "legation" {
			b.WriteString("---\n")
			b.Write(d)
		}
	}
	return b.Bytes()
}

// TestManifests: deploy/manifests are what the chart makes of its examples, and
// deploy/rbac.yaml is the part of the first one that is about rights.
func TestManifests(t *testing.T) {
	known := map[string]bool{}
	for _, e := range examples(t) {
		file, text := path(t, "deploy", "manifests", e.name+".yaml"), e.render(t)
		known[filepath.Base(file)] = true
		same(t, file, slices.Concat([]byte(made+"# kubectl create namespace "+e.namespace+" && kubectl apply -f this file\n"), text))
		if e.name == "legation" {
			same(t, path(t, "deploy", "rbac.yaml"), slices.Concat([]byte(made+
				"# The rights of Legation in a cluster, for who runs it otherwise. manifests/namespaces.yaml has those\n"+
				"# for some namespaces only. A test runs it with exactly these.\n"), rights(t, text)))
		}
	}
	files, err := os.ReadDir(path(t, "deploy", "manifests"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("no example makes %s", f.Name())
		}
	}
}

// TestTimes: the times of a drain follow from the one that kubelet knows.
func TestTimes(t *testing.T) {
	looked := 0
	for _, e := range examples(t) {
		for _, o := range objects(t, e.render(t)) {
			if !isFleet(o) {
				continue
			}
			looked++
			grace, _, _ := unstructured.NestedInt64(o.Object, "spec", "template", "spec", "terminationGracePeriodSeconds")
			if want := fmt.Sprintf("--grace-period=%ds", grace); grace == 0 || !slices.Contains(arguments(o), want) {
				t.Errorf("%s: %s has not %s: %q", e.name, o.GetName(), want, arguments(o))
			}
		}
	}
	if looked < 9 {
		t.Errorf("only %d fleets were looked at", looked)
	}
}

// isFleet reports whether an object runs Envoys.
func isFleet(o *unstructured.Unstructured) bool {
	component, _, _ := unstructured.NestedString(o.Object, "spec", "template", "metadata", "labels", "app.kubernetes.io/component")
	return component == "envoy"
}

// arguments are those of the first container.
func arguments(o *unstructured.Unstructured) []string {
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	args, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	return args
}

// TestTwoReleases: two releases side by side share no object and no Lease, and no
// class.
func TestTwoReleases(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []example{named(t, "legation"), named(t, "second-release")} {
		classes, read := []string{}, ""
		for _, o := range objects(t, e.render(t)) {
			key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
			if seen[key] {
				t.Errorf("both releases have %s", key)
			}
			seen[key] = true
			switch o.GetKind() {
			case "IngressClass":
				classes = append(classes, o.GetName())
			case "Deployment":
				for _, a := range arguments(o) {
					if class, ok := strings.CutPrefix(a, "--class="); ok {
						read = class
					}
					if lease, ok := strings.CutPrefix(a, "--lease="); ok {
						if seen[lease] || !strings.HasPrefix(lease, e.namespace+"/") {
							t.Errorf("release in %s has Lease %s", e.namespace, lease)
						}
						seen[lease] = true
					}
				}
			}
		}
		if read == "" || read != strings.Join(classes, ",") {
			t.Errorf("the release in %s serves classes %q and has %q", e.namespace, read, classes)
		}
	}
}
