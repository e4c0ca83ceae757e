package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
)

// errorsTime bounds how long logs may take to be read.
const errorsTime = time.Minute

// errorsFlags are those of `legation errors`.
type errorsFlags struct {
	outputFlags
	where envoyFlags
	logs  []string // files in place of the logs of pods
	since time.Duration
	lines int64
	least int
}

func errorsCommand() *cobra.Command {
	f := &errorsFlags{}
	c := &cobra.Command{
		Use:   "errors HOST",
		Short: "Print the last failed requests of a host, by cause, from the access logs of all Envoys",
		Long: `Reads the access logs of the pods with Envoys (the right to read pods/log is the guard),
and prints the requests of a host that failed, by cause: what it means, where to look, how
many there were, of which Ingress, at which Service and endpoints, of which clients, and the last
of them. Queries of paths are left out. No control plane has to run.

It needs access-log to be the log of the container, which is the default, and the fields
time, host, status, flags, details and route. Logs that are elsewhere are read with --log: a
file of lines as Envoy wrote them. The exit status is 1 if anything is listed.`,
		Example: `  legation errors shop.example.com
  legation errors '*.example.com' --since 1h --status 400
  legation errors shop.example.com --log /var/log/envoy/access.log
  journalctl -u envoy -o cat | legation errors shop.example.com --log -
  legation errors shop.example.com -o json`,
		Args: cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.where.register(c)
	f.registerOutput(c)
	flags := c.Flags()
	flags.StringArrayVar(&f.logs, "log", nil, "read this access log in place of those of pods, also compressed by gzip; - is standard input; may be repeated")
	flags.DurationVar(&f.since, "since", 10*time.Minute, "no errors that are older")
	flags.Int64Var(&f.lines, "lines", 10_000, "how many lines of the log of each Envoy are read, the last ones")
	flags.IntVar(&f.least, "status", 500, "the least status that is an error; a request without an answer always is")
	return c
}

func (f *errorsFlags) run(c *cobra.Command, host string) error {
	if err := f.checkOutput(); err != nil {
		return cli.Usage(c, err)
	}
	if f.since <= 0 || f.lines <= 0 {
		return cli.Usage(c, errors.New("--since and --lines must be above zero"))
	}
	log := &inspect.ErrorLog{Host: host, Least: f.least, Since: time.Now().Add(-f.since)}
	from, err := f.read(c, log)
	if err != nil {
		return err
	}
	causes := log.Causes()
	names := namesOf(causes, func(e inspect.ErrorCause) string { return e.Cluster })
	value := map[string]any{"host": host, "lines": log.Lines, "unnamed": log.Unnamed, "causes": causes}
	if err := f.print(c.OutOrStdout(), value, names, func() error { return f.writeErrors(c.OutOrStdout(), log, from, causes) }); err != nil {
		return err
	}
	if log.Unnamed > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "%s failed before Envoy knew the host: headers that are too large or no HTTP (details in the access log), by http\n", count(log.Unnamed, "more request"))
	}
	if len(causes) > 0 {
		return cli.Exit(cli.Failure) // they were printed
	}
	return nil
}

// beyond says what was not looked for, if it was only what is somebody's fault here.
func beyond(least int) string {
	if least <= http.StatusBadRequest {
		return ""
	}
	return fmt.Sprintf(", of status %d and above (--status %d: what clients are refused, too)", least, http.StatusBadRequest)
}

// read reads the logs, and says of what they were.
func (f *errorsFlags) read(c *cobra.Command, log *inspect.ErrorLog) (from string, err error) {
	if len(f.logs) > 0 {
		for _, name := range f.logs {
			text, err := openLog(name, c.InOrStdin())
			if err == nil {
				err = errors.Join(log.Read(name, text), text.Close())
			}
			if err != nil {
				return "", err
			}
		}
		return count(len(f.logs), "log"), nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), errorsTime)
	defer cancel()
	list, err := f.where.envoys(ctx, "")
	if err != nil {
		return "", err
	}
	for _, e := range list {
		text, err := e.Log(ctx, f.lines, f.since)
		if err == nil {
			err = errors.Join(log.Read(e.Pod.Name, text), text.Close())
		}
		if err != nil { // the others may know
			fmt.Fprintln(c.ErrOrStderr(), err)
		}
	}
	return count(len(list), "Envoy"), nil
}

func (f *outputFlags) writeErrors(w io.Writer, log *inspect.ErrorLog, from string, causes []inspect.ErrorCause) error {
	if len(causes) == 0 {
		_, err := fmt.Fprintf(w, "no errors in %s of %s%s\n", count(log.Lines, "line"), from, beyond(log.Least))
		return err
	}
	table := f.newTable(w, 3)
	row(table, "COUNT", "LAST", "STATUS", "FLAGS", "INGRESS", "SERVICE", "CLIENTS", "CAUSE", "LOOK AT", "ENDPOINTS", "ENVOYS", "REQUEST ID")
	for _, c := range causes {
		row(table, fmt.Sprint(c.Count), c.Last.Time.Local().Format(time.TimeOnly), fmt.Sprint(c.Status), c.Flags, c.Ingress, c.Cluster, some(c.Clients, fewHosts), c.Cause, c.Look,
			some(c.Endpoints, fewHosts), strings.Join(c.Envoys, " "), c.Last.RequestID)
	}
	return table.Flush()
}
