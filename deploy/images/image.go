package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the user of both images, by number, so that kubelet can tell that it is
// not root.
const nonroot = 65532

// path is where programs are looked for.
const path = "/usr/local/bin"

// made is an image.
type made struct {
	name string
	arch string
	tag  name.Tag
	v1.Image
	sbom []byte
}

// imageNames are those of the images, in the order in which images makes them.
var imageNames = []string{"legation", "envoy"}

// images makes both.
func (p *platform) images() ([]*made, error) {
	base, err := layerOf(users)
	if err != nil {
		return nil, err
	}
	control, err := p.legation(base)
	if err != nil {
		return nil, fmt.Errorf("image legation: %w", err)
	}
	proxy, err := p.proxy(base)
	if err != nil {
		return nil, fmt.Errorf("image envoy: %w", err)
	}
	return []*made{control, proxy}, nil
}

// users are the files by which programs find out who they are, and a place for what
// is temporary.
var users = []file{
	{name: "etc/passwd", data: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
	{name: "etc/group", data: []byte("root:x:0:\nnonroot:x:65532:\n")},
	{name: "etc/nsswitch.conf", data: []byte("hosts: files dns\n")},
	{name: "tmp", mode: os.ModeDir | os.ModeSticky | 0o777},
}

// legation is the image of the control plane, and of the init containers of Envoy's
// pods: two static programs and no shell.
func (p *platform) legation(base v1.Layer) (*made, error) {
	content, err := p.programs("legation", "shutdown-manager")
	if err != nil {
		return nil, err
	}
	return p.assemble("legation", content, []v1.Layer{base}, v1.Config{
		Entrypoint: []string{path + "/legation"},
		Cmd:        []string{"serve"},
		Labels: map[string]string{
			"title":       "Legation",
			"description": "Envoy control plane for Kubernetes Ingress: legation and shutdown-manager",
			"licenses":    "Apache-2.0",
		},
	})
}

// proxy is Envoy with shutdown-manager as its parent, which turns SIGTERM into a
// drain. Layers that change less often come first.
func (p *platform) proxy(base v1.Layer) (*made, error) {
	libc, err := p.debian()
	if err != nil {
		return nil, err
	}
	below, err := layerOf(libc.files)
	if err != nil {
		return nil, err
	}
	envoy, err := p.envoyFiles()
	if err != nil {
		return nil, err
	}
	above, err := layerOf(envoy)
	if err != nil {
		return nil, err
	}
	content, err := p.programs("shutdown-manager")
	if err != nil {
		return nil, err
	}
	content.parts = append(content.parts, libc.component, p.envoyComponent())
	return p.assemble("envoy", content, []v1.Layer{base, below, above}, v1.Config{
		Entrypoint: []string{path + "/shutdown-manager", "run", "--admin", "unix:/run/legation/envoy-admin.sock", "--"},
		Cmd:        []string{"envoy", "--config-path", "/etc/envoy/envoy.yaml", "--disable-hot-restart"},
		Labels: map[string]string{
			"title":       "Envoy for Legation",
			"description": "Envoy " + p.envoyVersion + " with shutdown-manager as its parent",
			"licenses":    "Apache-2.0 AND LGPL-2.1-or-later",
		},
	})
}

// envoyFiles are Envoy's, with the folder of its admin socket.
func (p *platform) envoyFiles() ([]file, error) {
	binary, err := os.ReadFile(p.envoy)
	if err != nil {
		return nil, err
	}
	licence, err := p.licence()
	return []file{
		{name: "usr/local/bin/envoy", mode: 0o755, data: binary},
		{name: "usr/share/licenses/envoy/LICENSE", data: licence},
		{name: "run/legation", mode: os.ModeDir | 0o755, owner: nonroot},
	}, err
}

// assemble puts an image together: layers, then our programs with their licences and
// the list of all that is in the image.
func (p *platform) assemble(image string, content *content, layers []v1.Layer, config v1.Config) (*made, error) {
	m := &made{name: image, arch: p.arch}
	var err error
	if m.sbom, err = p.sbom(image, content.parts); err != nil {
		return nil, err
	}
	last, err := layerOf(append(content.files, file{name: filepath.Join("usr/share/sbom", image+".cdx.json"), data: m.sbom}))
	if err != nil {
		return nil, err
	}
	if m.tag, err = p.reference(image); err != nil {
		return nil, err
	}
	config.User, config.WorkingDir = fmt.Sprintf("%d:%d", nonroot, nonroot), "/"
	config.Env = []string{"PATH=" + path}
	config.Labels = p.labels(config.Labels)
	m.Image, err = p.image(append(layers, last), config)
	return m, err
}

// labels are those that the OCI image specification names.
func (o *options) labels(own map[string]string) map[string]string {
	all := map[string]string{}
	own["version"], own["revision"], own["created"] = o.version, o.revision, o.created().Format(timeFormat)
	own["vendor"], own["url"] = "Legation", "https://legation.dev"
	for key, value := range own {
		all["org.opencontainers.image."+key] = value
	}
	return all
}

// image is an OCI image of layers.
func (p *platform) image(layers []v1.Layer, config v1.Config) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{Architecture: p.arch, OS: "linux", Created: v1.Time{Time: p.created()},
		Config: config, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layers...)
}
