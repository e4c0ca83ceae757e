package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/drain/admin"
	"legation.dev/drain/limits"
)

func checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check",
		Short: "Say which limit of the node is too small for Envoy, and why",
		Long: `Compare limits of the node with what Envoy is configured to take: the accept queues
of its listeners, its limit of connections, its budget for endpoints.

With --admin, the listeners, their accept queues, the limit of connections and
the limits of Envoy's process are those of the running Envoy; without, or where
flags are given, they are those of the flags and of this process ('run' lets Envoy
hold as many files as the hard limit allows). Run it in the network namespace of
Envoy. The exit status is 1 if something is too small.`,
		Example: `  shutdown-manager check --admin unix:/run/envoy/admin.sock

  # Before Envoy is installed
  shutdown-manager check --connections 50000 --upstream-connections 32768`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.check(c) },
	}
	f := c.Flags()
	f.StringVar(&o.admin, "admin", "", "Envoy's admin interface, unix:PATH or HOST:PORT; empty: Envoy does not run yet")
	f.IntVar(&o.demand.Backlog, "backlog", defaultBacklog, "`connections` that may wait at a socket to be accepted; the default is Linux's")
	f.IntVar(&o.demand.Downstream, "connections", 0, "`connections` of clients; 0: Envoy's global limit (required without --admin)")
	f.IntVar(&o.demand.Upstream, "upstream-connections", defaultUpstream, "`connections` to all endpoints: connection-budget of the class")
	f.IntVar(&o.demand.PerEndpoint, "endpoint-connections", 0, "`connections` to one endpoint; 0: half of --upstream-connections, as service-share has it")
	return c
}

const (
	// defaultBacklog is net.core.somaxconn of Linux since 5.4.
	defaultBacklog = 4096
	// defaultUpstream is the default of the class setting connection-budget.
	defaultUpstream = 32768
)

type checkOptions struct {
	admin  string
	demand limits.Demand
}

func (o *checkOptions) check(c *cobra.Command) error {
	for name, n := range map[string]int{"backlog": o.demand.Backlog, "connections": o.demand.Downstream,
		"upstream-connections": o.demand.Upstream, "endpoint-connections": o.demand.PerEndpoint} {
		if n < 0 {
			return cli.Usage(c, fmt.Errorf("--%s=%d: must not be negative", name, n))
		}
	}
	if o.demand.PerEndpoint == 0 {
		o.demand.PerEndpoint = o.demand.Upstream / 2
	}
	pid, addresses := os.Getpid(), []string(nil)
	if o.admin != "" {
		client, err := admin.New(o.admin)
		if err != nil {
			return cli.Usage(c, err)
		}
		if pid, addresses, err = o.ask(c.Context(), client); err != nil {
			return err
		}
	}
	if o.demand.Downstream == 0 {
		return cli.Usage(c, errors.New("--connections is required: there is no Envoy to ask, or it has no global limit, so that descriptors are its only one"))
	}
	findings, err := o.compare(pid, addresses)
	if err != nil {
		return err
	}
	return printFindings(c.OutOrStdout(), findings)
}

// findings compare the node with what a running Envoy is configured to take; none if it
// has no limit of connections.
func (o *checkOptions) findings(ctx context.Context, client *admin.Client) ([]limits.Finding, error) {
	pid, addresses, err := o.ask(ctx, client)
	if err != nil || o.demand.Downstream == 0 {
		return nil, err
	}
	return o.compare(pid, addresses)
}

// compare compares the node, and the process pid, with what is demanded.
func (o *checkOptions) compare(pid int, addresses []string) ([]limits.Finding, error) {
	system, err := limits.Read(pid, addresses)
	if err != nil {
		return nil, err
	}
	return limits.Check(system, o.demand), nil
}

// ask reads what a running Envoy says.
func (o *checkOptions) ask(ctx context.Context, client *admin.Client) (pid int, addresses []string, err error) {
	listeners, err := client.Listeners(ctx)
	if err != nil {
		return 0, nil, err
	}
	for _, l := range listeners {
		addresses = append(addresses, l.Address)
	}
	if o.demand.Downstream == 0 {
		o.demand.Downstream, err = client.ConnectionLimit(ctx)
		if err != nil && !errors.Is(err, admin.ErrNoLimit) {
			return 0, nil, err
		}
	}
	pid, ok := client.PID(ctx)
	if !ok {
		pid = os.Getpid() // another container of the pod, most likely with the same limits
	}
	return pid, addresses, nil
}

func printFindings(w io.Writer, findings []limits.Finding) error {
	tooSmall := 0
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tLIMIT\tVALUE\tNEEDED")
	for _, f := range findings {
		verdict := "ok"
		if !f.OK {
			verdict = "TOO SMALL"
			tooSmall++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", verdict, f.Limit, f.Value, f.Needed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		if !f.OK {
			fmt.Fprintf(w, "\n%s: %s.\n", f.Limit, f.Why)
		}
	}
	if tooSmall > 0 {
		return cli.Exit(cli.Failure)
	}
	return nil
}
