// Command shutdown-manager runs beside an Envoy and ends it when its work is
// done: as its parent, or as preStop hook and sidecar of its pod.
//
// It is a static binary that needs no shell, and it knows nothing of the control
// plane: only Envoy's admin interface, /proc and, with --node and --event-on, one Node of
// Kubernetes and Events on its pod. Each subcommand has a file.
//
// Start reading at runCommand.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE) // a reader of our output that is gone ends nothing
	return cli.Run(context.Background(), rootCommand(), args, stdout, stderr)
}

func rootCommand() *cobra.Command {
	return cli.Root(&cobra.Command{
		Use:   "shutdown-manager",
		Short: "Ends an Envoy when its work is done",
		Long: `Envoy ends immediately on SIGTERM, whatever is in flight. shutdown-manager stands
beside it and drains it first: it fails its health checks, lets it accept for a
while, tells clients to leave, and ends it when no request is active.

As the parent of Envoy, also as process 1 of a container:

  shutdown-manager run --admin unix:/run/envoy/admin.sock --grace-period 5m -- envoy -c /etc/envoy/envoy.yaml

Or as the preStop hook of Envoy's container, with a sidecar:

  shutdown-manager drain --admin unix:/run/envoy/admin.sock --grace-period 5m
  shutdown-manager serve --admin unix:/run/envoy/admin.sock --grace-period 5m`,
	}, runCommand(), drainCommand(), serveCommand(), checkCommand(), copyCommand(), askCommand())
}

// untilTold is a context that ends at SIGTERM or SIGINT.
func untilTold(c *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(c.Context(), syscall.SIGTERM, os.Interrupt)
}
