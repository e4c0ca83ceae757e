//go:build real

package kube

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Image is a container image: programs of this machine, or what Load has unpacked.
type Image struct {
	// Programs are files of this machine, by the names that they have in programsPath. The
	// C library is that of this machine, too.
	Programs map[string]string
	// Root is the folder with all files of an image that was loaded.
	Root string
	// Config is what such an image says of a container that says nothing of it.
	Config ImageConfig
}

// ImageConfig is the part of the configuration of an OCI image that a kubelet reads.
type ImageConfig struct {
	User, WorkingDir     string
	Env, Entrypoint, Cmd []string
	Labels               map[string]string
}

// user is who a container of the image is, by numbers; no user is root.
func (c *ImageConfig) user() (uid, gid int, err error) {
	if c.User == "" {
		return 0, 0, nil
	}
	first, second, both := strings.Cut(c.User, ":")
	uid, err = strconv.Atoi(first)
	if both {
		var groupErr error
		gid, groupErr = strconv.Atoi(second)
		err = errors.Join(err, groupErr)
	}
	return uid, gid, err
}

// Load unpacks the images of an archive as `docker save` writes it, and as `kind load
// image-archive` takes it: from then on pods of them are run. It returns them by name
// and tag.
func (c *Cluster) Load(archive string) (map[string]Image, error) {
	files, err := archived(archive)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil {
		return nil, fmt.Errorf("%s: manifest.json: %w", archive, err)
	}
	loaded := map[string]Image{}
	for _, m := range list {
		var config struct{ Config ImageConfig }
		if err := json.Unmarshal(files[m.Config], &config); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", archive, m.Config, err)
		}
		root, err := os.MkdirTemp(c.dir, "image")
		if err == nil {
			err = os.Chmod(root, 0o755)
		}
		for _, l := range m.Layers {
			err = cmp.Or(err, unpack(root, files[l]))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", archive, m.RepoTags, err)
		}
		for _, tag := range m.RepoTags {
			loaded[tag] = Image{Root: root, Config: config.Config}
		}
	}
	c.kubelet.load(loaded)
	return loaded, nil
}

// archived are the files of a tar archive, by name.
func archived(archive string) (map[string][]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := map[string][]byte{}
	for in := tar.NewReader(f); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err == nil {
			files[h.Name], err = io.ReadAll(in)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
	}
}

// unpack adds a layer to a root. None of ours takes away what is below it.
func unpack(root string, layer []byte) error {
	plain, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return err
	}
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = unpackFile(root, h, in)
		}
		if err != nil {
			return fmt.Errorf("layer: %w", err)
		}
	}
}

func unpackFile(root string, h *tar.Header, content io.Reader) error {
	if !filepath.IsLocal(h.Name) || strings.HasPrefix(filepath.Base(h.Name), ".wh.") {
		return fmt.Errorf("%q is no name that this kubelet unpacks", h.Name)
	}
	at := filepath.Join(root, h.Name)
	switch h.Typeflag {
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, at)
	case tar.TypeDir:
		return errors.Join(os.MkdirAll(at, 0o755), os.Chown(at, h.Uid, h.Gid), os.Chmod(at, h.FileInfo().Mode()))
	case tar.TypeReg:
		f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close(), os.Chown(at, h.Uid, h.Gid), os.Chmod(at, h.FileInfo().Mode()))
	}
	return fmt.Errorf("%q is of the type %q, which this kubelet does not unpack", h.Name, h.Typeflag)
}

// load adds images to those that pods are run of.
func (k *kubelet) load(images map[string]Image) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[string]Image{}
	for _, some := range []map[string]Image{k.images, images} {
		maps.Copy(all, some)
	}
	k.images = all
}

// image is one by the name that a pod gives it: with a tag, or, of those that Options
// names, with any.
func (k *kubelet) image(name string) (Image, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if i, ok := k.images[name]; ok {
		return i, true
	}
	repository, _, _ := strings.Cut(name, ":")
	i, ok := k.images[repository]
	return i, ok
}
