//go:build real

package faults

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

// changeEvery is the time from one change to the next.
const changeEvery = 50 * time.Millisecond

// changes writes to the API server, one change after the other. What an API
// server that is killed did not take is written again. While it runs, it owns the
// hosts.
type changes struct {
	*suite
	kinds  []func() (what string, write func(context.Context) error)
	extras []*host // that were added and are not under load
	made   atomic.Int64
	counts map[string]int
	added  int // how many ever were
	stop   context.CancelFunc
	ended  chan error
}

func newChanges(w *suite) *changes {
	c := &changes{suite: w, counts: map[string]int{}}
	c.kinds = []func() (string, func(context.Context) error){c.add, c.move, c.roll, c.rotate, c.add, c.move, c.remove, c.rotate}
	return c
}

// begin lets changes go on until end.
func (c *changes) begin() {
	ctx, cancel := context.WithCancel(c.ctx)
	c.stop, c.ended = cancel, make(chan error, 1)
	go func() { c.ended <- c.run(ctx) }()
}

// end waits until the last change is written.
func (c *changes) end() {
	c.t.Helper()
	c.stop()
	if err := <-c.ended; err != nil {
		c.t.Fatal(err)
	}
}

// more waits until so many further changes were written.
func (c *changes) more(n int64) {
	c.t.Helper()
	until := c.made.Load() + n
	c.await(func() error {
		if made := c.made.Load(); made < until {
			return fmt.Errorf("%d of %d changes are written", made, until)
		}
		return nil
	})
}

func (c *changes) run(ctx context.Context) error {
	tick := time.NewTicker(changeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := c.one(); err != nil {
			return err
		}
	}
}

// one makes the next change; it does not end before that is written.
func (c *changes) one() error {
	what, write := c.kinds[int(c.made.Load())%len(c.kinds)]()
	ctx, cancel := context.WithTimeout(c.ctx, hang)
	defer cancel()
	if err := inprocess.Await(ctx, func() error { return write(ctx) }); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	c.counts[what]++
	c.made.Add(1)
	return nil
}

// applying writes objects.
func applying(objects ...kube.Object) func(context.Context) error {
	return func(ctx context.Context) error { return k.Apply(ctx, objects...) }
}

// add adds a host that is not under load.
func (c *changes) add() (string, func(context.Context) error) {
	c.added++
	h := &host{name: fmt.Sprintf("x%d.test", c.added), moved: steady}
	c.extras = append(c.extras, h)
	return "Ingress added", applying(c.ingress(h))
}

// remove removes the oldest of those.
func (c *changes) remove() (string, func(context.Context) error) {
	h := c.extras[0]
	c.extras = c.extras[1:]
	return "Ingress removed", func(ctx context.Context) error { return k.Delete(ctx, c.ingress(h)) }
}

// move leads a path of a host under load to the other Service, or back. Both
// answers are right from then on.
func (c *changes) move() (string, func(context.Context) error) {
	h := c.hosts[int(c.made.Load())%len(c.hosts)]
	if h.moved == steady {
		h.moved = rolled
	} else {
		h.moved = steady
	}
	c.timeline.Allow(h.name, pathMoved, answerOf(h.moved))
	return "path moved", applying(c.ingress(h))
}

// roll replaces the pods of a Deployment.
func (c *changes) roll() (string, func(context.Context) error) {
	deployment, _ := kube.Web(c.namespace, rolled, 2, c.grace)
	deployment.Spec.Template.Annotations = map[string]string{"test.legation.dev/roll": fmt.Sprint(c.made.Load())}
	return "pods rolled", applying(deployment)
}

// rotate gives a TLS host a new certificate.
func (c *changes) rotate() (string, func(context.Context) error) {
	half := len(c.hosts) / 2
	h := c.hosts[half+int(c.made.Load())%half]
	secret, err := c.backends.Secret(c.authority, h.secret, h.name)
	return "certificate rotated", func(ctx context.Context) error {
		return errors.Join(err, k.Apply(ctx, secret))
	}
}
