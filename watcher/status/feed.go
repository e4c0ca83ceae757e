package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// feed follows the objects of one kind, each reduced to a value of type V as soon as it is
// decoded. put does not hear of an update that leaves the value as it was. Only the
// goroutine of its Reflector may use a feed.
type feed[O runtime.Object, V comparable] struct {
	what   string // "pods in namespace edge"
	source cache.ListerWatcher
	reduce func(O) V
	// put and gone hear of each difference; listed of the end of each full list.
	// They may wait. listed may be nil.
	put    func(key string, v V)
	gone   func(key string)
	listed func()

	known map[string]V // by namespace/name, or name
}

// item is what a feed makes of an object, as the Reflector's own short-lived store
// keeps it during a list.
type item[V any] struct {
	name  cache.ObjectName
	value V
}

// GetObjectMeta makes item an object with a name.
func (i item[V]) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: i.name.Namespace, Name: i.name.Name}
}

// runner is a feed of any kind.
type runner interface {
	run(ctx context.Context, log *slog.Logger)
}

// run follows until ctx ends.
func (f *feed[O, V]) run(ctx context.Context, log *slog.Logger) {
	f.known = map[string]V{}
	logger := klog.Logger(logr.FromSlogHandler(log.Handler()))
	r := cache.NewReflectorWithOptions(f.source, nil, f, cache.ReflectorOptions{Name: f.what, Logger: &logger})
	r.RunWithContext(klog.NewContext(ctx, logger))
}

var _ cache.TransformingStore = &feed[runtime.Object, string]{}

// Transformer reduces the objects of a list while it streams in.
func (f *feed[O, V]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) { return f.item(o) }
}

func (f *feed[O, V]) item(o any) (item[V], error) {
	switch o := o.(type) {
	case item[V]:
		return o, nil
	case O:
		name, err := cache.ObjectToName(o)
		if err != nil {
			return item[V]{}, err
		}
		return item[V]{name, f.reduce(o)}, nil
	}
	return item[V]{}, fmt.Errorf("%T is none of the %s", o, f.what)
}

// Add takes over an object.
func (f *feed[O, V]) Add(o any) error { return f.Update(o) }

// Update takes over an object.
func (f *feed[O, V]) Update(o any) error {
	i, err := f.item(o)
	if err != nil {
		return err
	}
	f.note(i)
	return nil
}

func (f *feed[O, V]) note(i item[V]) {
	key := i.name.String()
	if before, ok := f.known[key]; !ok || before != i.value {
		f.known[key] = i.value
		f.put(key, i.value)
	}
}

// Delete takes over that an object is gone.
func (f *feed[O, V]) Delete(o any) error {
	i, err := f.item(o)
	if err != nil {
		return err
	}
	f.drop(i.name.String())
	return nil
}

func (f *feed[O, V]) drop(key string) {
	if _, ok := f.known[key]; ok {
		delete(f.known, key)
		f.gone(key)
	}
}

// Replace takes over a full list: what is not in it is gone.
func (f *feed[O, V]) Replace(list []any, _ string) error {
	left := maps.Clone(f.known)
	for _, o := range list {
		i, err := f.item(o)
		if err != nil {
			return err
		}
		delete(left, i.name.String())
		f.note(i)
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		f.drop(key)
	}
	if f.listed != nil {
		f.listed()
	}
	return nil
}

// Resync has nothing to do: nothing is computed from what is kept.
func (f *feed[O, V]) Resync() error { return nil }

// listWatch is one kind in one namespace, or in all; narrow is applied to each
// request, and tell hears how each went.
func listWatch(c cache.Getter, resource, namespace string, narrow func(*metav1.ListOptions), tell func(error)) *cache.ListWatch {
	lw := cache.NewFilteredListWatchFromClient(c, resource, namespace, narrow)
	list, follow := lw.ListWithContextFunc, lw.WatchFuncWithContext
	lw.ListWithContextFunc = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		l, err := list(ctx, o)
		if ctx.Err() == nil {
			tell(err)
		}
		return l, err
	}
	lw.WatchFuncWithContext = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		w, err := follow(ctx, o)
		if ctx.Err() == nil {
			tell(err)
		}
		if streamed := o.SendInitialEvents != nil && *o.SendInitialEvents; err != nil && streamed {
			// Of some errors here the Reflector waits whether ctx ends or not. Of one that
			// it does not know it falls back to a list, which has the same fate and waits
			// better.
			return nil, errors.New(err.Error())
		}
		return w, err
	}
	return lw
}

// trouble logs when something that is tried again and again begins to fail, and
// when it no longer does. It belongs to one goroutine.
type trouble struct {
	what string
	log  *slog.Logger
	last string
}

func (t *trouble) tell(err error) {
	switch {
	case err == nil && t.last != "":
		t.log.Info(t.what + ": works again")
		t.last = ""
	case err != nil && t.last == "":
		t.log.Warn(t.what+": fails and is tried again", "err", err)
		t.last = err.Error()
	}
}
