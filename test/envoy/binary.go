package envoy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Binary is the path of the Envoy to run: the environment's ENVOY, else
// .tools/envoy of this repository, which `make envoy` puts there.
func Binary() (string, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("ENVOY: %w", err)
		}
		return filepath.Abs(path)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".tools", "envoy")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("no Envoy at .tools/envoy: run `make envoy`, or set ENVOY to the path of one")
	} else if err != nil {
		return "", err
	}
	return path, nil
}

// Root is the directory of this repository: the nearest one whose go.mod is of the
// module legation.dev, from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		// The benchmark is a module of its own inside this one.
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(text, []byte("module legation.dev\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of legation.dev above the working directory: run this inside the repository")
		}
		dir = parent
	}
}
