package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// The annotation by which tools find the name of an image in a layout.
const refName = "org.opencontainers.image.ref.name"

// writeLayout writes an image as an OCI layout, and reads it again.
func (m *made) writeLayout(dir string) error {
	to, err := emptyLayout(dir)
	if err != nil {
		return err
	}
	if err := to.AppendImage(m.Image, layout.WithAnnotations(map[string]string{refName: m.tag.TagStr(), "io.containerd.image.name": m.tag.Name()})); err != nil {
		return err
	}
	if err := os.WriteFile(dir+".cdx.json", m.sbom, 0o644); err != nil {
		return err
	}
	_, image, err := written(dir)
	if err != nil {
		return err
	}
	return validate.Image(image)
}

// written is the image of a layout, and its tag.
func written(dir string) (tag string, image v1.Image, err error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return "", nil, err
	}
	if len(list.Manifests) != 1 {
		return "", nil, fmt.Errorf("%s has %d images, want 1", dir, len(list.Manifests))
	}
	image, err = index.Image(list.Manifests[0].Digest)
	return list.Manifests[0].Annotations[refName], image, err
}

// writeArchive writes images as `docker save` does: what docker, kind and ctr load. The
// library writes the files of several images in any order; here they are in one.
func writeArchive(to string, all []*made) error {
	images := map[name.Tag]v1.Image{}
	for _, m := range all {
		images[m.tag] = m.Image
	}
	var unordered bytes.Buffer
	if err := tarball.MultiWrite(images, &unordered); err != nil {
		return err
	}
	files, err := readTar(&unordered)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := writeTar(&archive, files); err != nil {
		return err
	}
	return os.WriteFile(to, archive.Bytes(), 0o644)
}

const loads = `
Load both into a cluster of kind, into the containerd of a node, or into docker:
  kind load image-archive %[1]s
  ctr --namespace k8s.io images import %[1]s
  docker load --input %[1]s
or push them, and the chart, to a registry:
  make push REGISTRY=registry.example.com/legation
`

// writeValues writes the values by which the chart takes these images, and says what
// was made.
func (o *options) writeValues(all []*made) error {
	control, proxy := all[0].tag, all[1].tag
	text := fmt.Sprintf("# The images of `make images`.\nimage:\n  repository: %s\n  tag: %q\nenvoy:\n  image:\n    repository: %s\n    tag: %q\n",
		control.Repository.Name(), control.TagStr(), proxy.Repository.Name(), proxy.TagStr())
	if err := os.WriteFile(filepath.Join(o.out, "values.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	for _, m := range all {
		digest, err := m.Digest()
		if err != nil {
			return err
		}
		fmt.Printf("%s@%s\n", m.tag.Name(), digest)
	}
	fmt.Printf(loads, filepath.Join(o.out, "images.tar"))
	return nil
}

// chartName is the folder of the chart's layout; in a registry an image has that of the
// chart already.
const chartName = "chart"

// artifacts are the layouts that there are to be published.
var artifacts = []string{"legation", "envoy", chartName}

// repositories are their names in a registry.
var repositories = map[string]string{"legation": "legation", "envoy": "envoy", chartName: "charts/legation"}

// sizeOf is what somebody who has nothing of an image fetches.
func sizeOf(image v1.Image) (int64, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	all, err := image.Size()
	all += manifest.Config.Size
	for _, l := range manifest.Layers {
		all += l.Size
	}
	return all, err
}

// push writes what was made to a registry, with the credentials that docker uses.
func (o *options) push() error {
	for _, image := range artifacts {
		tag, from, err := written(filepath.Join(o.out, "images", image))
		if err != nil {
			return fmt.Errorf("%w: run `make images chart`", err)
		}
		to, err := name.NewTag(o.registry + "/" + repositories[image] + ":" + tag)
		if err != nil {
			return err
		}
		if err := remote.Write(to, from, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return err
		}
		digest, err := from.Digest()
		if err != nil {
			return err
		}
		fmt.Printf("%s@%s\n", to.Name(), digest)
	}
	return nil
}
