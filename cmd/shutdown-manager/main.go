// Command shutdown-manager stands beside an Envoy and ends it when its work is
// done: as its parent, or as preStop hook and sidecar of its pod.
//
// It is a static binary that needs no shell, and it knows nothing of the control
// plane: only Envoy's admin interface and /proc. Each subcommand has a file.
//
// Start reading at runCommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses; `run` ends with that of Envoy.
const (
	exitOK      = 0
	exitFailure = 1 // it could not be done, or `check` found something too small
	exitUsage   = 2 // the command line is wrong, or its times cannot work
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	var usage *usageError
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "shutdown-manager: %v\nSee '%s --help'.\n", usage.err, usage.command)
		return exitUsage
	}
	fmt.Fprintln(stderr, "shutdown-manager:", err)
	return exitFailure
}

// exitStatus ends the process without a further word.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a command line that cannot be followed.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// usage makes err an error of the command line of c.
func usage(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{c.CommandPath(), err}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "shutdown-manager",
		Short: "Ends an Envoy when its work is done",
		Long: `Envoy ends at once on SIGTERM, whatever is in flight. shutdown-manager stands
beside it and drains it first: it fails its health checks, lets it accept for a
while, tells clients to leave, and ends it when no request is active.

As the parent of Envoy, also as process 1 of a container:

  shutdown-manager run --admin unix:/run/envoy/admin.sock --grace-period 5m -- envoy -c /etc/envoy/envoy.yaml

Or as the preStop hook of Envoy's container, with a sidecar:

  shutdown-manager drain --admin unix:/run/envoy/admin.sock --grace-period 5m
  shutdown-manager serve --admin unix:/run/envoy/admin.sock --grace-period 5m`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          func(c *cobra.Command, args []string) error { return usage(c, noSuchCommand(args)) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(usage)
	root.AddCommand(runCommand(), drainCommand(), serveCommand(), checkCommand(), copyCommand(), versionCommand())
	return root
}

func noSuchCommand(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("there is no command %q", args[0])
}

// arguments checks the number of arguments of a command.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error { return usage(c, check(c, args)) }
}

// logger writes lines of JSON.
func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, nil))
}

// untilTold is a context that ends at SIGTERM or SIGINT.
func untilTold(c *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(c.Context(), syscall.SIGTERM, os.Interrupt)
}
