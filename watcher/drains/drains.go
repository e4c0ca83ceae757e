// Package drains tells how drains of Envoys ended whose pods have no token to tell it
// themselves. The kubelet puts the report of shutdown-manager into the status of the pod before
// the pod is gone; of that an Event is made, which outlives the pod.
//
// It reads pods and writes Events, and nothing else. One replica runs it, that with the Lease;
// should two do so, the second one finds the Event there. What it cannot write it tries again
// for as long as somebody may still want to know.
//
// The rights that it needs, in the namespace of the pods: list and watch pods, create
// events.events.k8s.io.
//
// Start reading at Teller.Run; report.go says what of a pod is a report.
package drains

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"legation.dev/drain/event"
	"legation.dev/watcher/quiet"
)

const (
	// tellFor is how long after a drain an Event of it is still made: a leader that begins finds
	// pods whose container was restarted long ago. As long as orders wait to be told.
	tellFor = 15 * time.Minute
	// againFirst and againMost are the pauses after failures.
	againFirst, againMost = time.Second, time.Minute
	// requestPatience bounds one request to a server that does not answer.
	requestPatience = 30 * time.Second
)

// Pods are those of Envoys.
type Pods struct {
	Namespace string
	Selector  labels.Selector
}

// Config says whose drains are told. REST must be set.
type Config struct {
	REST *rest.Config
	Pods []Pods
	// Log gets a line when telling begins to fail, and when it works again; nil means
	// slog.Default().
	Log *slog.Logger
}

// Teller tells of drains.
type Teller struct {
	api  kubernetes.Interface
	pods []Pods
	log  *slog.Logger
}

// New makes a Teller. The error is that of c.REST.
func New(c Config) (*Teller, error) {
	api, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	return &Teller{api: api, pods: c.Pods, log: cmp.Or(c.Log, slog.Default())}, nil
}

// Run follows the pods and tells of their drains until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	limit := workqueue.NewTypedItemExponentialFailureRateLimiter[report](againFirst, againMost)
	queue := workqueue.NewTypedRateLimitingQueue(limit)
	logger := logr.FromSlogHandler(quiet.Handler{Handler: t.log.Handler()})
	ctx = klog.NewContext(ctx, logger)
	var group sync.WaitGroup
	for _, p := range t.pods {
		group.Go(func() { t.follow(p, queue.Add).RunWithContext(ctx) })
	}
	group.Go(func() { t.work(ctx, queue) })
	<-ctx.Done()
	queue.ShutDown()
	group.Wait()
}

// follow hands on the reports of pods, those that are there and those that come. One may be
// handed on twice.
func (t *Teller) follow(p Pods, hand func(report)) cache.Controller {
	selected := func(o *metav1.ListOptions) { o.LabelSelector = p.Selector.String() }
	found := func(now, before any) {
		had := map[report]bool{}
		for _, r := range reportsOf(before) {
			had[r] = true
		}
		for _, r := range reportsOf(now) {
			if !had[r] {
				hand(r)
			}
		}
	}
	_, c := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewFilteredListWatchFromClient(t.api.CoreV1().RESTClient(), "pods", p.Namespace, selected),
		ObjectType:    &corev1.Pod{},
		Transform:     narrow,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(now any) { found(now, nil) },
			UpdateFunc: func(before, now any) { found(now, before) },
			DeleteFunc: func(last any) { found(last, nil) }, // it may have come with the end alone
		},
	})
	return c
}

// work tells of one drain after the other, until the queue is shut down.
func (t *Teller) work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[report]) {
	failed := false
	for {
		r, over := queue.Get()
		if over {
			return
		}
		err := t.tell(ctx, r)
		queue.Done(r)
		if failed != (err != nil) && ctx.Err() == nil {
			if failed = err != nil; failed {
				t.log.Warn("an Event of a drain cannot be written, and is tried again", "pod", r.pod.Name, "err", err)
			} else {
				t.log.Info("Events of drains are written again")
			}
		}
		if err != nil {
			queue.AddRateLimited(r)
		} else {
			queue.Forget(r)
		}
	}
}

// tell writes the Event of a drain, unless that is too long ago or somebody has.
func (t *Teller) tell(ctx context.Context, r report) error {
	at := time.Unix(r.ended, 0)
	parsed, ok := r.parse()
	if !ok || time.Since(at) > tellFor {
		return nil
	}
	e, err := event.Of(r.pod, parsed, at)
	if err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	err = t.api.EventsV1().RESTClient().Post().Namespace(r.pod.Namespace).Resource("events").SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx).Error()
	if apierrors.IsAlreadyExists(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}
