package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// translateFlags are the flags of `legation translate`.
type translateFlags struct {
	class, output, diff string
	controllers         []string
}

func translateCommand() *cobra.Command {
	f := &translateFlags{}
	c := &cobra.Command{
		Use:   "translate PATH",
		Short: "Print what Envoys would be sent for a folder of manifests",
		Long: `Translates the manifests of a folder or file, once, and prints the snapshot of each
fleet: the Envoy resources, with private keys redacted. Equal manifests print equal
bytes, on every machine.

What is wrong with an object goes to standard error with its file and field, and
makes the exit status 1: a check for CI. With -o json each line there is an object
with code and severity ('legation codes' lists them), object, file, field and message.

With --diff, prints instead what would change for Envoys that run the snapshot of
OLD, and which connections each change concerns.`,
		Example: `  legation translate examples/shop
  legation translate examples/shop --output json | jq '.fleets[].resources.VHDS[].name'

  # what becomes of Ingresses of ingress-nginx, as they are
  legation translate manifests --controller-class k8s.io/ingress-nginx

  # what does this branch change, and whom does it disconnect?
  git worktree add /tmp/main main
  legation translate manifests --diff /tmp/main/manifests`,
		Args: cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	flags := c.Flags()
	flags.StringVar(&f.class, "class", "", "only the fleet of this IngressClass")
	controllerClass(flags, &f.controllers)
	flags.StringVarP(&f.output, "output", "o", formatYAML, "yaml or json")
	flags.StringVar(&f.diff, "diff", "", "folder or file of the manifests to compare with")
	complete(c, "output", formatYAML, formatJSON)
	return c
}

func (f *translateFlags) run(c *cobra.Command, path string) error {
	if f.output != formatYAML && f.output != formatJSON {
		return cli.Usage(c, fmt.Errorf("--output %q: want yaml or json", f.output))
	}
	result, err := translate(path, f.controllers)
	if err != nil {
		return err
	}
	if err := f.checkClass(result); err != nil {
		return err
	}
	if f.diff == "" {
		err = f.print(c.OutOrStdout(), result)
	} else {
		err = f.printDiff(c.OutOrStdout(), result)
	}
	if err != nil {
		return err
	}
	problems := result.Problems(time.Now())
	if err := f.printProblems(c.ErrOrStderr(), problems); err != nil {
		return err
	}
	if len(problems) > 0 {
		return cli.Exit(cli.Failure) // they were printed
	}
	return nil
}

// problemText is a Problem as JSON.
type problemText struct {
	Code     finding.Code     `json:"code"`
	Severity finding.Severity `json:"severity"`
	Object   string           `json:"object"`
	File     string           `json:"file,omitempty"`
	Field    string           `json:"field,omitempty"`
	Value    string           `json:"value,omitempty"`
	Message  string           `json:"message"`
}

// printProblems prints a line for each: text for people, or a JSON object.
func (f *translateFlags) printProblems(w io.Writer, problems []finding.Problem) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, p := range problems {
		if f.output != formatJSON {
			fmt.Fprintln(w, p.Error())
			continue
		}
		err := encoder.Encode(problemText{Code: p.Code, Severity: p.Code.Row().Severity, Object: p.Object.String(),
			File: p.File, Field: p.Field, Value: p.Value, Message: p.Message})
		if err != nil {
			return err
		}
	}
	return nil
}

// translate reads and translates a folder or file. The stand-in certificate is
// left out: it would make the output differ from run to run.
func translate(path string, controllers []string) (translator.Result, error) {
	changes, err := dir.Read(path, controllers...)
	if err != nil {
		return translator.Result{}, err
	}
	return translator.Translate(translator.Result{}, input.View{}.With(changes...)), nil
}

func (f *translateFlags) checkClass(r translator.Result) error {
	if _, ok := r.Fleet(f.class); f.class != "" && !ok {
		return fmt.Errorf("--class %s: there is no such IngressClass with spec.controller %s", f.class, strings.Join(append([]string{input.Controller}, f.controllers...), " or "))
	}
	return nil
}

// wanted reports whether a fleet is to be printed.
func (f *translateFlags) wanted(name string) bool { return f.class == "" || f.class == name }

func (f *translateFlags) printDiff(w io.Writer, now translator.Result) error {
	before, err := translate(f.diff, f.controllers)
	if err != nil {
		return fmt.Errorf("--diff: %w", err)
	}
	var fleets []fleetDiff
	for fleet := range now.Fleets() {
		if !f.wanted(fleet.Name) {
			continue
		}
		var from snapshot.Snapshot
		if old, ok := before.Fleet(fleet.Name); ok {
			from = old.Snapshot
		}
		fleets = append(fleets, diffOf(fleet.Name, impact.Of(from, fleet.Snapshot)))
	}
	for fleet := range before.Fleets() {
		if _, still := now.Fleet(fleet.Name); !still && f.wanted(fleet.Name) {
			fleets = append(fleets, fleetDiff{Fleet: fleet.Name, Frozen: true})
		}
	}
	if f.output == formatJSON {
		return writeJSON(w, map[string]any{"fleets": fleets})
	}
	return writeDiff(w, fleets)
}
