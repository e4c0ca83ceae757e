package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/child"
	"legation.dev/drain/node"
	"legation.dev/drain/probe"
)

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [flags] -- ENVOY [ARGUMENTS]",
		Short: "Run Envoy, and drain it on SIGTERM before it ends",
		Long: `Run Envoy as its parent. SIGTERM and SIGINT begin the drain; after a SIGINT, a
second one ends Envoy at once. SIGTERM and SIGINT do not reach Envoy itself, whoever
sends them; other signals are passed on. The exit status is that of Envoy.

It may be process 1 of a container: processes that lose their parent are reaped.
--drain-time-s is added to Envoy's arguments if they have none. When Envoy has its
configuration, each limit of the node that is too small for it is a warning ('check'
says which there are).

With --node, it also follows the node, and begins when that is about to go: health checks
fail, and clients are told to leave. Envoy itself is not ended before SIGTERM.`,
		Example: `  # In a pod with terminationGracePeriodSeconds: 300
  shutdown-manager run --admin unix:/run/envoy/admin.sock --grace-period 300s \
    -- envoy -c /etc/envoy/envoy.yaml --disable-hot-restart

  # WebSockets are closed early instead of held up to the deadline
  shutdown-manager run --admin 127.0.0.1:9901 --grace-period 60s --upgrades close -- envoy -c envoy.yaml`,
		Args: cli.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	o.add(c.Flags())
	o.addReport(c.Flags(), &o.apiFlags)
	o.addAPI(c.Flags())
	o.addListen(c.Flags())
	o.addAuthz(c.Flags())
	o.addNode(c.Flags())
	return c
}

type runOptions struct {
	envoyFlags
	reportFlags
	listenFlags
	authzFlags
	nodeFlags
	apiFlags
}

func (o *runOptions) run(c *cobra.Command, args []string) error {
	client, plan, err := o.read(c)
	if err != nil {
		return err
	}
	args, err = withDrainTime(args, plan)
	if err != nil {
		return cli.Usage(c, err)
	}
	log, flush := logger(c.ErrOrStderr())
	defer flush()
	p := &parent{log: log, plan: plan, signals: make(chan os.Signal, signalsKept)}
	p.drain = drain.Config{Envoy: client, Plan: plan, Ignored: o.ignored, Log: p.log, Watch: &drain.Progress{}, Unsent: o.unsent(client)}
	follow, err := o.asked(c, p)
	if err != nil {
		return err
	}
	server, err := o.server(&probe.Metrics{Envoy: client, Ignored: o.ignored, Progress: p.drain.Watch}, p.pid, p.log)
	if err != nil {
		return err
	}
	if server != nil {
		defer server.Close()
	}
	authorization, err := o.authorize(c.Context(), p.log)
	if err != nil {
		return err
	}
	defer authorization()
	signal.Notify(p.signals, passedOn...)
	defer signal.Stop(p.signals)
	if p.child, err = child.Start(args); err != nil {
		return err
	}
	p.running.Store(int64(p.child.PID()))
	p.log.Info("Envoy started", "pid", p.child.PID(), "arguments", strings.Join(args, " "))
	defer p.beside(c.Context(), client, follow)()
	return cli.Exit(p.wait(c.Context()))
}

// asked checks what the API server is asked for: to take the report of p, and of the node,
// which is not followed if follow is nil.
func (o *runOptions) asked(c *cobra.Command, p *parent) (follow *node.Config, err error) {
	if p.report, err = o.reporter(c, p.log); err != nil {
		return nil, err
	}
	return o.nodeFlags.config(c, &o.apiFlags, p.log)
}

// beside begins what goes on beside Envoy, and returns what ends it. The node is not followed
// if follow is nil.
func (p *parent) beside(ctx context.Context, client *admin.Client, follow *node.Config) (end func()) {
	if follow != nil {
		p.leave = &leaving{envoy: client, log: p.log, state: drain.Leaver{Min: p.plan.Min}, renew: func() { p.signals <- syscall.SIGTERM }}
		p.leave.follow(ctx, *follow)
	}
	ctx, ended := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { checkAtStart(ctx, client, p.log) })
	return func() { ended(); looks.Wait(); p.leave.end() }
}

const drainTimeFlag = "--drain-time-s"

