package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"os"
	pathpkg "path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// file is a file, a folder or a link of a layer. Folders above it need not be named.
type file struct {
	name  string      // without a slash before it
	mode  os.FileMode // none: a file that everybody may read
	data  []byte
	link  string // where it leads, if it is a link
	owner int    // user and group
}

// layerOf is a layer of files. It depends on these alone.
func layerOf(files []file) (v1.Layer, error) {
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	if err := writeTar(zip, files); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// writeTar writes files, sorted by name.
func writeTar(to io.Writer, files []file) error {
	out := tar.NewWriter(to)
	for _, f := range withFolders(files) {
		if err := f.write(out); err != nil {
			return err
		}
	}
	return out.Close()
}

// withFolders adds the folders above files, and brings all into an order in which a
// folder is before what is in it.
func withFolders(files []file) []file {
	all := map[string]file{}
	for _, f := range files {
		all[f.name] = f
	}
	for _, f := range files {
		for dir := pathpkg.Dir(f.name); dir != "."; dir = pathpkg.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = file{name: dir, mode: os.ModeDir | 0o755}
			}
		}
	}
	sorted := make([]file, 0, len(all))
	for _, f := range all {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return sorted
}

func (f *file) write(out *tar.Writer) error {
	h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: int64(cmp.Or(f.mode.Perm(), 0o644)), Size: int64(len(f.data)),
		Uid: f.owner, Gid: f.owner, ModTime: time.Unix(0, 0)}
	switch {
	case f.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.link, 0o777
	case f.mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, f.name+"/"
	}
	if f.mode&os.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	_, err := out.Write(f.data)
	return err
}
