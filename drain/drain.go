// Package drain ends an Envoy when its work is done.
//
// Envoy itself ends immediately on SIGTERM, with whatever is in flight. A drain
// fails its health checks, lets it accept while balancers still send, tells
// clients to leave, waits until no request is active, and only then ends it, at
// the latest at a deadline. All state of a drain that matters is in Envoy: a
// second one that starts where the first was killed leads to the same end.
//
// It knows nothing of the control plane and talks to Envoy's admin interface
// only.
//
// Start reading at Run; machine.go has the sequence, without clock and network,
// plan.go the times.
package drain

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"legation.dev/drain/admin"
)

// Envoy is what a drain needs of one; *admin.Client is one.
type Envoy interface {
	FailHealth(context.Context) error
	DrainListeners(context.Context) error
	Quit(context.Context) error
	Info(context.Context) (admin.Info, error)
	Reading(ctx context.Context, ignored []string) (admin.Reading, error)
	Busy(context.Context) ([]admin.Upstream, error)
}

// Config of a drain. Envoy, Plan and Log are required.
type Config struct {
	Envoy Envoy
	Plan  Plan
	// Ignored are the names of listeners that are no data listeners: those of
	// probes and metrics.
	Ignored []string
	Log     *slog.Logger
	// Watch, if set, is told of each look.
	Watch *Progress
	// Unsent, if set, is how many connections have an answer that their client has not
	// taken in full: for Envoy such a request has ended.
	Unsent func(context.Context) (uint64, error)
	// GoneAfter is how long nobody may listen at the admin interface until Envoy counts as
	// gone; zero: for ever, since somebody else knows.
	GoneAfter time.Duration
	// Failing is since when the health checks fail; zero: they do not yet.
	Failing time.Time
}

// ErrNotQuit says that Envoy did not take the order to end.
var ErrNotQuit = errors.New("Envoy did not take the order to quit")

const (
	// pollEvery is the pause between two looks at Envoy's statistics. If they
	// take long, the pause is restFactor times as long, up to maxPoll: Envoy's
	// main thread has other work, and an end is to come within a second.
	pollEvery  = 100 * time.Millisecond
	restFactor = 3
	maxPoll    = 300 * time.Millisecond
	// reserveParts is in how many parts the time after the deadline is divided:
	// the last look, who is cut, the order to quit, and whatever the caller does.
	reserveParts = 4
	// busyEvery is the least pause between two questions whose requests are under way. The
	// answer is long, so the pause is busyRest times what it took: 5 % of Envoy's main
	// thread at most.
	busyEvery = time.Second
	busyRest  = 20
)

// Run drains an Envoy and ends it. It returns when Envoy took the order to quit,
// or when ctx ends, which means that Envoy is gone or is not to be waited for:
// context.Cause says which. The error is ErrNotQuit.
func Run(ctx context.Context, c Config) (Report, error) {
	r := &runner{Config: c, machine: &Machine{Plan: c.Plan, Start: time.Now(), Failing: c.Failing, DrainTime: c.Plan.EnvoyDrainTime()}}
	c.Log.Info("drain begins", "min", c.Plan.Min.String(), "max", c.Plan.Max.String(), "upgrades", string(c.Plan.Upgrades))
	return r.run(ctx)
}

// runner is a Run. One goroutine owns it.
type runner struct {
	Config
	machine *Machine
	tally   tally
	unread  string           // the last error that was logged
	failed  string           // the same, of an order
	unasked string           // the same, of Unsent
	absent  time.Time        // since when nobody listens; zero: somebody does
	busy    []admin.Upstream // whose requests were under way when that was last asked
	askBusy time.Time        // when it is to be asked again
}

// readDrainTime asks for what decides when idle clients have been told.
func (r *runner) readDrainTime(ctx context.Context) {
	info, err := r.Envoy.Info(ctx)
	if err != nil {
		r.Log.Warn("drain time of Envoy is unknown", "assumed", r.machine.DrainTime.String(), "error", err)
		return
	}
	r.machine.DrainTime = info.DrainTime
	if err := r.Plan.Fits(info.DrainTime); err != nil {
		r.Log.Warn("times do not fit together", "error", err)
	}
}

func (r *runner) run(ctx context.Context) (Report, error) {
	// An Envoy that does not answer does not put the deadline off, but for a part
	// of the reserve, so that the last look comes at the deadline itself.
	asking, cancel := context.WithDeadline(ctx, r.machine.Start.Add(r.Plan.Max+(r.Plan.Grace-r.Plan.Max)/reserveParts))
	defer cancel()
	for {
		before := time.Now()
		reading, err := r.look(asking)
		took := time.Since(before)
		if r.gone(err) {
			return r.ended(ctx), nil
		}
		order := r.machine.Next(time.Now(), reading, err)
		if order == Quit {
			return r.quit(ctx, reading, err)
		}
		if order != Wait && r.obey(asking, order) {
			continue // what comes next may be due already
		}
		if !r.rest(ctx, min(max(pollEvery, restFactor*took), maxPoll)) {
			return r.stopped(ctx)
		}
	}
}

func (r *runner) look(ctx context.Context) (admin.Reading, error) {
	reading, err := r.Envoy.Reading(ctx, r.Ignored)
	if err == nil && r.Unsent != nil {
		reading.Unsent = r.unsent(ctx)
	}
	r.tally.add(reading, err)
	if err != nil && err.Error() != r.unread && ctx.Err() == nil {
		r.unread = err.Error()
		r.Log.Warn("what is active is unknown", "error", err)
	}
	r.Watch.set(r.machine.Start, r.Plan, r.tally.report(time.Since(r.machine.Start)), reading, err == nil)
	if err == nil {
		r.seeBusy(ctx, reading)
	}
	return reading, err
}

