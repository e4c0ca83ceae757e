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
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
)

func main() { os.Exit(runAs(os.Args[0], os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int { return runAs("legation", args, stdout, stderr) }

// plugin is the name by which kubectl finds this program as its plugin.
const plugin = "kubectl-legation"

// runAs is run by the name that the program was called by.
func runAs(name string, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process immediately
	root := rootCommand()
	if strings.TrimSuffix(filepath.Base(name), ".exe") == plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl legation"}
	}
	return cli.Run(ctx, root, args, stdout, stderr)
}

// isPlugin reports whether a command was called through kubectl: then it is about a cluster.
func isPlugin(c *cobra.Command) bool { return len(c.Root().Annotations) > 0 }

func rootCommand() *cobra.Command {
	return cli.Root(&cobra.Command{
		Use:   "legation",
		Short: "An Envoy control plane for Kubernetes Ingress",
		Long: `Legation translates Ingress, Service, EndpointSlice and Secret objects into Envoy
configuration and serves it to a fleet of Envoys over one gRPC stream each (delta
ADS). Envoy is never restarted or reloaded, and no change disturbs a connection.

To try it without a cluster:

  legation serve
  legation bootstrap --admin unix:/tmp/envoy-admin.sock > envoy.yaml
  envoy -c envoy.yaml

Commands that look at a running Legation find it by themselves: on this machine, or in the
cluster that kubectl would ask. Linked as kubectl-legation into a folder of PATH, this
program is 'kubectl legation'.

All that list have -o table, wide, yaml, json, name and jsonpath=TEMPLATE. As JSON each
prints one object with names in small letters; what is told on standard error is for
people.

The exit status is for scripts:

  0  it was done, and nothing is wrong
  1  it could not be done, or what was looked at is wrong: a problem is listed, an Envoy
     has rejected something, a replica did not answer, nobody answers the request
  2  the command line is wrong`,
	}, serveCommand(), bootstrapCommand(), certsCommand(), translateCommand(), explainCommand(), whyCommand(), settingsCommand(), lintCommand(), compareCommand(), codesCommand(),
		fleetCommand(), problemsCommand(), trafficCommand(), snapshotCommand(), historyCommand(), diffCommand(), planCommand(), envoyCommand(), errorsCommand(), drainsCommand(), watchCommand(), debugCommand(), holdsCommand(), approveCommand(), pauseCommand(), resumeCommand())
}
