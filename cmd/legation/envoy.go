package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"legation.dev/cmd/cli"
	"legation.dev/cmd/reach"
	"legation.dev/xds/redact"
)

// asks are what an Envoy is asked.
var asks = []string{"stats", "clusters", "certs", "config", "log"}

// envoyFlags are those of `legation envoy`.
type envoyFlags struct {
	clusterFlags
	namespace string
	write     bool
}

func envoyCommand() *cobra.Command {
	f := &envoyFlags{}
	c := &cobra.Command{
		Use:   "envoy POD stats|clusters|certs|config | envoy POD log LEVEL --write",
		Short: "Print what an Envoy in the cluster says of itself, or set the level of its log",
		Long: `Runs shutdown-manager in the pod of an Envoy, which asks Envoy's admin interface: that is a
socket which nobody outside the pod has. Who may do this is who has the right to create
pods/exec there. No control plane has to run.

stats are the statistics that were used, clusters the clusters with their endpoints, certs
the certificates that it has loaded, config its whole configuration, without private keys
and passwords. With --write, log LEVEL sets the level of all loggers (trace, debug, info,
warning, error, critical, off), until that Envoy is started again.`,
		Example: `  legation envoy legation-envoy-public-x2x4z stats
  legation envoy -n legation legation-envoy-public-x2x4z config
  legation envoy legation-envoy-public-x2x4z log debug --write`,
		Args: cli.Arguments(cobra.RangeArgs(2, 3)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	f.register(c)
	c.Flags().BoolVar(&f.write, "write", false, "change something: for log")
	c.ValidArgsFunction = f.complete
	return c
}

// register registers the flags that say where the pods are.
func (f *envoyFlags) register(c *cobra.Command) {
	f.registerCluster(c)
	c.Flags().StringVarP(&f.namespace, "namespace", "n", "", "namespace of the pods with Envoys (default: all)")
}

// complete offers pods, then what they are asked.
func (f *envoyFlags) complete(_ *cobra.Command, args []string, word string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		ctx, cancel := context.WithTimeout(context.Background(), completeTime)
		defer cancel()
		list, _ := f.envoys(ctx, "") // whoever cannot look is offered nothing
		words = namesOf(list, func(e reach.Envoy) string { return e.Pod.Name })
	case 1:
		words = slices.Clone(asks)
	}
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, word) }), cobra.ShellCompDirectiveNoFileComp
}

// envoys are the pods with Envoys, or the one of a name.
func (f *envoyFlags) envoys(ctx context.Context, name string) ([]reach.Envoy, error) {
	config, namespace, err := f.config()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errNoCluster
	}
	if err != nil {
		return nil, err
	}
	return reach.Cluster{REST: config, Namespace: f.namespace, Fallback: namespace}.Envoys(ctx, name)
}

func (f *envoyFlags) run(c *cobra.Command, args []string) error {
	what, words := args[1], args[1:]
	switch {
	case !slices.Contains(asks, what):
		return cli.Usage(c, fmt.Errorf("%q: want one of %s", what, strings.Join(asks, ", ")))
	case (what == "log") != (len(args) == 3):
		return cli.Usage(c, errors.New("log wants a LEVEL, and nothing else has one"))
	case what == "log" && !f.write:
		return cli.Usage(c, errors.New("log changes something: say --write"))
	case what == "log":
		words = append(words, "--write")
	}
	ctx, cancel := context.WithTimeout(c.Context(), inspectTime)
	defer cancel()
	list, err := f.envoys(ctx, args[0])
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	if err := list[0].Ask(ctx, &answer, words...); err != nil {
		return err
	}
	if what == "config" {
		return showConfig(c, answer.Bytes())
	}
	_, err = answer.WriteTo(c.OutOrStdout())
	return err
}

// showConfig prints a configuration as people may see it.
func showConfig(c *cobra.Command, text []byte) error {
	text, err := redact.Dump(text)
	if err != nil {
		return fmt.Errorf("its configuration cannot be decoded, and is not shown: %w", err)
	}
	return writeJSON(c.OutOrStdout(), json.RawMessage(text))
}
