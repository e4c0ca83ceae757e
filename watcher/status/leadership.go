package status

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applynetworkingv1 "k8s.io/client-go/applyconfigurations/networking/v1"
	"k8s.io/client-go/util/flowcontrol"

	"legation.dev/object"
	"legation.dev/watcher/quiet"
)

const (
	// writesAtOnce bounds the writes of status that are under way: enough for
	// Timing.WritesPerSecond at a server that takes 100 ms for each.
	writesAtOnce = 8
	// requestPatience bounds one request to a server that does not answer.
	requestPatience = 30 * time.Second
	// askedAtOnce bounds the Ingresses of one call of Acknowledged.
	askedAtOnce = 500
	// postAgain is how long after a failure an Event is tried again; postRefused, if the
	// API server refused it, so that the same request would most likely fail again.
	postAgain, postRefused = 10 * time.Second, 5 * time.Minute
)

// leadership is what exists only while this replica holds the Lease. Its state belongs
// to the loop. The goroutines that it started run until ctx ends, and change the state
// only by tasks that they hand to the loop (see do).
type leadership struct {
	ctx         context.Context
	cancel      context.CancelFunc
	over        chan struct{}
	w           *Writer
	log         *slog.Logger
	group       sync.WaitGroup
	tasks       chan func(now time.Time)
	jobs        chan job
	events      chan pendingEvent
	eventWriter *eventWriter

	table   *statusTable
	sources []*addressSource
	look    time.Time // when an address source has something to publish
	asking  bool
	pending *pendingEvent // taken out of the eventRecorder, not yet handed out
	fights  map[object.Ref]fight
	fought  bool // fights has changed

	recorder      *eventRecorder // the loop's
	writes, tells trouble
}

// pendingEvent is a write with what is known of its object.
type pendingEvent struct {
	eventWrite
	uid types.UID
}

func newLeadership(ctx context.Context, a *lease, l *loop) *leadership {
	c := l.w.config
	r := rules{patience: c.Timing.Patience, quiet: c.Timing.Quiet}
	if c.Acknowledged == nil {
		r.patience = 0
	}
	t := &leadership{over: a.over, w: l.w, log: l.log, tasks: make(chan func(time.Time)), jobs: make(chan job), events: make(chan pendingEvent),
		eventWriter: &eventWriter{l.w.objects, l.w.meta, c.Identity}, table: newStatusTable(r), sources: newAddressSources(c), fights: map[object.Ref]fight{}, recorder: l.recorder,
		writes: trouble{what: "writing status", log: l.log}, tells: trouble{what: "writing Events", log: l.log}}
	t.ctx, t.cancel = context.WithCancel(a.ctx)
	stop := context.AfterFunc(ctx, t.cancel)
	t.group.Go(func() { <-t.ctx.Done(); stop() })
	t.start(c)
	return t
}

// start starts the goroutines that read and write.
func (t *leadership) start(c Config) {
	log := slog.New(quiet.Handler{Handler: t.log.Handler()})
	if c.WhileLeading != nil {
		t.group.Go(func() { c.WhileLeading(t.ctx) })
	}
	if c.Orders != nil {
		t.group.Go(func() {
			t.eventWriter.tellOrders(t.ctx, c.Orders, &trouble{what: "writing Events of orders", log: t.log})
		})
	}
	for _, f := range t.feeds(c) {
		t.group.Go(func() { f.run(t.ctx, log) })
	}
	rate := c.Timing.WritesPerSecond
	limit := flowcontrol.NewTokenBucketRateLimiter(float32(rate), max(1, int(rate)))
	for range writesAtOnce {
		t.group.Go(func() { t.writer(limit) })
	}
	rate = c.Timing.EventsPerSecond
	t.group.Go(func() { t.writeEvents(flowcontrol.NewTokenBucketRateLimiter(float32(rate), max(1, int(10*rate)))) })
}

// end stops all goroutines of this leadership and waits until they have returned.
func (t *leadership) end() {
	t.cancel()
	t.group.Wait()
	close(t.over)
}

// do makes the loop run f. It returns false if this replica leads no more and f will not
// run.
func (t *leadership) do(f func(now time.Time)) bool {
	select {
	case t.tasks <- f:
		return true
	case <-t.ctx.Done():
		return false
	}
}

// addressSource is where the addresses of a class come from: its own source, else that of
// AnyClass. Nil means that no address is published for the class.
func (t *leadership) addressSource(class string) *addressSource {
	var general *addressSource
	for _, o := range t.sources {
		switch o.class {
		case class:
			return o
		case AnyClass:
			general = o
		}
	}
	return general
}

// nextJob is the next job and the channel to send it on. Without a job the channel is
// nil, so that this case of the loop's select never runs.
func (t *leadership) nextJob(now time.Time) (job, chan<- job) {
	j, ok := t.table.next(now)
	if !ok {
		return job{}, nil
	}
	return j, t.jobs
}

