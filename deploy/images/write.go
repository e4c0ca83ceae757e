package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// The annotation by which tools find the name of an image in a layout.
const refName = "org.opencontainers.image.ref.name"

// artifact is an image, an index of images for several platforms, or a chart.
type artifact interface {
	Digest() (v1.Hash, error)
	MediaType() (types.MediaType, error)
}

// writeLayout writes an image as an OCI layout, and reads it again. For more than one
// platform it is an index.
func writeLayout(dir string, platforms []*made) error {
	if err := writeLists(dir, platforms); err != nil {
		return err
	}
	to, err := emptyLayout(dir)
	if err != nil {
		return err
	}
	first := platforms[0]
	as := layout.WithAnnotations(map[string]string{refName: first.tag.TagStr(), "io.containerd.image.name": first.tag.Name()})
	if len(platforms) == 1 {
		err = to.AppendImage(first.Image, as)
	} else {
		err = to.AppendIndex(indexOf(platforms), as)
	}
	if err != nil {
		return err
	}
	_, back, err := written(dir)
	if err != nil {
		return err
	}
	if index, ok := back.(v1.ImageIndex); ok {
		return validate.Index(index, validate.Fast)
	}
	return validate.Image(back.(v1.Image), validate.Fast)
}

// writeLists writes what images are made of beside their layout, and removes what is of
// platforms that are not among these any more.
func writeLists(dir string, platforms []*made) error {
	others, err := filepath.Glob(dir + "-*.cdx.json")
	if err != nil {
		return err
	}
	for _, f := range others {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	for i, m := range platforms {
		list := dir + ".cdx.json"
		if i > 0 {
			list = dir + "-" + m.arch + ".cdx.json"
		}
		if err := os.WriteFile(list, m.sbom, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// indexOf is what a node of any of the platforms finds its image in.
func indexOf(platforms []*made) v1.ImageIndex {
	var all []mutate.IndexAddendum
	for _, m := range platforms {
		all = append(all, mutate.IndexAddendum{Add: m.Image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: m.arch}}})
	}
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), all...)
}

// written is what a layout has, and its tag.
func written(dir string) (tag string, a artifact, err error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return "", nil, err
	}
	if len(list.Manifests) != 1 {
		return "", nil, fmt.Errorf("%s has %d artifacts, want 1", dir, len(list.Manifests))
	}
	only := list.Manifests[0]
	if only.MediaType.IsIndex() {
		a, err = index.ImageIndex(only.Digest)
	} else {
		a, err = index.Image(only.Digest)
	}
	return only.Annotations[refName], a, err
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
	text := fmt.Sprintf("# The images of `make images`, of the commit %[5]s of SOURCE_DATE_EPOCH=%[6]d.\nimage:\n  repository: %[1]s\n  tag: %[2]q\nenvoy:\n  image:\n    repository: %[3]s\n    tag: %[4]q\n",
		control.Repository.Name(), control.TagStr(), proxy.Repository.Name(), proxy.TagStr(), o.revision, o.seconds)
	if err := os.WriteFile(filepath.Join(o.out, "values.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	for _, image := range imageNames {
		_, a, err := written(filepath.Join(o.out, "images", image))
		if err != nil {
			return err
		}
		digest, err := a.Digest()
		if err != nil {
			return err
		}
		fmt.Printf("%s/%s:%s@%s\n", o.registry, image, control.TagStr(), digest)
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

// sizeOf is what somebody who has nothing of an artifact fetches of it, for all
// platforms.
func sizeOf(a artifact) (all int64, err error) {
	if index, ok := a.(v1.ImageIndex); ok {
		list, err := index.IndexManifest()
		if err != nil {
			return 0, err
		}
		for _, m := range list.Manifests {
			image, err := index.Image(m.Digest)
			if err != nil {
				return 0, err
			}
			size, err := sizeOf(image)
			if err != nil {
				return 0, err
			}
			all += size
		}
		return all, nil
	}
	image := a.(v1.Image)
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	all, err = image.Size()
	all += manifest.Config.Size
	for _, l := range manifest.Layers {
		all += l.Size
	}
	return all, err
}

// push writes what was made to a registry, with the credentials that docker uses.
func (o *options) push() error {
	for _, name := range artifacts {
		if err := o.pushOne(name); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) pushOne(artifact string) error {
	tag, from, err := written(filepath.Join(o.out, "images", artifact))
	if err != nil {
		return fmt.Errorf("%w: run `make images chart`", err)
	}
	to, err := name.NewTag(o.registry + "/" + repositories[artifact] + ":" + tag)
	if err != nil {
		return err
	}
	as := remote.WithAuthFromKeychain(authn.DefaultKeychain)
	if index, ok := from.(v1.ImageIndex); ok {
		err = remote.WriteIndex(to, index, as)
	} else {
		err = remote.Write(to, from.(v1.Image), as)
	}
	if err != nil {
		return err
	}
	digest, err := from.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s@%s\n", to.Name(), digest)
	return nil
}
