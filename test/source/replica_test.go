//go:build real

package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/controller"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/test/kube"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"

	watcher "legation.dev/watcher/kube"
)

var cluster *kube.Cluster

func TestMain(m *testing.M) { kube.MainWithCluster(m, &cluster, kube.Options{}) }

// patience bounds every wait: what has not come by then does not come.
const patience = 2 * time.Minute

// limited ends with the test, or after patience.
func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// replica is a source and the Loop behind it, without streams.
type replica struct {
	source *watcher.Source // nil: it reads a folder

	mu      sync.Mutex // guards all below
	more    *sync.Cond
	result  translator.Result
	results int // how many there were
	others  int // of these, how many were not as the one before
}

// digests says which results came of which views, on all replicas of a test.
type digests struct {
	mu sync.Mutex
	of map[pmap.Sum]pmap.Sum
}

// start starts a replica that runs until the test ends.
func start(t testing.TB, c watcher.Config, seen *digests) *replica {
	t.Helper()
	source := newSource(t, c)
	r := &replica{source: source}
	r.run(t, &controller.Loop{Source: atOnce{source}}, seen, source.Run)
	return r
}

func newSource(t testing.TB, c watcher.Config) *watcher.Source {
	t.Helper()
	if c.REST == nil {
		c.REST = cluster.REST()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	source, err := watcher.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// run runs a Loop, and what its source needs, until the test ends.
func (r *replica) run(t testing.TB, loop *controller.Loop, seen *digests, beside ...func(context.Context) error) {
	r.more = sync.NewCond(&r.mu)
	loop.Publish = func(string, snapshot.Snapshot, snapshot.Cause) {}
	loop.Report = func(result translator.Result) { r.report(t, result, seen) }
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range append(beside, loop.Run) {
		group.Go(func() {
			if err := run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); group.Wait() })
}

// atOnce is a source whose classes let hosts go at once that are deleted: what is compared
// here is what was read, not what is held.
type atOnce struct{ *watcher.Source }

// Take implements controller.Source.
func (a atOnce) Take(ctx context.Context) ([]input.Change, error) {
	list, err := a.Source.Take(ctx)
	for i, c := range list {
		list[i] = withoutWindow(c)
	}
	return list, err
}

// withoutWindow lets hosts of a class go at once, and settings be in force that close connections. What is compared with it is changed alike:
// an Ingress may name the settings of the class as if they were something else.
func withoutWindow(c input.Change) input.Change {
	if config, ok := c.Object.(*input.ConfigMap); ok && config.Name == worlds.Settings {
		data := maps.Clone(config.Data)
		data["deletion-window"], data["closing-changes"] = "off", "apply"
		c.Object = lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: data})).Object
	}
	return c
}

// report keeps a result. One view gives one result, on whichever replica.
func (r *replica) report(t testing.TB, result translator.Result, seen *digests) {
	if seen != nil {
		view, digest := result.View().Digest(), result.Digest()
		seen.mu.Lock()
		if before, ok := seen.of[view]; ok && before != digest {
			t.Errorf("view %s gave %s and %s", view, before, digest)
		}
		seen.of[view] = digest
		seen.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results > 0 && result.Digest() != r.result.Digest() {
		r.others++
	}
	r.result = result
	r.results++
	r.more.Broadcast()
}

// await waits until look has no error of the newest result.
func (r *replica) await(ctx context.Context, t testing.TB, look func(translator.Result) error) {
	t.Helper()
	defer context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.more.Broadcast()
	})()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		err := errors.New("no result yet")
		if r.results > 0 {
			err = look(r.result)
		}
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Fatalf("%v: %v; the source waits for %v", ctx.Err(), err, r.waiting())
		}
		r.more.Wait()
	}
}

// waiting is what the source waits for. A folder waits for nothing.
func (r *replica) waiting() []watcher.Condition {
	if r.source == nil {
		return nil
	}
	return r.source.Waiting()
}

// counted is how many results there were.
func (r *replica) counted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results
}

// changed is how many results were not as the one before. A change that no result depends
// on may come after what they are awaited by.
func (r *replica) changed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.others
}

// is reports whether a result is that of the whole, read in another way.
func is(want pmap.Sum) func(translator.Result) error {
	return func(r translator.Result) error {
		if got := r.Digest(); got != want {
			return fmt.Errorf("the result is %s, that of what the API server holds is %s", got, want)
		}
		return nil
	}
}

// held is what an API server holds.
type held map[object.Ref]input.Change

// digest is that of its full translation.
func (h held) digest() pmap.Sum {
	view := input.View{}
	for _, c := range h {
		view = view.With(c)
	}
	return translator.Translate(translator.Result{}, view.WithTime(time.Now())).Digest()
}

// truth lists what the API server holds in namespaces, and all classes. It takes
// about 0.1 s: the server's caches have to hear of the last write first.
func truth(ctx context.Context, t testing.TB, namespaces ...string) held {
	t.Helper()
	h, client := held{}, cluster.Client()
	lists := []func() error{collect(ctx, h, client.NetworkingV1().IngressClasses().List)}
	for _, n := range namespaces {
		lists = append(lists, collect(ctx, h, client.NetworkingV1().Ingresses(n).List),
			collect(ctx, h, client.CoreV1().Services(n).List),
			collect(ctx, h, client.DiscoveryV1().EndpointSlices(n).List),
			collect(ctx, h, client.CoreV1().Secrets(n).List),
			collect(ctx, h, client.CoreV1().ConfigMaps(n).List))
	}
	for _, list := range lists {
		if err := list(); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// collect adds each object of a list to h.
func collect[L runtime.Object](ctx context.Context, h held, list func(context.Context, metav1.ListOptions) (L, error)) func() error {
	return func() error {
		l, err := list(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		return meta.EachListItem(l, func(o runtime.Object) error {
			c := withoutWindow(watcher.Reduce(o))
			h[c.Ref] = c
			return nil
		})
	}
}

// fetch is the state of one object.
func fetch(ctx context.Context, t testing.TB, ref object.Ref) input.Change {
	t.Helper()
	client := cluster.Client()
	var o runtime.Object
	var err error
	switch ref.Kind {
	case object.KindIngress:
		o, err = client.NetworkingV1().Ingresses(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	case object.KindIngressClass:
		o, err = client.NetworkingV1().IngressClasses().Get(ctx, ref.Name, metav1.GetOptions{})
	case object.KindService:
		o, err = client.CoreV1().Services(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	case object.KindSlice:
		o, err = client.DiscoveryV1().EndpointSlices(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	case object.KindSecret:
		o, err = client.CoreV1().Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	case object.KindConfigMap:
		o, err = client.CoreV1().ConfigMaps(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return input.Delete(ref)
	case err != nil:
		t.Fatal(err)
	}
	return withoutWindow(watcher.Reduce(o))
}
