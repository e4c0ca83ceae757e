package cli

import (
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// WriteFile writes a file beside its place and moves it there: who reads it finds the old
// one or the new one, also when the disk is full. What is no regular file (a pipe, say) is
// written to.
func WriteFile(path string, text []byte, mode os.FileMode) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays one
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, text, mode)
	}
	return renameio.WriteFile(path, text, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
}
