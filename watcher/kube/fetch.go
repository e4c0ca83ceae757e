package kube

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"

	"legation.dev/object"
	"legation.dev/translator/input"
)

const (
	// fetchesAtOnce bounds the requests for Secrets and ConfigMaps: enough for
	// thousands a second, and far from what an API server allows one client.
	fetchesAtOnce = 16
	// fetchPatience bounds one request to a server that does not answer.
	fetchPatience = 30 * time.Second
	// fetchesAgain bounds the tries after failures, in a second: thousands of objects
	// that may not be read must not keep the API server busy.
	fetchesAgain = 300
)

// fetcher fetches the Secrets and ConfigMaps that are named.
type fetcher struct {
	clients   clients
	state     *state
	log       *slog.Logger
	requested workqueue.TypedRateLimitingInterface[object.Ref] // from run on

	patience time.Duration // see Config.Refused

	mu      sync.Mutex
	trouble map[object.Ref]error     // of those that could not be fetched when last tried
	since   map[object.Ref]time.Time // of the same: since when
}

func newFetcher(c clients, s *state, config Config) *fetcher {
	return &fetcher{clients: c, state: s, log: config.Log, patience: config.Refused,
		trouble: map[object.Ref]error{}, since: map[object.Ref]time.Time{}}
}

// open makes the queue of requests; ask and run need it.
func (f *fetcher) open() {
	f.requested = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedMaxOfRateLimiter(
		workqueue.NewTypedItemExponentialFailureRateLimiter[object.Ref](retryFirst, retryLast),
		&workqueue.TypedBucketRateLimiter[object.Ref]{Limiter: rate.NewLimiter(fetchesAgain, fetchesAgain)}))
}

// ask has ref fetched soon; if it is being fetched right now, then once more.
func (f *fetcher) ask(ref object.Ref) { f.requested.Add(ref) }

// run fetches until ctx ends.
func (f *fetcher) run(ctx context.Context) {
	var group sync.WaitGroup
	for range fetchesAtOnce {
		group.Go(func() { f.work(ctx) })
	}
	<-ctx.Done()
	f.requested.ShutDown()
	group.Wait()
}

func (f *fetcher) work(ctx context.Context) {
	for {
		ref, over := f.requested.Get()
		if over {
			return
		}
		f.fetch(ctx, ref)
		f.requested.Done(ref)
	}
}

// fetch fetches one object, unless it is no longer referenced. Only the API
// server's own word that there is no such object is a deletion.
func (f *fetcher) fetch(ctx context.Context, ref object.Ref) {
	if !f.state.follows(ref) {
		f.settle(ref)
		return
	}
	ask, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	o, version, err := f.clients.get(ask, ref)
	switch {
	case err == nil:
		f.settle(ref)
		f.state.fetched(Reduce(o), version)
	case apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		f.settle(ref)
		f.state.fetched(input.Delete(ref), "")
	case ctx.Err() == nil:
		if lasted := f.fail(ref, err, time.Now()); apierrors.IsForbidden(err) {
			f.state.denied(ref, reasonOf(err), lasted >= f.patience)
		}
		f.requested.AddRateLimited(ref)
	}
}

// fail remembers an error, logs the first of its sort and kind, and returns for how long
// the object could not be fetched.
func (f *fetcher) fail(ref object.Ref, err error, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := false
	for other, e := range f.trouble {
		known = known || other.Kind == ref.Kind && reasonOf(e) == reasonOf(err)
	}
	f.trouble[ref] = err
	if f.since[ref].IsZero() {
		f.since[ref] = now
	}
	if !known {
		f.log.Warn("cannot read "+ref.String()+"; what was read stays", "reason", reasonOf(err), "err", err)
	}
	return now.Sub(f.since[ref])
}

// settle forgets an error, and logs when it was the last.
func (f *fetcher) settle(ref object.Ref) {
	f.requested.Forget(ref)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.trouble[ref]; !ok {
		return
	}
	delete(f.trouble, ref)
	delete(f.since, ref)
	if len(f.trouble) == 0 {
		f.log.Info("reading all Secrets and ConfigMaps that are named again", "last", ref.String())
	}
}

// namedInWaiting is how many objects a text names before it counts the rest.
const namedInWaiting = 3

// waiting says what could not be fetched when last tried, and what has to be
// before the first Take.
func (f *fetcher) waiting() []Condition {
	f.mu.Lock()
	trouble := maps.Clone(f.trouble)
	f.mu.Unlock()
	refs := slices.SortedFunc(maps.Keys(trouble), object.Ref.Compare)
	var list []Condition
	for _, ref := range refs[:min(len(refs), namedInWaiting)] {
		list = append(list, Condition{ref.Kind, fmt.Sprintf("%s: %s (%v)", ref, reasonOf(trouble[ref]), trouble[ref])})
	}
	if more := len(refs) - len(list); more > 0 {
		list = append(list, Condition{refs[len(list)].Kind, fmt.Sprintf("and %d more Secrets or ConfigMaps", more)})
	}
	if n := f.state.unreadAtStart(); n > len(refs) {
		list = append(list, Condition{object.KindSecret, fmt.Sprintf("%d Secrets or ConfigMaps that are named: not read yet", n-len(refs))})
	}
	return list
}
