package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
	"legation.dev/drain/api"
	"legation.dev/drain/event"
)

// reportFlags say where the report goes besides the log.
type reportFlags struct {
	path, pod string
	api       *apiFlags // those of the command
}

func (r *reportFlags) addReport(f *pflag.FlagSet, of *apiFlags) {
	r.api = of
	f.StringVar(&r.path, "report", "", "`file` that the report is written to as JSON, such as /dev/termination-log, which Kubernetes shows in the status of the pod")
	f.StringVar(&r.pod, "event-on", "", "pod, as `NAMESPACE/NAME/UID`, that gets the report as an Event, which outlives it (it wants the\nright to create events.events.k8s.io there); empty: no Event")
}

// eventTime bounds what the Event may add to a drain: an API server that is busy answers within
// it, and nobody waits for a pod that long.
const eventTime = 3 * time.Second

// reporter leaves a report where it was asked for.
type reporter struct {
	path   string
	pod    event.Pod
	api    *api.Client   // nil: no Event
	within time.Duration // the Event
	log    *slog.Logger
}

// reporter checks the flags.
func (r *reportFlags) reporter(c *cobra.Command, log *slog.Logger) (*reporter, error) {
	to := &reporter{path: r.path, within: eventTime, log: log}
	if r.pod == "" {
		return to, nil
	}
	var err error
	if to.pod, err = event.ParsePod(r.pod); err != nil {
		return nil, cli.Usage(c, fmt.Errorf("--event-on: %w", err))
	}
	if to.api, err = r.api.apiClient("event-on"); err != nil {
		return nil, cli.Usage(c, err)
	}
	return to, nil
}

// leave writes a report: to the file at once, and then as an Event, until ctx ends or its
// time is over. What fails is logged: the report itself is in the log anyway.
func (r *reporter) leave(ctx context.Context, report drain.Report) {
	if err := r.file(report); err != nil {
		r.log.Warn("report not written", "error", err)
	}
	if r.api == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.within)
	defer cancel()
	e, err := event.Of(r.pod, report, time.Now())
	if err == nil {
		err = event.Write(ctx, r.api, e)
	}
	if err != nil {
		r.log.Warn("no Event has the report", "error", err)
	}
}

func (r *reporter) file(report drain.Report) error {
	if r.path == "" {
		return nil
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}
