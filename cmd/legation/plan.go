package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/translator/finding"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
)

// planFlags are those of `legation plan`.
type planFlags struct {
	inspectFlags
	files, without []string
}

func planCommand() *cobra.Command {
	f := &planFlags{}
	c := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Print what applying manifests would change, for whom, and what would be wrong",
		Long: `Sends manifests to a running Legation, which translates what it has read with these in the
place of what is there, and prints what would become different: hosts, resources, the
connections concerned and how many are open, the Problems that there would be, and those
that would be gone. Nothing is applied, and nothing that is served waits for it.

A Secret that no Ingress names yet was not read: the plan has the Problem that it is
missing, unless it is among the manifests. Hosts that would go are planned as gone at once,
while they are served on for deletion-window.

The exit status is 1 if it would bring a Problem that is an error, or drain connections of
clients.`,
		Example: `  legation plan -f ingress.yaml
  kustomize build overlays/production | legation plan -f -
  legation plan --without ingress/shop/old
  legation plan -f ingress.yaml -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.register(c)
	c.Flags().StringArrayVarP(&f.files, "filename", "f", nil, "file of manifests, - is standard input; may be repeated")
	c.Flags().StringArrayVar(&f.without, "without", nil, "an object that would be deleted, KIND/NAMESPACE/NAME; may be repeated")
	f.completeFlag(c, "without", knownObjects)
	return c
}

func (f *planFlags) run(c *cobra.Command) error {
	request := &adminv1.PlanRequest{}
	if len(f.files)+len(f.without) == 0 {
		return cli.Usage(c, errors.New("name manifests with -f, or what would be deleted with --without"))
	}
	for _, text := range f.without {
		object, err := inspect.ObjectText(text)
		if err != nil {
			return cli.Usage(c, fmt.Errorf("--without %w", err))
		}
		request.Deleted = append(request.Deleted, object)
	}
	for _, name := range f.files {
		text, err := readFile(c.InOrStdin(), name)
		if err != nil {
			return fmt.Errorf("-f: %w", err)
		}
		request.Manifests = append(append(request.Manifests, text...), "\n---\n"...)
	}
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Plan(ctx, request)
		if err != nil {
			return err
		}
		var names []string
		for _, fleet := range answer.GetFleets() {
			names = append(names, fleet.GetHosts()...)
		}
		if err := f.print(c.OutOrStdout(), answer, names, func() error { return f.writePlan(c.OutOrStdout(), answer) }); err != nil {
			return err
		}
		return planVerdict(answer)
	})
}

// readFile reads a file, or standard input.
func readFile(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// planVerdict is the exit status.
func planVerdict(p *adminv1.PlanResponse) error {
	for _, one := range p.GetProblems() {
		if one.GetSeverity() == string(finding.Error) {
			return cli.Exit(cli.Failure) // it was printed
		}
	}
	for _, fleet := range p.GetFleets() {
		for _, change := range fleet.GetChanges() {
			if change.GetDrains() {
				return cli.Exit(cli.Failure)
			}
		}
	}
	return nil
}

func (f *outputFlags) writePlan(w io.Writer, p *adminv1.PlanResponse) error {
	fmt.Fprintf(w, "%s, %d of them as they are now\n", count(int(p.GetObjects()), "object"), p.GetUnchanged())
	var fleets []fleetDiff
	for _, fleet := range p.GetFleets() {
		d := fleetDiff{Fleet: fleet.GetName()}
		for _, c := range fleet.GetChanges() {
			d.Changes = append(d.Changes, changeText{impact.Kind(c.GetKind()), c.GetType(), c.GetName(), c.GetFrom(), c.GetDrains(), c.GetEffect()})
		}
		fleets = append(fleets, d)
	}
	if len(fleets) == 0 {
		fmt.Fprintln(w, "nothing that is served changes")
	}
	if err := writeDiff(w, fleets); err != nil {
		return err
	}
	for _, fleet := range p.GetFleets() {
		if fleet.GetMore() > 0 {
			fmt.Fprintf(w, "fleet %s: and %s more\n", fleet.GetName(), count(int(fleet.GetMore()), "change"))
		}
		if closes := inspect.Closes(fleet.GetCloses(), time.Now()); closes != "" {
			fmt.Fprintf(w, "fleet %s: %s\n", fleet.GetName(), closes)
		}
	}
	for _, part := range []struct {
		title string
		list  []*adminv1.Problem
	}{{"There would be", p.GetProblems()}, {"There would be no more", p.GetSolved()}} {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s:\n", part.title)
		if err := f.writeProblems(w, part.list, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