// withDrainTime adds the drain time that follows from plan to the arguments of
// Envoy. An error says why the one that they have does not fit.
func withDrainTime(args []string, plan drain.Plan) ([]string, error) {
	for i, a := range args {
		text, joined := strings.CutPrefix(a, drainTimeFlag+"=")
		if !joined && a == drainTimeFlag && i+1 < len(args) {
			text = args[i+1]
		} else if !joined {
			continue
		}
		seconds, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s of Envoy: %q is not a number of seconds", drainTimeFlag, text)
		}
		return args, plan.Fits(time.Duration(seconds) * time.Second)
	}
	return append(args, drainTimeFlag, strconv.Itoa(int(plan.EnvoyDrainTime().Seconds()))), nil
}

// signalsKept is how many signals wait while one is handled.
const signalsKept = 16

// passedOn are the signals that are handled. Those that the runtime of Go uses
// for itself (SIGURG), and those of terminals and of children, are not.
var passedOn = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// parent of an Envoy. One goroutine owns it, but for running.
type parent struct {
	log     *slog.Logger
	plan    drain.Plan
	drain   drain.Config
	report  *reporter
	leave   *leaving // nil: no node is followed
	child   *child.Child
	signals chan os.Signal
	drained chan struct{} // closed at the end of the drain; nil before it began
	began   os.Signal     // what began it
	told    context.CancelCauseFunc
	running atomic.Int64 // process id of Envoy; 0 before it was started
}

// pid is the process id of Envoy, for any goroutine.
func (p *parent) pid() (int, bool) {
	pid := p.running.Load()
	return int(pid), pid != 0
}

// wait sees Envoy to its end and returns its exit status.
func (p *parent) wait(ctx context.Context) int {
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	p.told = gone
	for {
		select {
		case <-p.child.Done():
			return p.end(gone)
		case s := <-p.signals:
			p.take(ctx, s)
		}
	}
}

// take handles one signal.
func (p *parent) take(ctx context.Context, s os.Signal) {
	switch {
	case s != syscall.SIGTERM && s != syscall.SIGINT:
		p.send(s)
	case p.drained == nil:
		p.log.Info("told to end", "signal", s.String())
		p.began, p.drained = s, make(chan struct{})
		go p.runDrain(ctx)
	case s == syscall.SIGINT && p.began == syscall.SIGINT: // twice at a terminal
		p.log.Info("told to end at once", "signal", s.String())
		p.told(drain.ErrToldToEnd)
	default:
		p.log.Info("drains already", "signal", s.String())
	}
}

func (p *parent) send(s os.Signal) {
	if err := p.child.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.log.Warn("signal not passed on", "signal", s.String(), "error", err)
	}
}

// runDrain drains Envoy. One that does not take the order to quit, or does not follow it
// until shortly before the grace period ends, is killed.
func (p *parent) runDrain(ctx context.Context) {
	defer close(p.drained)
	start := time.Now()
	p.drain.Failing = p.leave.end()
	report, err := drain.Run(ctx, p.drain)
	p.log.Log(ctx, report.Level(), "drained", "report", report)
	defer p.leaveReport(ctx, report, start)()
	if err != nil {
		p.send(syscall.SIGKILL)
	}
	timer := time.NewTimer(time.Until(p.killAt(start)))
	defer timer.Stop()
	select {
	case <-p.child.Done():
	case <-timer.C:
		p.log.Warn("Envoy does not end, killing it")
		p.send(syscall.SIGKILL)
	}
}

// leaveReport leaves the report beside the end of Envoy, which waits for nobody, and returns
// what waits for it: no longer than eventTime, nor than an Envoy that hangs lives.
func (p *parent) leaveReport(ctx context.Context, report drain.Report, start time.Time) (wait func()) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), p.killAt(start)) // ctx ends with Envoy
	var left sync.WaitGroup
	left.Go(func() { p.report.leave(ctx, report) })
	return func() { left.Wait(); cancel() }
}

// killAt is when an Envoy that hangs is killed, in a drain that began at start.
func (p *parent) killAt(start time.Time) time.Time { return start.Add(p.plan.Grace - killBefore) }

// killBefore is how long before the end of the grace period, when all is killed,
// an Envoy that hangs is killed, so that its end is still told.
const killBefore = 300 * time.Millisecond

// end waits for the drain, if one runs, and says how Envoy ended.
func (p *parent) end(gone context.CancelCauseFunc) int {
	gone(drain.ErrEnvoyGone)
	if p.drained != nil {
		<-p.drained
	}
	if p.drained != nil && p.drain.Watch.State().Report.Reason != drain.ReasonEnvoyGone {
		p.log.Info("Envoy ended", "cause", p.child.Cause())
	} else {
		p.log.Error("Envoy ended by itself", "cause", p.child.Cause())
	}
	return p.child.ExitStatus()
}
