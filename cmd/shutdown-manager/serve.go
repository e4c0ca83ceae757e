package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/probe"
)

func serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve probes and metrics beside Envoy: a sidecar",
		Long: `Serve /live, /ready and /metrics for the Envoy behind an admin interface, and the
report that a preStop hook leaves at --report.

It gives Envoy no order: to start it, to end it or to kill it changes nothing,
whether Envoy drains or not. After SIGTERM it serves on until Envoy has ended.`,
		Example: `  shutdown-manager serve --admin unix:/run/envoy/admin.sock --grace-period 300s --report /run/envoy/drain.json`,
		Args:    cli.Arguments(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return o.serve(c) },
	}
	o.add(c.Flags())
	o.addListen(c.Flags())
	c.Flags().StringVar(&o.report, "report", "", "`file` in which `shutdown-manager drain` leaves its report")
	return c
}

type serveOptions struct {
	envoyFlags
	listenFlags
	report string
}

// listenFlags say where probes and metrics are served.
type listenFlags struct{ address string }

func (l *listenFlags) addListen(f *pflag.FlagSet) {
	f.StringVar(&l.address, "listen", ":9902", "`address` of /live, /ready and /metrics; empty: none")
}

// server serves them; it is nil if none are asked for.
func (l *listenFlags) server(m *probe.Metrics, pid func() (int, bool), log *slog.Logger) (*probe.Server, error) {
	if l.address == "" {
		return nil, nil
	}
	return probe.Start(probe.Config{Address: l.address, Metrics: m, PID: pid, Log: log})
}

// lookEvery is the pause between two looks at Envoy and at the report.
const lookEvery = time.Second

func (o *serveOptions) serve(c *cobra.Command) error {
	client, plan, err := o.read(c)
	if err != nil {
		return err
	}
	told, stop := untilTold(c)
	defer stop()
	log, end := logger(c.ErrOrStderr())
	defer end()
	side := &sidecar{client: client, plan: plan, path: o.report, log: log, since: time.Now().Add(-plan.Max)}
	pid := func() (int, bool) { return client.PID(c.Context()) }
	server, err := o.server(&probe.Metrics{Envoy: client, Ignored: o.ignored, Progress: &side.progress}, pid, side.log)
	if err != nil {
		return err
	}
	if server != nil {
		defer server.Close()
	}
	return side.run(c.Context(), told)
}

// sidecar is what serve does besides serving. One goroutine owns it, but for
// progress.
type sidecar struct {
	client   *admin.Client
	plan     drain.Plan
	path     string // of the report; may be empty
	log      *slog.Logger
	progress drain.Progress

	fits  bool      // that the times of Envoy fit is checked
	since time.Time // when Envoy started; before it answered, as long ago as a drain may last
	seen  time.Time // when the report that was read was written
}

// run looks until it was told to end and Envoy is gone, or the grace period over.
func (s *sidecar) run(ctx, told context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var end <-chan time.Time // nil before it was told
	for {
		alive, err := s.look(ctx)
		if err != nil {
			return err
		}
		if told.Err() != nil {
			if !alive {
				return nil
			}
			if end == nil {
				end = time.After(s.plan.Grace - killBefore)
				s.log.Info("told to end; serving until Envoy has")
			}
		}
		select {
		case <-tick.C:
		case <-end:
			return nil
		}
	}
}

// look reports whether Envoy answers. The error is that its times cannot work.
func (s *sidecar) look(ctx context.Context) (alive bool, err error) {
	info, err := s.client.Info(ctx)
	alive = err == nil
	if alive {
		s.since = time.Now().Add(-info.Uptime)
		s.forget()
	}
	if alive && !s.fits {
		if err := s.plan.Fits(info.DrainTime); err != nil && info.State != admin.Draining {
			return alive, err
		}
		s.fits = true
	}
	s.readReport()
	return alive, nil
}

// forget takes a report back that an Envoy before this one left: it was read before this one
// answered.
func (s *sidecar) forget() {
	if !s.seen.IsZero() && s.seen.Before(s.since) {
		s.progress.Reset()
		s.seen = time.Time{}
		s.log.Info("the report is of an Envoy before this one")
	}
}

// readReport reads a report that is new.
func (s *sidecar) readReport() {
	if s.path == "" {
		return
	}
	stat, err := os.Stat(s.path)
	if err != nil || !stat.ModTime().After(s.seen) || stat.ModTime().Before(s.since) {
		return // there is none, none that is new, or that of an Envoy before this one
	}
	text, err := os.ReadFile(s.path)
	var report drain.Report
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		return // half written: it is read again
	}
	s.seen = stat.ModTime()
	s.progress.Finish(report)
	s.log.Log(context.Background(), report.Level(), "drained", "report", report)
}
