//go:build real

package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Object is a Kubernetes object.
type Object interface {
	runtime.Object
	metav1.Object
}

// Watchable is a typed client of client-go for one kind, in one namespace or in
// all; L is its list.
type Watchable[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// Await waits until look has no error for the objects of a kind, in order of
// their names: those there are first, then after each change. It bears an API
// server that is killed meanwhile. When ctx ends, the last error of look is in
// the error.
//
//	kube.Await(ctx, client.AppsV1().Deployments(ns), func(all []*appsv1.Deployment) error { ... })
func Await[T Object, L runtime.Object](ctx context.Context, of Watchable[L], look func([]T) error) error {
	following, cancel := context.WithCancel(ctx)
	changed := make(chan struct{}, 1)
	m := newMirror[T](func(string) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	var done sync.WaitGroup
	done.Go(func() { follow(following, of, m) })
	defer done.Wait()
	defer cancel()
	err := fmt.Errorf("not listed yet")
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		if err = look(m.all()); err == nil {
			return nil
		}
	}
}

// mirror is what was read of one kind. It is a cache.ReflectorStore.
type mirror[T Object] struct {
	changed func(key string) // called without the lock, and once with "" when all is listed

	mu      sync.Mutex // guards objects
	objects map[string]T
}

func newMirror[T Object](changed func(key string)) *mirror[T] {
	return &mirror[T]{changed: changed, objects: map[string]T{}}
}

// retryEvery is the pause between two tries of a list or watch, so that an API
// server that was killed is found soon after it is back.
const retryEvery = 200 * time.Millisecond

// follow keeps m as the API server is, until ctx ends.
func follow[T Object, L runtime.Object](ctx context.Context, of Watchable[L], m *mirror[T]) {
	var expected T
	quiet := logr.Discard() // that the API server is gone, tests know
	lw := &cache.ListWatch{WatchFuncWithContext: of.Watch,
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := of.List(ctx, o)
			if err != nil {
				return nil, err // not a nil pointer of type L
			}
			return list, nil
		}}
	r := cache.NewReflectorWithOptions(lw, expected, m, cache.ReflectorOptions{Logger: &quiet, Backoff: &wait.Backoff{Duration: retryEvery}})
	r.RunWithContext(klog.NewContext(ctx, quiet))
}

func keyOf(o Object) string { return o.GetNamespace() + "/" + o.GetName() }

// get is an object by namespace/name.
func (m *mirror[T]) get(key string) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	return o, ok
}

// all are the objects, in order of their keys.
func (m *mirror[T]) all() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]T, 0, len(m.objects))
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		list = append(list, m.objects[key])
	}
	return list
}

func (m *mirror[T]) set(o T) {
	m.mu.Lock()
	m.objects[keyOf(o)] = o
	m.mu.Unlock()
	m.changed(keyOf(o))
}

// Add implements cache.ReflectorStore.
func (m *mirror[T]) Add(o any) error { m.set(o.(T)); return nil }

// Update implements cache.ReflectorStore.
func (m *mirror[T]) Update(o any) error { m.set(o.(T)); return nil }

// Delete implements cache.ReflectorStore.
func (m *mirror[T]) Delete(o any) error {
	key := keyOf(o.(T))
	m.mu.Lock()
	delete(m.objects, key)
	m.mu.Unlock()
	m.changed(key)
	return nil
}

// Replace implements cache.ReflectorStore.
func (m *mirror[T]) Replace(list []any, _ string) error {
	concerned := map[string]bool{"": true}
	m.mu.Lock()
	for key := range m.objects {
		concerned[key] = true
	}
	clear(m.objects)
	for _, o := range list {
		m.objects[keyOf(o.(T))] = o.(T)
		concerned[keyOf(o.(T))] = true
	}
	m.mu.Unlock()
	for key := range concerned {
		m.changed(key)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (m *mirror[T]) Resync() error { return nil }
