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
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/nginx"
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
	source                                onceFlags
	output, by, baseline, record, version string

	was nginx.Version // that check made of version
}

func lintCommand() *cobra.Command {
	f := &lintFlags{}
	c := &cobra.Command{
		Use:   "lint [PATH]",
		Short: "Print what moving Ingresses here would change, before anything moves",
		Long: `Reads the objects of a folder or file, or of a cluster, once, and prints what they would
be here: first a verdict, then what is behind it, by cause, with the most Ingresses first
and three examples of each. It writes nothing, and no Envoy is needed.

Beside what is wrong with an object it says what no object shows by itself: patterns that
an Ingress makes of the paths of others, what it lends to paths without a rule, whom it
closes, and what ingress-nginx drops today. What is more open here needs a decision.

Classes of ingress-nginx are read as if Legation had taken that controller's place.

The exit status is 1 if anything would be refused or needs a decision. With --baseline
only what is not in that file counts: --record writes such a file.`,
		Example: `  legation lint manifests
  legation lint --kubeconfig ~/.kube/config -o csv > moving.csv
  legation lint manifests --by namespace
  legation lint manifests --by label=team --nginx-version 1.11
  legation lint manifests --record lint.json && legation lint manifests --baseline lint.json`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: f.run,
	}
	flags := c.Flags()
	f.source.register(c)
	f.source.controllers = []string{inheritedController}
	flags.StringVarP(&f.output, "output", "o", formatTable, "table, json, csv or sarif")
	flags.StringVar(&f.by, "by", "", "count the Ingresses of each verdict by this, too: namespace, or label=KEY")
	flags.StringVar(&f.version, "nginx-version", "1.15", "the version of ingress-nginx that they come from: what it made of a value comes first")
	flags.StringVar(&f.baseline, "baseline", "", "file of Problems that are known and count for nothing")
	flags.StringVar(&f.record, "record", "", "write the Problems to this file, for --baseline")
	complete(c, "output", formatTable, formatJSON, formatCSV, formatSARIF)
	complete(c, "by", byNamespace, byLabel)
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
	options := inspect.LintOptions{Known: known, By: f.by, Before: f.before, MoreOpen: moreOpen}
	if options.Group, err = f.group(c.Context()); err != nil {
		return err
	}
	l := inspect.LintOf(result, time.Now(), options)
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
	case f.by != "" && f.by != byNamespace && (!strings.HasPrefix(f.by, byLabel) || f.by == byLabel):
		return fmt.Errorf("--by %q: want namespace or label=KEY", f.by)
	}
	var err error
	if f.was, err = nginx.ParseVersion(f.version); err != nil {
		return fmt.Errorf("--nginx-version %q: %w", f.version, err)
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
		byGroup(table, l)
	}
	for _, c := range l.Causes {
		fmt.Fprintf(table, "\n%s\t%s, objects: %d\n", c.Verdict, c.Code, c.Objects)
		fmt.Fprintf(table, "\tat: %s\n\tsays: %s\n\tdo: %s\n\tsuch as: %s\n", c.Field, c.Message, c.Do, strings.Join(c.Examples, ", "))
	}
	return table.Flush()
}

// byGroup counts the Ingresses of each group.
func byGroup(w io.Writer, l inspect.Lint) {
	fmt.Fprintf(w, "\n%s\tUNCHANGED\tDIFFERENCE\tDECISION\tREFUSED\n", strings.ToUpper(l.By))
	for _, name := range slices.Sorted(maps.Keys(l.Groups)) {
		of := l.Groups[name]
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

// before is what ingress-nginx made of an Ingress.
func (f *lintFlags) before(o *input.Ingress) (list []finding.Problem) {
	for _, told := range nginx.There(f.was, o.Annotations) {
		code := finding.ServedThere
		if told.Dropped {
			code = finding.DroppedThere
		}
		list = append(list, code.Of(input.Origin(o).In(told.Field), told.Value, told.Text))
	}
	return list
}

// moreOpen is what ingress-nginx keeps out at the field of a Problem, and we do not.
func moreOpen(p finding.Problem) string { return nginx.MoreOpen(p.Field, p.Value) }
