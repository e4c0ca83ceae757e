package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"legation.dev/cmd/cli"
	"legation.dev/translator/finding"
	"legation.dev/xds/admin/adminv1"
)

// problemsFlags are the flags of `legation problems`.
type problemsFlags struct {
	inspectFlags
	in, least string
}

func problemsCommand() *cobra.Command {
	f := &problemsFlags{}
	c := &cobra.Command{
		Use:   "problems",
		Short: "List what is wrong now, with whatever object, the worst first",
		Long: `Lists what a running Legation finds wrong with Ingresses, Services, EndpointSlices,
Secrets, classes, their settings and files, and what Envoys of any replica reject: how
bad it is, the code, since when it is known, the object, the field and what it means for
requests. 'legation codes' says what to do about each code.

Ingresses of classes that are not ours are counted by class below: nothing is wrong with
them, but they are not served here.

The exit status is 1 if anything is listed. 'legation translate PATH' says the same of
manifests that are not served yet.`,
		Example: `  legation problems
  legation problems --in shop --severity error
  legation problems -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: f.run,
	}
	f.register(c)
	c.Flags().StringVar(&f.in, "in", "", "only objects of this namespace")
	f.completeFlag(c, "in", knownNamespaces)
	c.Flags().StringVar(&f.least, "severity", string(finding.Warning), "the least that is listed: error, warning or info")
	complete(c, "severity", string(finding.Error), string(finding.Warning), string(finding.Info))
	return c
}

func (f *problemsFlags) run(c *cobra.Command, _ []string) error {
	least := finding.Severity(f.least).Rank()
	if least < 0 {
		return cli.Usage(c, fmt.Errorf("--severity %q: want error, warning or info", f.least))
	}
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Problems(ctx, &adminv1.ProblemsRequest{Namespace: f.in})
		if err != nil {
			return err
		}
		rank := func(p *adminv1.Problem) int { return finding.Severity(p.GetSeverity()).Rank() }
		answer.Problems = slices.DeleteFunc(answer.GetProblems(), func(p *adminv1.Problem) bool { return rank(p) < least })
		slices.SortStableFunc(answer.Problems, func(a, b *adminv1.Problem) int { return cmp.Compare(rank(b), rank(a)) })
		names := namesOf(answer.GetProblems(), func(p *adminv1.Problem) string { return argumentOf(p.GetObject()) })
		err = f.print(c.OutOrStdout(), answer, names, func() error {
			return errors.Join(f.writeProblems(c.OutOrStdout(), answer.GetProblems(), time.Now()), f.writeElsewhere(c.OutOrStdout(), answer.GetElsewhere()))
		})
		if err == nil {
			err = complain(c.ErrOrStderr(), answer.GetReplicas())
		}
		if err == nil && len(answer.GetProblems()) > 0 {
			return cli.Exit(cli.Failure) // they were printed
		}
		return err
	})
}

// writeElsewhere counts what is not served here.
func (f *outputFlags) writeElsewhere(w io.Writer, list []*adminv1.Elsewhere) error {
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nNot served here, since their class is not ours:")
	table := f.newTable(w, 0)
	row(table, "CLASS", "CONTROLLER", "INGRESSES", "SUCH AS")
	for _, e := range list {
		row(table, e.GetClass(), e.GetController(), fmt.Sprint(e.GetIngresses()), strings.Join(e.GetExamples(), ", "))
	}
	return table.Flush()
}

func (f *outputFlags) writeProblems(w io.Writer, list []*adminv1.Problem, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "nothing is wrong")
		return err
	}
	table := f.newTable(w, 0)
	row(table, "SEVERITY", "CODE", "AGE", "OBJECT", "FIELD", "MESSAGE")
	for _, p := range list {
		field := p.GetField()
		if p.GetValue() != "" {
			field += fmt.Sprintf("=%q", p.GetValue())
		}
		object := strings.TrimSpace(p.GetObject() + " " + p.GetFile())
		row(table, p.GetSeverity(), p.GetCode(), duration.HumanDuration(now.Sub(p.GetSince().AsTime())), object, field, p.GetMessage())
	}
	return table.Flush()
}
