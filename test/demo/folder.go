package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"legation.dev/test/fixture"
)

// folder is the folder of manifests that Legation watches. Each object has a file
// of its own, which is replaced as a whole.
type folder struct{ path string }

func fileOf(o fixture.Object) string {
	kind := strings.ToLower(o.GetObjectKind().GroupVersionKind().Kind)
	return kind + "-" + o.GetNamespace() + "-" + o.GetName() + ".yaml"
}

func (f folder) apply(objects ...fixture.Object) error {
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		if err := f.write(fileOf(o), text); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) delete(objects ...fixture.Object) error {
	for _, o := range objects {
		if err := os.Remove(filepath.Join(f.path, fileOf(o))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f folder) write(name string, text []byte) error {
	temporary := filepath.Join(f.path, ".new")
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(f.path, name))
}
