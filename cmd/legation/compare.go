package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect/compare"
)

// compareFlags are the flags of `legation compare`.
type compareFlags struct {
	source              onceFlags
	log, format, output string
}

func compareCommand() *cobra.Command {
	f := &compareFlags{}
	c := &cobra.Command{
		Use:   "compare [PATH] --nginx-log FILE",
		Short: "Print which requests of ingress-nginx's access log would be answered otherwise here",
		Long: `Reads an access log of ingress-nginx, and the objects of a folder or file, or of a
cluster, once, and decides each distinct request of the log by what the objects would be
here: which backend, redirect or refusal. It sends nothing and writes nothing, and no
Envoy is needed.

What differs is printed by Ingress and annotation: the annotation is the one without which
the answers would be the same. What is more open here comes first. If no annotation is the
reason, the worst Problem of the Ingress is named.

The log's usual format has no host, so a request is held against each host that leads to
the Service in the line; it differs if it would at all of them. If your log has another
format (log-format-upstream in the ConfigMap), give that with --log-format, and best have
$host in it. The end of the output says what could not be seen.

Classes of ingress-nginx are read as if Legation had taken that controller's place. The
exit status is 1 if anything differs.`,
		Example: `  kubectl -n ingress-nginx logs deploy/ingress-nginx-controller > access.log
  legation compare manifests --nginx-log access.log
  legation compare --kubeconfig ~/.kube/config --nginx-log access.log.gz -o json
  zcat logs/*.gz | legation compare manifests --nginx-log - -o csv > differences.csv
  legation compare manifests --nginx-log access.log \
    --log-format '$remote_addr [$time_local] $host "$request" $status $upstream_addr [$proxy_upstream_name]'`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: f.run,
	}
	flags := c.Flags()
	f.source.register(c)
	f.source.controllers = []string{inheritedController}
	flags.StringVar(&f.log, "nginx-log", "", "the access log, also compressed by gzip; - is standard input")
	flags.StringVar(&f.format, "log-format", compare.DefaultFormat, "how a line of it is written, as log-format-upstream says it")
	flags.StringVarP(&f.output, "output", "o", formatTable, "table, json or csv")
	complete(c, "output", formatTable, formatJSON, formatCSV)
	return c
}

func (f *compareFlags) run(c *cobra.Command, args []string) error {
	format, err := f.check(c, args)
	if err != nil {
		return cli.Usage(c, err)
	}
	log, err := openLog(f.log, c.InOrStdin())
	if err != nil {
		return fmt.Errorf("--nginx-log: %w", err)
	}
	defer log.Close()
	result, err := f.source.translate(c.Context())
	if err != nil {
		return err
	}
	report, err := compare.Compare(result, format, log)
	if err != nil {
		return fmt.Errorf("--nginx-log: %w", err)
	}
	if err := f.print(c.OutOrStdout(), report); err != nil {
		return err
	}
	return judged(report)
}

// judged is the end of the command: what differs, and a log of which nothing was read, is
// no success.
func judged(r compare.Report) error {
	switch {
	case len(r.Differences) > 0:
		return cli.Exit(cli.Failure) // they were printed
	case r.Requests == 0:
		return fmt.Errorf("no line of %d is of the format: see --log-format", r.Lines)
	}
	return nil
}

func (f *compareFlags) check(c *cobra.Command, args []string) (*compare.Format, error) {
	if f.log == "" {
		return nil, errors.New("--nginx-log: name the access log")
	}
	if !slices.Contains([]string{formatTable, formatJSON, formatCSV}, f.output) {
		return nil, fmt.Errorf("--output %q: want table, json or csv", f.output)
	}
	if err := f.source.named(args); err != nil {
		return nil, err
	}
	if err := f.source.check(c.Flags()); err != nil {
		return nil, err
	}
	format, err := compare.ParseFormat(f.format)
	if err != nil {
		return nil, fmt.Errorf("--log-format: %w", err)
	}
	return format, nil
}

// openLog opens an access log, which may be compressed; "-" is standard input.
func openLog(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	file, err := os.Open(name)
	if err != nil || !strings.HasSuffix(name, ".gz") {
		return file, err
	}
	text, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{text, file}, nil
}

func (f *compareFlags) print(w io.Writer, r compare.Report) error {
	switch f.output {
	case formatJSON:
		return writeJSON(w, r)
	case formatCSV:
		return compareCSV(w, r)
	}
	differ := r.Requests - r.Same
	for _, u := range r.Unseen {
		differ -= u.Requests
	}
	fmt.Fprintf(w, "%d lines, %d distinct requests: %d are answered the same, %d otherwise, %d cannot be told\n",
		r.Lines, r.Requests, r.Same, differ, r.Requests-r.Same-differ)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range r.Differences {
		printDifference(table, d)
	}
	fmt.Fprintf(table, "\nnot seen\n")
	if r.Unread > 0 {
		fmt.Fprintf(table, "  %d lines\tare not of the format, or no request\n", r.Unread)
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(table, "  %d requests\t%s; such as: %s\n", u.Requests, u.Why, u.Example)
	}
	for _, text := range r.Never {
		fmt.Fprintf(table, "  never\t%s\n", text)
	}
	return table.Flush()
}

func printDifference(w io.Writer, d compare.Difference) {
	open := ""
	if d.Open {
		open = "MORE OPEN: "
	}
	fmt.Fprintf(w, "\n%s%s\t%s\n", open, d.Object, d.Field)
	if d.Value != "" {
		fmt.Fprintf(w, "  value\t%s\n", strconv.Quote(d.Value))
	}
	fmt.Fprintf(w, "  host\t%s\n  was\t%s\n  is\t%s\n", strings.Join(append([]string{d.Host}, d.Or...), ", or "), d.Was, d.Is)
	if d.Message != "" {
		fmt.Fprintf(w, "  says\t%s\n", d.Message)
	}
	fmt.Fprintf(w, "  requests\t%d, in %d lines, such as: %s\n", d.Requests, d.Lines, strings.Join(d.Examples, ", "))
}

func compareCSV(w io.Writer, r compare.Report) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"open", "object", "field", "value", "file", "host", "was", "is", "requests", "lines", "message", "example"}}
	for _, d := range r.Differences {
		rows = append(rows, []string{strconv.FormatBool(d.Open), d.Object, d.Field, d.Value, d.File, d.Host, d.Was, d.Is,
			strconv.Itoa(d.Requests), strconv.Itoa(d.Lines), d.Message, d.Examples[0]})
	}
	return out.WriteAll(rows)
}
