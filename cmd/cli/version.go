package cli

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// EnvoyVersion is the Envoy whose behaviour Legation relies on, and which all tests
// run.
const EnvoyVersion = "1.40.0"

// version is set when a release is built (-ldflags "-X legation.dev/cmd/cli.version=v1.2.3").
var version string

// Version is that of the release, or of the module or commit it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(unknown)")
}

func versionText(program string) string {
	return fmt.Sprintf("%s %s\nenvoy %s\n%s %s/%s\n", program, Version(), EnvoyVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and that of the Envoy it is tested with",
		Args:  Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), versionText(program))
			return err
		},
	}
}
