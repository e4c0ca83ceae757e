package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPush: what `make images chart` made can be pushed, is there by its digests, and
// helm installs the chart from the registry.
func TestPush(t *testing.T) {
	helm, err := filepath.Abs("../../.tools/bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
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

// TestPlatforms: an image for two platforms is one artifact, and a node of each gets its
// own. (Here both have the files of one: what they are built for is looked at when
// programs are read.)
func TestPlatforms(t *testing.T) {
	_, only, err := written("../../out/images/legation")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	o := &options{out: t.TempDir(), registry: strings.TrimPrefix(server.URL, "http://"), version: "v1.2.3"}
	tag, err := o.reference("legation")
	if err != nil {
		t.Fatal(err)
	}
	var all []*made
	for _, arch := range []string{"amd64", "arm64"} {
		config, err := only.(v1.Image).ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.Architecture = arch
		image, err := mutate.ConfigFile(only.(v1.Image), config)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &made{name: "legation", arch: arch, tag: tag, Image: image})
	}
	if err := writeLayout(filepath.Join(o.out, "images", "legation"), all); err != nil {
		t.Fatal(err)
	}
	if err := o.pushOne("legation"); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		got, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: m.arch}))
		if err != nil {
			t.Fatal(err)
		}
		if config, err := got.ConfigFile(); err != nil || config.Architecture != m.arch {
			t.Errorf("a node of %s gets %+v, %v", m.arch, config, err)
		}
	}
	if lists, err := filepath.Glob(filepath.Join(o.out, "images", "*.cdx.json")); err != nil || len(lists) != 2 {
		t.Errorf("lists of parts are %q, want one for each platform: %v", lists, err)
	}
}
