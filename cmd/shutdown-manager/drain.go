package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
)

func drainCommand() *cobra.Command {
	var o drainOptions
	c := &cobra.Command{
		Use:   "drain",
		Short: "Drain Envoy and end it: a preStop hook",
		Long: `Drain the Envoy behind an admin interface and return when it was told to end.

As the preStop hook of Envoy's container: Kubernetes sends SIGTERM when the hook
returns. The hook needs no other process; if it is run again after it was killed,
it goes on where Envoy is.`,
		Example: `  # lifecycle.preStop.exec.command of Envoy's container
  shutdown-manager drain --admin unix:/run/envoy/admin.sock --grace-period 300s --report /run/envoy/drain.json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.drain(c) },
	}
	o.add(c.Flags())
	o.addReport(c.Flags(), &o.apiFlags)
	o.addAPI(c.Flags())
	return c
}

// goneAfter is how long nobody listens at the admin interface until Envoy counts as gone:
// more than it takes to look twice, and less than anybody waits.
const goneAfter = 2 * time.Second

type drainOptions struct {
	envoyFlags
	reportFlags
	apiFlags
}

func (o *drainOptions) drain(c *cobra.Command) error {
	client, plan, err := o.read(c)
	if err != nil {
		return err
	}
	ctx, stop := untilTold(c)
	defer stop()
	log, end := logger(c.ErrOrStderr())
	defer end()
	to, err := o.reporter(c, log)
	if err != nil {
		return err
	}
	report, err := drain.Run(ctx, drain.Config{Envoy: client, Plan: plan, Ignored: o.ignored, Log: log, Unsent: o.unsent(client), GoneAfter: goneAfter})
	log.Log(ctx, report.Level(), "drained", "report", report)
	to.leave(context.WithoutCancel(ctx), report)
	if report.Reason == drain.ReasonAborted {
		return cli.Exit(cli.Failure)
	}
	return err
}
