//go:build real

package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"legation.dev/test/envoy"
)

// programs finds the three programs. It is, in this order:
//
//   - KUBEBUILDER_ASSETS: a directory with etcd, kube-apiserver and kube-controller-manager;
//   - KUBE: one binary that is all three, chosen by its first argument;
//   - .tools/kube of this repository, the same, which `make kube` puts there.
type programs struct{ assets, binary string }

func findPrograms() (programs, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		dir, err := filepath.Abs(assets)
		return programs{assets: dir}, err
	}
	if path := os.Getenv("KUBE"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return programs{}, fmt.Errorf("KUBE: %w", err)
		}
		binary, err := filepath.Abs(path)
		return programs{binary: binary}, err
	}
	root, err := envoy.Root()
	if err != nil {
		return programs{}, err
	}
	path := filepath.Join(root, ".tools", "kube")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return programs{}, errors.New("no Kubernetes at .tools/kube: run `make kube`, or set KUBEBUILDER_ASSETS or KUBE")
	} else if err != nil {
		return programs{}, err
	}
	return programs{binary: path}, nil
}

// command is how a program is called.
func (p programs) command(name string, flags ...string) []string {
	if p.assets != "" {
		return append([]string{filepath.Join(p.assets, name)}, flags...)
	}
	return append([]string{p.binary, name}, flags...)
}
