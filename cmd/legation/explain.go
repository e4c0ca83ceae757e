package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/translator/finding"
)

// explainFlags are the flags of `legation explain`.
type explainFlags struct {
	source  onceFlags
	inspect inspectFlags // for all but a Service
	class   string
}

func explainCommand() *cobra.Command {
	f := &explainFlags{}
	c := &cobra.Command{
		Use:   "explain service/NAMESPACE/NAME [PATH] | ingress/NAMESPACE/NAME",
		Short: "Print the settings that apply to a Service, or what is made of an Ingress",
		Long: `Of an Ingress, and of a secret/NAMESPACE/NAME or ingressclass/NAME, it prints what a
running Legation makes of it: which resources, how many of the connected Envoys run
each, and what is wrong with it.

Of a Service it prints which settings apply to it in a folder or file of manifests,
or in a cluster, which is read once (the rights of 'legation serve' are enough): those of
each of its clusters, then those of the routes of each Ingress that leads there, with
the object and field that says so, the preset that gives it, or the reason of the default.

The exit status is 1 if anything is wrong with the object that is asked about, or with what
it leads to; of a Service, also with the Ingresses that lead there. That goes to standard
error. What is only for information does not count.`,
		Example: `  legation explain ingress/shop/checkout
  legation explain service/shop/web examples/shop
  legation explain service/shop/web --source dir:examples/shop -o json
  legation explain service/shop/web --source kube --namespaces shop,legation-system`,
		Args: cli.Arguments(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error {
			if object, ok := objectOf(args[0]); ok && len(args) == 1 {
				f.inspect.clusterFlags = f.source.clusterFlags
				return f.inspect.object(c, object, named(args[0]))
			}
			return f.run(c, args)
		},
	}
	flags := c.Flags()
	f.inspect.registerInstallation(c)
	f.source.register(c)
	flags.StringVar(&f.class, "class", "", "only the fleet of this IngressClass")
	f.inspect.registerOutput(c)
	c.ValidArgsFunction = f.inspect.completer(knownObjects)
	return c
}

func (f *explainFlags) run(c *cobra.Command, args []string) error {
	service, err := f.arguments(args)
	if err == nil {
		err = f.checkSource(c.Flags())
	}
	if err != nil {
		return cli.Usage(c, err)
	}
	result, err := f.source.translate(c.Context())
	if err != nil {
		return err
	}
	fleets := inspect.Explain(result, service, f.class)
	if len(fleets) == 0 {
		return fmt.Errorf("no Ingress of a class of ours leads to Service %s", service)
	}
	var names []string
	for _, fleet := range fleets {
		for _, part := range fleet.Parts {
			names = append(names, namesOf(part.Ingresses, func(key string) string { return "ingress/" + key })...)
		}
	}
	slices.Sort(names)
	if err := f.inspect.print(c.OutOrStdout(), map[string]any{"fleets": fleets}, slices.Compact(names), func() error { return writeExplained(c.OutOrStdout(), fleets) }); err != nil {
		return err
	}
	return printConcerned(c.ErrOrStderr(), inspect.Concerned(result, service, fleets, time.Now()))
}

// arguments are the Service, "namespace/name", and perhaps where the manifests are.
func (f *explainFlags) arguments(args []string) (service string, err error) {
	service, ok := strings.CutPrefix(args[0], "service/")
	namespace, name, two := strings.Cut(service, "/")
	switch {
	case !ok || !two || namespace == "" || name == "" || strings.Contains(name, "/"):
		return "", fmt.Errorf("%q: want service/NAMESPACE/NAME or ingress/NAMESPACE/NAME", args[0])
	}
	if err := f.inspect.checkOutput(); err != nil {
		return "", err
	}
	return service, f.source.named(args[1:])
}

// checkSource says what contradicts. --class goes with every source.
func (f *explainFlags) checkSource(flags *pflag.FlagSet) error {
	if f.class != "" {
		f.source.classes = []string{f.class}
	}
	return f.source.check(flags)
}

// writeExplained writes tables for people.
func writeExplained(w io.Writer, fleets []inspect.Fleet) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, fleet := range fleets {
		for j, part := range fleet.Parts {
			if i+j > 0 {
				fmt.Fprintln(table)
			}
			named := strings.Join(part.Ingresses, ", ")
			if part.Cluster == "" {
				fmt.Fprintf(table, "fleet %s, routes of Ingress %s\n", fleet.Fleet, named)
			} else {
				fmt.Fprintf(table, "fleet %s, cluster %s, named by %s\n", fleet.Fleet, part.Cluster, cmp.Or(named, "the class"))
				fmt.Fprintf(table, "  endpoints\t%d ready, %d draining, %d not ready\t\n", part.Endpoints.Ready, part.Endpoints.Draining, part.Endpoints.NotReady)
			}
			for _, s := range part.Settings {
				fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Name, s.Value, s.From())
			}
		}
	}
	return table.Flush()
}

// printConcerned prints what is wrong with the Service and the Ingresses that
// lead to it.
func printConcerned(w io.Writer, list []finding.Problem) error {
	for _, p := range list {
		fmt.Fprintln(w, p.Error())
	}
	if len(list) > 0 {
		return cli.Exit(cli.Failure)
	}
	return nil
}
