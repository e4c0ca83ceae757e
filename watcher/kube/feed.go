package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/watcher/quiet"
)

// feed follows one kind in one namespace, or in all.
type feed struct {
	changed   func(o any) // hears of each change of endpoints; nil of other kinds
	kind      object.Kind
	namespace string
	access    access
	state     *state
	reduce    func(runtime.Object) input.Change
	health    *health
	retry     retry
	patience  time.Duration // see Config.Refused
	log       *slog.Logger
}

// newFeeds makes a feed for each kind, in each namespace.
func newFeeds(c clients, s *state, config Config) []*feed {
	var list []*feed
	gate := newGate()
	for _, r := range object.Kinds {
		namespaces := config.Namespaces
		if !r.Namespaced {
			namespaces = []string{everyNamespace}
		}
		for _, n := range namespaces {
			list = append(list, newFeed(c, s, config, r.Kind, n, gate))
		}
	}
	return list
}

func newFeed(c clients, s *state, config Config, kind object.Kind, namespace string, gate *gate) *feed {
	f := &feed{kind: kind, namespace: namespace, access: c.of(kind, namespace), state: s,
		reduce: reducer(config.Classes, config.Controllers), log: config.Log, retry: newRetry(gate), patience: config.Refused}
	what := string(kind)
	if namespace != everyNamespace {
		what += " in namespace " + namespace
	}
	if kind == object.KindSlice && config.Endpoints != nil {
		f.changed = func(o any) { tell(o, config.Endpoints) }
	}
	f.health = &health{kind: kind, what: what, log: config.Log, away: true}
	return f
}

// store is where the Reflector puts what it reads.
func (f *feed) store(ctx context.Context) cache.ReflectorStore {
	if f.kind.ByName() {
		return &versions{kind: f.kind, namespace: f.namespace, state: f.state, listed: f.listed}
	}
	return &objects{reduce: f.reduce, state: f.state, listed: f.listed, known: map[object.Ref]bool{}, changed: f.changed,
		confirm: func() error {
			err := f.confirm(ctx)
			f.failed(ctx, err)
			return err
		}}
}

func (f *feed) listed() {
	f.health.complete(time.Now())
	f.state.listed(f)
}

// run follows until ctx ends.
func (f *feed) run(ctx context.Context) {
	logger := klog.Logger(logr.FromSlogHandler(quiet.Handler{Handler: f.log.Handler()}))
	// The Reflector's own wait only spaces what fails without a request; retry has the rest.
	options := cache.ReflectorOptions{Name: f.health.what, Logger: &logger, Backoff: &wait.Backoff{Duration: retryFirst}}
	r := cache.NewReflectorWithOptions(f.listWatch(), nil, f.store(ctx), options)
	r.RunWithContext(klog.NewContext(ctx, logger))
}

// listWatch is the access, watched over: the Reflector tries some errors again
// without a word.
func (f *feed) listWatch() *cache.ListWatch {
	return &cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.watch}
}

func (f *feed) list(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	if err := f.retry.begin(ctx); err != nil {
		return nil, err
	}
	list, err := f.access.list(ctx, o)
	if err != nil {
		f.failed(ctx, err)
		return nil, err
	}
	f.retry.succeeded()
	f.state.allow(f)
	return list, nil
}

func (f *feed) watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	if err := f.retry.begin(ctx); err != nil {
		return nil, err
	}
	w, err := f.access.watch(ctx, o)
	streamed := o.SendInitialEvents != nil && *o.SendInitialEvents
	if err != nil {
		// If this was to be a list, the Reflector sends that in the usual way next, at
		// once, and what has failed is told then. But if it knows that no server answers it
		// does not.
		if !streamed || utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err) {
			f.failed(ctx, err)
		}
		return nil, err
	}
	f.retry.succeeded()
	f.state.allow(f)
	now := time.Now()
	f.health.follows(streamed, now)
	return &standing{Interface: w, ended: sync.OnceFunc(func() {
		f.health.ended()
		f.retry.ended(time.Since(now))
	})}, nil
}

// standing is a watch that tells of its end: the Reflector stops each, also one
// that the server has ended.
type standing struct {
	watch.Interface
	ended func()
}

// Stop ends the watch.
func (s *standing) Stop() {
	s.ended()
	s.Interface.Stop()
}

// failed reports an error, unless there is none or it is the end.
func (f *feed) failed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		f.retry.failed()
		if refused := f.health.failed(err, time.Now()); refused > 0 && refused >= f.patience {
			f.state.refuse(f, reasonOf(err))
		}
	}
}

// confirm takes a second look at a list that is empty: a consistent one, from a
// quorum and not from a cache. It returns nil if there is no object indeed.
func (f *feed) confirm(ctx context.Context) error {
	list, err := f.access.list(ctx, metav1.ListOptions{Limit: 1})
	switch {
	case err != nil:
		return fmt.Errorf("confirming an empty list: %w", err)
	case meta.LenList(list) > 0:
		return errUnconfirmed
	}
	return nil
}
