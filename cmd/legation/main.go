// Command legation is an Envoy control plane for Kubernetes Ingress.
//
// Each subcommand has a file. This is the only package that reads flags, opens
// the source and starts what runs; it contains no rule of translation or of the
// protocol.
//
// Start reading at serve.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // it could not be done, or `translate` found Problems
	exitUsage   = 2 // the command line is wrong
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errProblems): // they were printed
		return exitFailure
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "legation: %v\nSee '%s --help'.\n", usage.err, usage.command)
		return exitUsage
	}
	fmt.Fprintln(stderr, "legation:", err)
	return exitFailure
}

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
		Use:   "legation",
		Short: "An Envoy control plane for Kubernetes Ingress",
		Long: `Legation translates Ingress, Service, EndpointSlice and Secret objects into Envoy
configuration and serves it to a fleet of Envoys over one gRPC stream each (delta
ADS). Envoy is never restarted or reloaded, and no change disturbs a connection.

To try it without a cluster:

  legation serve
  legation bootstrap --admin unix:/tmp/envoy-admin.sock > envoy.yaml
  envoy -c envoy.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          func(c *cobra.Command, args []string) error { return usage(c, noSuchCommand(args)) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(usage)
	root.AddCommand(serveCommand(), bootstrapCommand(), certsCommand(), translateCommand(), explainCommand(), settingsCommand(),
		fleetCommand(), snapshotCommand(), historyCommand(), diffCommand(), watchCommand(), versionCommand())
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
