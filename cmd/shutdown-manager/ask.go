package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/drain/admin"
)

// askOptions are those of `shutdown-manager ask`.
type askOptions struct {
	admin string
	write bool
}

func askCommand() *cobra.Command {
	var o askOptions
	c := &cobra.Command{
		Use:   "ask stats|clusters|certs|config | ask log LEVEL --write",
		Short: "Print what Envoy says of itself, or set the level of its log",
		Long: `Asks Envoy's admin interface, which is a socket that only this pod has, for one of a few
things: its statistics, clusters with their endpoints, certificates, and configuration, of
which Envoy itself leaves out private keys. 'legation envoy' runs this in a pod: the right
to do so (pods/exec) is the guard. With --write, 'log LEVEL' sets the level of all loggers,
until Envoy is started again.`,
		Example: `  shutdown-manager ask --admin unix:/run/envoy/admin.sock stats
  shutdown-manager ask --admin unix:/run/envoy/admin.sock --write log debug`,
		Args: cli.Arguments(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	c.Flags().StringVar(&o.admin, "admin", "", "Envoy's admin interface, unix:PATH or HOST:PORT")
	c.Flags().BoolVar(&o.write, "write", false, "change something: for log")
	c.ValidArgs = append(admin.Shown(), "log")
	return c
}

func (o *askOptions) run(c *cobra.Command, args []string) error {
	client, err := admin.New(o.admin)
	if err != nil {
		return cli.Usage(c, err)
	}
	var answer []byte
	switch {
	case args[0] != "log" && len(args) == 2:
		return cli.Usage(c, errors.New("only log has a level: "+strings.Join(args, " ")))
	case args[0] != "log":
		answer, err = client.Show(c.Context(), args[0])
	case len(args) != 2:
		return cli.Usage(c, errors.New("log: which LEVEL?"))
	case !o.write:
		return cli.Usage(c, errors.New("log changes something: say --write"))
	default:
		answer, err = client.SetLevel(c.Context(), args[1])
	}
	if err != nil {
		return err
	}
	_, err = c.OutOrStdout().Write(answer)
	return err
}
