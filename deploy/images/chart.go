package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"sigs.k8s.io/yaml"
)

// What helm calls a chart in a registry.
const (
	chartConfig  types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chartContent types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// chart writes what `helm package` made anew, without times, and as an OCI layout beside
// the images.
func (o *options) chart(packaged string) error {
	files, err := packed(packaged)
	if err != nil {
		return fmt.Errorf("%s: %w", packaged, err)
	}
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	if err := errors.Join(writeTar(zip, files), zip.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(packaged, archive.Bytes(), 0o644); err != nil {
		return err
	}
	a, version, err := o.packagedChart(files, archive.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", packaged, err)
	}
	image, err := partial.CompressedToImage(a)
	if err != nil {
		return err
	}
	to, err := emptyLayout(filepath.Join(o.out, "images", chartName))
	if err != nil {
		return err
	}
	// A tag has no +, and helm writes and reads a _ in its place.
	return to.AppendImage(image, layout.WithAnnotations(map[string]string{refName: strings.ReplaceAll(version, "+", "_")}))
}

// packed are the files of a .tgz.
func packed(name string) (files []file, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return readTar(plain)
}

// readTar are the files of a tar archive of nothing but files.
func readTar(from io.Reader) (files []file, err error) {
	for in := tar.NewReader(from); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeDir {
			files = append(files, file{name: h.Name, data: data})
		}
	}
}

// packagedChart is a chart as a registry has it: Chart.yaml as configuration, and one layer.
type packagedChart struct {
	config   []byte
	manifest []byte
	layer    v1.Layer
}

func (a *packagedChart) RawConfigFile() ([]byte, error)                         { return a.config, nil }
func (a *packagedChart) RawManifest() ([]byte, error)                           { return a.manifest, nil }
func (a *packagedChart) MediaType() (types.MediaType, error)                    { return types.OCIManifestSchema1, nil }
func (a *packagedChart) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) { return a.layer, nil }

// packagedChart is that of files, and its version.
func (o *options) packagedChart(files []file, archive []byte) (a *packagedChart, version string, err error) {
	a = &packagedChart{layer: static.NewLayer(archive, chartContent)}
	for _, f := range files {
		if f.name == "legation/Chart.yaml" {
			a.config, err = yaml.YAMLToJSON(f.data)
		}
	}
	var meta struct{ Name, Version, Description string }
	if err = errors.Join(err, yaml.Unmarshal(a.config, &meta)); err != nil || meta.Version == "" {
		return nil, "", errors.Join(err, errors.New("no chart of legation with a version"))
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: map[string]string{
		"org.opencontainers.image.title": meta.Name, "org.opencontainers.image.version": meta.Version, "org.opencontainers.image.description": meta.Description,
		"org.opencontainers.image.created": o.created().Format(timeFormat), "org.opencontainers.image.revision": o.revision}}
	hash, size, err := v1.SHA256(bytes.NewReader(a.config))
	if err != nil {
		return nil, "", err
	}
	manifest.Config = v1.Descriptor{MediaType: chartConfig, Digest: hash, Size: size}
	layer, err := partial.Descriptor(a.layer)
	if err != nil {
		return nil, "", err
	}
	manifest.Layers = []v1.Descriptor{*layer}
	a.manifest, err = json.Marshal(manifest)
	return a, meta.Version, err
}

// emptyLayout is a layout without an image.
func emptyLayout(dir string) (layout.Path, error) {
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return layout.Write(dir, empty.Index)
}
