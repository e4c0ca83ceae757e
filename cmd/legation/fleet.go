package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/snapshot"
)

func fleetCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "fleet [FLEET]",
		Short: "List the Envoys that are connected, and how far each is",
		Long: `Asks a running Legation, and through it all its replicas (--peers of 'legation serve'),
which Envoys are connected. BEHIND is how many resources of the current version an
Envoy does not run, LAG the age of the oldest change that it does not run, REJECTED
how many resources it rejected: it goes on with what it had for them. What an earlier
process has stored is told below the first table.

An Envoy whose stream has ended is listed for an hour as gone, unless it is at a replica
again: killed, or taken away by a roll-out, which only who runs it can know.

The exit status is 1 if a replica does not answer, if an Envoy rejected something, or if
there is no such fleet.`,
		Example: `  legation fleet
  legation fleet public -o json
  kubectl exec deploy/legation -- legation fleet`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.fleet = args[0]
			}
			return f.envoys(c)
		},
	}
	f.register(c)
	c.ValidArgsFunction = f.completer(knownFleets)
	return c
}

// envoys prints the Envoys of a fleet, or of all.
func (f *inspectFlags) envoys(c *cobra.Command) error {
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Envoys(ctx, &adminv1.EnvoysRequest{Fleet: f.fleet})
		if err == nil {
			names := namesOf(answer.GetEnvoys(), (*adminv1.Envoy).GetId)
			err = f.print(c.OutOrStdout(), answer, names, func() error { return f.writeEnvoys(c.OutOrStdout(), answer) })
		}
		if err != nil {
			return err
		}
		return errors.Join(complain(c.ErrOrStderr(), answer.GetReplicas()), f.verdict(answer))
	})
}

// verdict is what makes the exit status 1: a script is to see what a person reads.
func (f *inspectFlags) verdict(answer *adminv1.EnvoysResponse) error {
	known := f.fleet == ""
	for _, r := range answer.GetReplicas() {
		known = known || slices.ContainsFunc(r.GetFleets(), func(x *adminv1.Fleet) bool { return x.GetName() == f.fleet })
	}
	if !known {
		return fmt.Errorf("there is no fleet %q", f.fleet)
	}
	rejected := 0
	for _, e := range answer.GetEnvoys() {
		rejected += len(e.GetRejected())
	}
	if rejected > 0 {
		return fmt.Errorf("%s rejected", count(rejected, "resource"))
	}
	return nil
}

func (f *outputFlags) writeEnvoys(w io.Writer, answer *adminv1.EnvoysResponse) error {
	if err := f.writeFleets(w, answer.GetReplicas()); err != nil {
		return err
	}
	if len(answer.GetEnvoys()) == 0 {
		fmt.Fprintln(w, "\nNo Envoy is connected.")
		return f.writeGone(w, answer.GetGone())
	}
	fmt.Fprintln(w)
	table := f.newTable(w, 1)
	row(table, "FLEET", "ENVOY", "ZONE", "ENVOY VERSION", "BOOTSTRAP", "REPLICA", "SINCE", "BEHIND", "LAG", "REJECTED", "FROM")
	for _, e := range answer.GetEnvoys() {
		behind := fmt.Sprint(e.GetBehind())
		if e.GetWaiting() {
			behind = waitsFor(e, answer.GetReplicas())
		}
		row(table, e.GetFleet(), e.GetId(), e.GetZone(), e.GetVersion(), bootstrapOf(e), e.GetInstance(), age(e.GetSince()), behind,
			lasted(e.GetLag()), fmt.Sprint(len(e.GetRejected())), e.GetPeer())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, e := range answer.GetEnvoys() {
		if e.GetNoIpv6() {
			fmt.Fprintf(w, "\n%s: its node has no IPv6: it listens at no such address, and reaches no endpoint by one\n", e.GetId())
		}
		for _, r := range e.GetRejected() {
			fmt.Fprintf(w, "\n%s rejects %s %s: %s\n", e.GetId(), snapshot.TypeName(r.GetTypeUrl()), r.GetName(), r.GetMessage())
		}
	}
	return f.writeGone(w, answer.GetGone())
}

// goneShown is how many Envoys that left are listed: after a roll-out it is all that there were.
const goneShown = 10

// writeGone lists who was there within the last hour, the last one to leave first.
func (f *outputFlags) writeGone(w io.Writer, list []*adminv1.GoneEnvoy) error {
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nGone within the last hour, and not back:")
	table := f.newTable(w, 0)
	row(table, "FLEET", "ENVOY", "REPLICA", "WAS THERE FOR", "LEFT")
	for _, g := range list[:min(len(list), goneShown)] {
		row(table, g.GetFleet(), g.GetId(), g.GetInstance(), rounded(g.GetLeft().AsTime().Sub(g.GetSince().AsTime())), age(g.GetLeft())+" ago")
	}
	if err := table.Flush(); err != nil || len(list) <= goneShown {
		return err
	}
	_, err := fmt.Fprintf(w, "and %d more\n", len(list)-goneShown)
	return err
}

// waitsFor is why an Envoy is served nothing.
func waitsFor(e *adminv1.Envoy, replicas []*adminv1.Replica) string {
	for _, r := range replicas {
		for _, f := range r.GetFleets() {
			if r.GetInstance() == e.GetInstance() && f.GetName() == e.GetFleet() && f.GetVersion().GetStored() != nil {
				return "keeps what it has"
			}
		}
	}
	return "no such fleet"
}

// writeFleets lists what each replica serves.
func (f *outputFlags) writeFleets(w io.Writer, replicas []*adminv1.Replica) error {
	table := f.newTable(w, 0)
	row(table, "FLEET", "REPLICA", "VERSION", "DIGEST", "AGE", "CURRENT")
	for _, r := range replicas {
		for _, one := range r.GetFleets() {
			v := one.GetVersion()
			row(table, one.GetName(), r.GetInstance(), fmt.Sprint(v.GetNumber()), shortDigest(v.GetDigest()), age(v.GetTime()),
				fmt.Sprintf("%d of %d Envoys", one.GetCurrent(), one.GetEnvoys()))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range replicas {
		for _, what := range r.GetUnwell() {
			fmt.Fprintf(w, "\nreplica %s: %s\n", r.GetInstance(), what)
		}
		for _, one := range r.GetFleets() {
			tellOfStored(w, one.GetName()+" at "+r.GetInstance(), one.GetVersion())
		}
	}
	return nil
}

// tellOfStored says that a version was only stored, if it was.
func tellOfStored(w io.Writer, what string, v *adminv1.Version) {
	if v.GetStored() != nil {
		fmt.Fprintf(w, "\n%s is what was stored %s ago: the source was not read yet. Envoys that start are served it, others keep what they have.\n", what, age(v.GetStored()))
	}
}

// bootstrapOf is the version of the bootstrap of an Envoy.
func bootstrapOf(e *adminv1.Envoy) string {
	if e.GetBootstrap() > 0 && e.GetBootstrap() < bootstrap.Version {
		return fmt.Sprintf("%d (behind %d)", e.GetBootstrap(), bootstrap.Version)
	}
	return fmt.Sprint(e.GetBootstrap())
}
