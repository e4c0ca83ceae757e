package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPush: what `make images chart` made can be pushed, is there by its digests, and
// helm installs the chart from the registry.
func TestPush(t *testing.T) {
	helm, err := filepath.Abs("../../.tools/bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New())
	defer server.Close()
	o := &options{out: "../../out", registry: strings.TrimPrefix(server.URL, "http://")}
	if err := o.push(); err != nil {
		t.Fatal(err)
	}
	var chart string
	for _, a := range artifacts {
		tag, image, err := written(filepath.Join(o.out, "images", a))
		if err != nil {
			t.Fatal(err)
		}
		at, err := name.NewTag(o.registry + "/" + repositories[a] + ":" + tag)
		if err != nil {
			t.Fatal(err)
		}
		there, err := remote.Head(at)
		if err != nil {
			t.Fatal(err)
		}
		if here, err := image.Digest(); err != nil || here != there.Digest {
			t.Errorf("%s is %s in the registry, and %s here: %v", a, there.Digest, here, err)
		}
		chart = tag
	}
	dir := t.TempDir()
	pull := exec.Command(helm, "pull", "oci://"+o.registry+"/charts/legation", "--version", chart, "--plain-http", "--destination", dir)
	pull.Env = append(os.Environ(), "HOME="+dir)
	if out, err := pull.CombinedOutput(); err != nil {
		t.Fatalf("helm pull: %v\n%s", err, out)
	}
	packaged := "legation-" + chart + ".tgz"
	got, err := os.ReadFile(filepath.Join(dir, packaged))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(o.out, "chart", packaged))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("helm pulls another chart: %v", err)
	}
	if out, err := exec.Command(helm, "template", "legation", filepath.Join(dir, packaged), "--kube-version", "1.36.3").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("kind: DaemonSet")) {
		t.Errorf("helm template: %v\n%.2000s", err, out)
	}
}
