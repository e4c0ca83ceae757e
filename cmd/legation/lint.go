package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
)

// Values of --output of lint besides table and json.
const (
	formatCSV   = "csv"
	formatSARIF = "sarif"
)

// inheritedController is whose classes lint reads as ours, unless it is told otherwise.
const inheritedController = "k8s.io/ingress-nginx"

// lintFlags are the flags of `legation lint`.
type lintFlags struct {
	source                       onceFlags
	output, by, baseline, record string
}

func lintCommand() *cobra.Command {
	f := &lintFlags{}
	c := &cobra.Command{
		Use:   "lint [PATH]",
		Short: "Print what moving Ingresses here would change, before anything moves",
		Long: `Reads the objects of a folder or file, or of a cluster, once, and prints what they would
be here: first a verdict, then what is behind it, by cause, with the most Ingresses first
and three examples of each. It writes nothing, and no Envoy is needed.

Classes of ingress-nginx are read as if Legation had taken that controller's place.

The exit status is 1 if anything would be refused or needs a decision. With --baseline
only what is not in that file counts: --record writes such a file.`,
		Example: `  legation lint manifests
  legation lint --kubeconfig ~/.kube/config -o csv > moving.csv
  legation lint manifests --by namespace
  legation lint manifests --record lint.json && legation lint manifests --baseline lint.json`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: f.run,
	}
	flags := c.Flags()
	f.source.register(c)
	f.source.controllers = []string{inheritedController}
	flags.StringVarP(&f.output, "output", "o", formatTable, "table, json, csv or sarif")
	flags.StringVar(&f.by, "by", "", "namespace: count the Ingresses of each verdict by namespace, too")
	flags.StringVar(&f.baseline, "baseline", "", "file of Problems that are known and count for nothing")
	flags.StringVar(&f.record, "record", "", "write the Problems to this file, for --baseline")
	complete(c, "output", formatTable, formatJSON, formatCSV, formatSARIF)
	complete(c, "by", "namespace")
	return c
}

func (f *lintFlags) run(c *cobra.Command, args []string) error {
	if err := f.check(c, args); err != nil {
		return cli.Usage(c, err)
	}
	known, err := f.known()
	if err != nil {
		return err
	}
	result, err := f.source.translate(c.Context())
	if err != nil {
		return err
	}
	l := inspect.LintOf(result, time.Now(), known)
	if err := f.print(c.OutOrStdout(), l); err != nil {
		return err
	}
	if f.record != "" {
		return f.write(l)
	}
	if bad := l.Verdicts[inspect.NotAllowed] + l.Verdicts[inspect.Undecided]; bad > 0 {
		return fmt.Errorf("%d of %d Ingresses would be refused or need a decision", bad, l.Ingresses)
	}
	return nil
}

func (f *lintFlags) check(c *cobra.Command, args []string) error {
	switch {
	case !slices.Contains([]string{formatTable, formatJSON, formatCSV, formatSARIF}, f.output):
		return fmt.Errorf("--output %q: want table, json, csv or sarif", f.output)
	case f.by != "" && f.by != "namespace":
		return fmt.Errorf("--by %q: want namespace", f.by)
	}
	if err := f.source.named(args); err != nil {
		return err
	}
	return f.source.check(c.Flags())
}

// known are the Problems of the baseline.
func (f *lintFlags) known() (map[string]bool, error) {
	if f.baseline == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.baseline)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	var l inspect.Lint
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("--baseline %s: not what --record writes: %w", f.baseline, err)
	}
	known := map[string]bool{}
	for _, p := range l.Problems {
		known[p.ID()] = true
	}
	return known, nil
}

func (f *lintFlags) write(l inspect.Lint) error {
	file, err := os.Create(f.record)
	if err != nil {
		return fmt.Errorf("--record: %w", err)
	}
	return errors.Join(writeJSON(file, l), file.Close())
}

func (f *lintFlags) print(w io.Writer, l inspect.Lint) error {
	switch f.output {
	case formatJSON:
		return writeJSON(w, l)
	case formatCSV:
		return lintCSV(w, l)
	case formatSARIF:
		return lintSARIF(w, l)
	}
	fmt.Fprintf(w, "%d Ingresses: %d move unchanged, %d with a difference you should read, %d need a decision, %d would be refused\n", l.Ingresses,
		l.Verdicts[inspect.Unchanged], l.Verdicts[inspect.Different], l.Verdicts[inspect.Undecided], l.Verdicts[inspect.NotAllowed])
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if f.by != "" {
		byNamespace(table, l)
	}
	for _, c := range l.Causes {
		fmt.Fprintf(table, "\n%s\t%s, objects: %d\n", c.Verdict, c.Code, c.Objects)
		fmt.Fprintf(table, "\tat: %s\n\tsays: %s\n\tdo: %s\n\tsuch as: %s\n", c.Field, c.Message, c.Do, strings.Join(c.Examples, ", "))
	}
	return table.Flush()
}

// byNamespace counts the Ingresses of each namespace.
func byNamespace(w io.Writer, l inspect.Lint) {
	fmt.Fprintf(w, "\nNAMESPACE\tUNCHANGED\tDIFFERENCE\tDECISION\tREFUSED\n")
	for _, name := range slices.Sorted(maps.Keys(l.Namespaces)) {
		of := l.Namespaces[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, of[inspect.Unchanged], of[inspect.Different], of[inspect.Undecided], of[inspect.NotAllowed])
	}
}

func lintCSV(w io.Writer, l inspect.Lint) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"verdict", "code", "object", "file", "field", "value", "message"}}
	for _, p := range l.Problems {
		rows = append(rows, []string{string(p.Verdict), string(p.Code), p.Object, p.File, p.Field, p.Value, p.Message})
	}
	return out.WriteAll(rows)
}

// levels are how SARIF calls the verdicts.
var levels = map[inspect.Verdict]string{inspect.Unchanged: "note", inspect.Different: "warning", inspect.Undecided: "error", inspect.NotAllowed: "error"}

// lintSARIF writes what code hosts show beside a change. OASIS SARIF 2.1.0.
func lintSARIF(w io.Writer, l inspect.Lint) error {
	report := sarif.NewReport()
	run := sarif.NewRunWithInformationURI("legation", "https://legation.dev")
	for _, p := range l.Problems {
		row := p.Code.Row()
		run.AddRule(string(p.Code)).WithDescription(row.Do)
		result := run.CreateResultForRule(string(p.Code)).WithLevel(levels[p.Verdict]).
			WithMessage(sarif.NewTextMessage(p.Object + ": " + p.Field + ": " + p.Message))
		if file, line, ok := placeOf(p.File); ok {
			result.AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
				WithArtifactLocation(sarif.NewSimpleArtifactLocation(file)).WithRegion(sarif.NewSimpleRegion(line, line))))
		}
	}
	report.AddRun(run)
	return report.PrettyWrite(w)
}

// placeOf is a file and a line of it; false if there is no file.
func placeOf(place string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(place, ':')
	if i < 0 {
		return place, 1, place != ""
	}
	if _, err := fmt.Sscan(place[i+1:], &line); err != nil {
		return place, 1, true
	}
	return place[:i], line, true
}
