package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/host"
)

// envoyFlags say where an Envoy is and how it is drained.
type envoyFlags struct {
	admin   string
	ignored []string
	times   drain.Times
}

// followed is the default of a time that follows from the grace period.
const followed = -1 * time.Nanosecond

func (e *envoyFlags) add(f *pflag.FlagSet) {
	e.addAdmin(f)
	f.StringSliceVar(&e.ignored, "ignore-listeners", []string{"health", "metrics"}, "`names` of Envoy's listeners whose connections are not waited for: those of probes")
	f.DurationVar(&e.times.Grace, "grace-period", drain.DefaultGrace, "terminationGracePeriodSeconds of the pod; all other times follow from it")
	f.DurationVar(&e.times.Min, "min-drain", followed, "how long to accept after the health checks fail, at least, until balancers have noticed")
	f.DurationVar(&e.times.Max, "max-drain", followed, "when to end Envoy whatever is active, from the start")
	f.StringVar((*string)(&e.times.Upgrades), "upgrades", string(drain.Hold), "WebSockets: hold (wait for them as for requests) or close (do not)")
	f.Lookup("min-drain").DefValue = "a sixth of the grace period, at most 15s"
	f.Lookup("max-drain").DefValue = "the grace period less a tenth, at least 1s, at most 5s"
}

func (e *envoyFlags) addAdmin(f *pflag.FlagSet) {
	f.StringVar(&e.admin, "admin", "", "Envoy's admin interface, unix:PATH or HOST:PORT (required)")
}

// client is that of the admin interface.
func (e *envoyFlags) client(c *cobra.Command) (*admin.Client, error) {
	if e.admin == "" {
		return nil, cli.Usage(c, errors.New("--admin is required: unix:PATH or HOST:PORT"))
	}
	client, err := admin.New(e.admin)
	return client, cli.Usage(c, err)
}

// read checks all flags, before anything is started.
func (e *envoyFlags) read(c *cobra.Command) (*admin.Client, drain.Plan, error) {
	client, err := e.client(c)
	if err != nil {
		return nil, drain.Plan{}, err
	}
	for name, value := range map[string]time.Duration{"min-drain": e.times.Min, "max-drain": e.times.Max} {
		if value < 0 && c.Flags().Changed(name) {
			return nil, drain.Plan{}, cli.Usage(c, fmt.Errorf("--%s=%s: must not be negative", name, value))
		}
	}
	plan, err := drain.NewPlan(e.times)
	return client, plan, cli.Usage(c, err)
}

// unsent asks the kernel who has not taken all that Envoy has answered at its data
// listeners.
func (e *envoyFlags) unsent(client *admin.Client) func(context.Context) (uint64, error) {
	return func(ctx context.Context) (uint64, error) {
		listeners, err := client.Listeners(ctx)
		if err != nil {
			return 0, err
		}
		var addresses []netip.AddrPort
		for _, l := range listeners {
			if at, err := netip.ParseAddrPort(l.Address); err == nil && !slices.Contains(e.ignored, l.Name) {
				addresses = append(addresses, at)
			}
		}
		return host.Unsent(addresses)
	}
}
