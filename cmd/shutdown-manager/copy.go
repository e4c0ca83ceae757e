package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
)

func copyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "copy DIRECTORY",
		Short: "Copy this program into a directory: an init container",
		Long: `Copy this program into a directory, such as a volume that Envoy's container mounts,
since Envoy's image has neither this program nor a shell.`,
		Example: `  # command of an init container; Envoy's container then runs /shutdown/shutdown-manager run ...
  shutdown-manager copy /shutdown`,
		Args: cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return copyTo(args[0]) },
	}
}

// executable may be run by everybody: Envoy's container has a user of its own.
const executable = 0o755

// copyTo writes the copy beside its place and moves it there, so that no process
// runs half of it.
func copyTo(dir string) (err error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	half, err := os.CreateTemp(dir, "shutdown-manager.")
	if err != nil {
		return fmt.Errorf("copying into %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			os.Remove(half.Name())
		}
	}()
	_, err = io.Copy(half, self)
	if err = errors.Join(err, half.Chmod(executable), half.Close()); err != nil {
		return fmt.Errorf("copying into %s: %w", dir, err)
	}
	return os.Rename(half.Name(), filepath.Join(dir, "shutdown-manager"))
}
