package status

import (
	"context"
	"sync"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"legation.dev/watcher/quiet"
)

// lease is a time of leadership that was won. ctx ends when the lease is lost; the one that took
// it up closes over when all that was done under the lease has ended.
type lease struct {
	ctx  context.Context
	over chan struct{}
}

// Run writes whenever this replica leads, until ctx ends, and returns its error.
// All its goroutines have ended then, and the lease is given up. It must be called
// once.
func (w *Writer) Run(ctx context.Context) error {
	l := newLoop(w)
	// The lease outlives ctx: it is given up when nothing is written any more.
	elections, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	var group sync.WaitGroup
	group.Go(func() { w.elect(elections, l.begin) })
	l.run(ctx)
	resign()
	group.Wait()
	return ctx.Err()
}

// elect stands for election again and again, until ctx ends.
func (w *Writer) elect(ctx context.Context, begin chan<- *lease) {
	ctx = klog.NewContext(ctx, klog.Logger(logr.FromSlogHandler(quiet.Handler{Handler: w.config.Log.Handler()})))
	for ctx.Err() == nil {
		e, err := w.elector(begin)
		if err != nil { // New has tried the same
			panic(err)
		}
		e.Run(ctx)
	}
}

func (w *Writer) elector(begin chan<- *lease) (*leaderelection.LeaderElector, error) {
	t := w.config.Timing
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: w.config.Lease.String(),
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: w.config.Lease.Namespace, Name: w.config.Lease.Name},
			Client:     w.objects.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: w.config.Identity},
		},
		LeaseDuration: t.LeaseDuration, RenewDeadline: t.RenewDeadline, RetryPeriod: t.RetryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { take(ctx, begin) },
			OnStoppedLeading: func() {}, // ctx says it
		},
	})
}

// take hands a term to the loop and waits for its end.
func take(ctx context.Context, begin chan<- *lease) {
	a := &lease{ctx, make(chan struct{})}
	select {
	case begin <- a:
		<-a.over
	case <-ctx.Done():
	}
}