// nextEvent is the next Event to write and the channel to send it on; without one, the
// channel is nil.
func (t *leadership) nextEvent(b *eventRecorder, now time.Time) (pendingEvent, chan<- pendingEvent) {
	if t.pending == nil {
		p, ok := b.next(now)
		if !ok {
			return pendingEvent{}, nil
		}
		t.pending = &pendingEvent{eventWrite: p}
	}
	if ref := t.pending.problem.Object; ref.Kind == object.KindIngress {
		if e := t.table.entries[ref.Key()]; e != nil {
			t.pending.uid = e.seen.uid
		}
	}
	return *t.pending, t.events
}

// nextLook is when to look into the eventRecorder again. Zero means: not before the event
// that was taken out of it has been handed to the goroutine that writes it.
func (t *leadership) nextLook(b *eventRecorder) time.Time {
	if t.pending != nil {
		return time.Time{}
	}
	return b.due.when()
}

// ask calls Acknowledged, in a goroutine, for the Ingresses that wait for their first
// address, unless a call is under way.
func (t *leadership) ask(now time.Time) {
	if t.asking || t.w.config.Acknowledged == nil {
		return
	}
	list := t.table.question(askedAtOnce, now)
	if len(list) == 0 {
		return
	}
	t.asking = true
	t.group.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, askPatience)
		defer cancel()
		served, err := t.w.config.Acknowledged(ctx, list)
		if err != nil {
			t.log.Debug("asking whether Ingresses are served", "err", err)
			served = nil
		}
		t.do(func(now time.Time) {
			t.asking = false
			t.table.answer(list, served, now)
		})
	})
}

// askPatience bounds one call of Acknowledged.
const askPatience = 5 * time.Second

// writer writes status, one job after the other.
func (t *leadership) writer(limit flowcontrol.RateLimiter) {
	paced(t.ctx, limit, t.jobs, func(j job) {
		s, err := t.w.apply(t.ctx, j)
		t.do(func(now time.Time) { t.wrote(j, s, err, now) })
	})
}

// paced calls take for what comes from list, one after the other and no faster than
// limit, until ctx ends.
func paced[T any](ctx context.Context, limit flowcontrol.RateLimiter, list <-chan T, take func(T)) {
	for limit.Wait(ctx) == nil {
		select {
		case <-ctx.Done():
			return
		case one := <-list:
			take(one)
		}
	}
}

// apply writes status.loadBalancer by server-side apply. If j has no addresses, it
// applies a configuration without the field: the API server then removes what our field
// manager had set, and leaves what others set. j.version is the resourceVersion of the
// Ingress that the decision was made for. If the Ingress has changed since, the API
// server answers with a conflict, and nothing is written.
func (w *Writer) apply(ctx context.Context, j job) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	o := applynetworkingv1.Ingress(j.ref.Name, j.ref.Namespace).WithResourceVersion(j.version)
	if j.addresses != "" {
		o.WithStatus(applynetworkingv1.IngressStatus().WithLoadBalancer(j.addresses.apply()))
	}
	after, err := w.objects.NetworkingV1().Ingresses(j.ref.Namespace).ApplyStatus(ctx, o, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	if err != nil {
		return seen{}, err
	}
	return reduceIngress(after), nil
}

// wrote notes the result of a job.
func (t *leadership) wrote(j job, s seen, err error, now time.Time) {
	switch {
	case err == nil:
		t.w.count(func(s *Stats) { s.Writes++ })
		t.writes.tell(nil)
		t.table.done(j, s, now)
		return
	case apierrors.IsConflict(err):
		t.w.count(func(s *Stats) { s.Conflicts++ })
	case apierrors.IsNotFound(err): // it was deleted, and the watch will report that
	default:
		t.w.count(func(s *Stats) { s.Failures++ })
		t.writes.tell(fmt.Errorf("%s: %w", j.ref, err))
	}
	t.table.failed(j, now)
}

// writeEvents writes Events, one after the other.
func (t *leadership) writeEvents(limit flowcontrol.RateLimiter) {
	paced(t.ctx, limit, t.events, func(p pendingEvent) {
		ctx, cancel := context.WithTimeout(t.ctx, requestPatience)
		defer cancel()
		r, err := t.eventWriter.write(ctx, p.eventWrite, p.uid)
		t.do(func(now time.Time) { t.eventWritten(p, r, err, now) })
	})
}

// eventWritten notes the result of writing an Event.
func (t *leadership) eventWritten(p pendingEvent, r record, err error, now time.Time) {
	if err == nil {
		t.w.count(func(s *Stats) { s.Events++ })
		t.tells.tell(nil)
		t.recorder.done(p.eventWrite, r, now)
		return
	}
	t.w.count(func(s *Stats) { s.EventFailures++ })
	again := postAgain
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		again = postRefused
	}
	// In a namespace that ends there is nobody to tell, and nothing is wrong.
	if !apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.tells.tell(fmt.Errorf("%s: %w", p.problem.Object, err))
	}
	t.recorder.failed(p.eventWrite, now.Add(again))
}