// seeBusy asks whose requests are under way, now and then: an Envoy that ends by itself
// cannot be asked any more. What fails is asked again: the end tells of it, if it still does.
func (r *runner) seeBusy(ctx context.Context, now admin.Reading) {
	if now.Requests == 0 {
		r.busy = nil
		return
	}
	before := time.Now()
	if before.Before(r.askBusy) {
		return
	}
	if busy, err := r.Envoy.Busy(ctx); err == nil {
		r.busy = busy
	}
	r.askBusy = time.Now().Add(max(busyEvery, busyRest*time.Since(before)))
}

// unsent is what the kernel says. One that does not tell is no reason to wait: then it is
// as if nobody was slow.
func (r *runner) unsent(ctx context.Context) uint64 {
	n, err := r.Unsent(ctx)
	if err != nil && err.Error() != r.unasked && ctx.Err() == nil {
		r.unasked = err.Error()
		r.Log.Warn("who has not taken all of an answer is unknown", "error", err)
	}
	return n
}

// gone reports whether Envoy counts as gone, by what became of a look.
func (r *runner) gone(err error) bool {
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		r.absent = time.Time{}
		return false
	}
	if r.absent.IsZero() {
		r.absent = time.Now()
	}
	return r.GoneAfter > 0 && time.Since(r.absent) >= r.GoneAfter
}

// obey carries an order out. One that fails is given again after the next look.
func (r *runner) obey(ctx context.Context, order Order) bool {
	do := r.Envoy.FailHealth
	if order == DrainListeners {
		do = r.Envoy.DrainListeners
	}
	if err := do(ctx); err != nil {
		if text := order.String() + err.Error(); ctx.Err() == nil && text != r.failed {
			r.failed = text
			r.Log.Warn("order failed, will be repeated", "order", order.String(), "error", err)
		}
		return false
	}
	r.machine.Did(order, time.Now())
	if order == DrainListeners {
		r.readDrainTime(ctx)
	}
	r.Log.Info(order.String(), "active", r.tally.last.Requests, "upgrades", r.tally.last.Upgrades, "connections", r.tally.last.Connections)
	return true
}

// rest waits until the next look, or the deadline. It is false when ctx ended.
func (r *runner) rest(ctx context.Context, d time.Duration) bool {
	left := time.Until(r.machine.Start.Add(r.Plan.Max))
	timer := time.NewTimer(min(d, max(left, 0)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// quit reports who is cut and ends Envoy.
func (r *runner) quit(ctx context.Context, last admin.Reading, unknown error) (Report, error) {
	now := time.Now()
	report := r.tally.report(now.Sub(r.machine.Start))
	report.Reason = ReasonDone
	switch {
	case now.Sub(r.machine.Start) >= r.Plan.Max:
		report.Reason = ReasonDeadline
	case last.Listeners == 0:
		report.Reason = ReasonUnserved
	}
	if last.Requests > 0 || unknown != nil { // what is unknown may be in use
		r.whose(ctx, &report)
	}
	r.Watch.Finish(report)
	if err := r.order(ctx); err != nil && !errors.Is(context.Cause(ctx), ErrEnvoyGone) {
		r.Log.Warn("order failed", "order", Quit.String(), "error", err)
		return report, ErrNotQuit
	}
	return report, nil
}

// order ends Envoy. Its end must not take back the order that led to it.
func (r *runner) order(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.part())
	defer cancel()
	return r.Envoy.Quit(ctx)
}

// part is how long one of the last questions may take.
func (r *runner) part() time.Duration {
	return min(admin.Timeout, time.Until(r.machine.Start.Add(r.Plan.Grace))/reserveParts)
}

// whose asks which endpoints the cut requests are with. The answer is long: it
// took half a second with 5,000 clusters on a busy machine.
func (r *runner) whose(ctx context.Context, report *Report) {
	ctx, cancel := context.WithTimeout(ctx, 2*r.part())
	defer cancel()
	busy, err := r.Envoy.Busy(ctx)
	if err != nil {
		r.Log.Warn("whose requests are cut is unknown", "error", err)
	}
	report.name(busy)
}

// stopped is the end of a drain that is not to be waited for: of Envoy, too, if that is
// what was asked for.
func (r *runner) stopped(ctx context.Context) (Report, error) {
	report := r.ended(ctx)
	if !errors.Is(context.Cause(ctx), ErrToldToEnd) {
		return report, nil
	}
	if err := r.order(ctx); err != nil {
		r.Log.Warn("order failed", "order", Quit.String(), "error", err)
		return report, ErrNotQuit
	}
	return report, nil
}

func (r *runner) ended(ctx context.Context) Report {
	report := r.tally.report(time.Since(r.machine.Start))
	report.Reason = ReasonAborted
	if errors.Is(context.Cause(ctx), ErrEnvoyGone) || ctx.Err() == nil {
		report.Reason = ReasonEnvoyGone
	}
	report.name(r.busy)
	r.Watch.Finish(report)
	return report
}

// ErrToldToEnd is the cause of a context that ended because Envoy is to end at once.
var ErrToldToEnd = errors.New("told to end at once")

// ErrEnvoyGone is the cause of a context that ended because Envoy did.
var ErrEnvoyGone = errors.New("Envoy has ended")
