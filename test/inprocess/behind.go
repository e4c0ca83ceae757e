package inprocess

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// pollEvery is the pause between two looks at what Envoy has acknowledged, which
// has no signal of its own.
const pollEvery = 2 * time.Millisecond

// Published is what the fleet should run; false before the first publication.
func (s *Stack) Published() (snapshot.Snapshot, bool) {
	p, _ := s.running()
	return p.Published(Class)
}

// Envoys are the streams that are open.
func (s *Stack) Envoys() []fleet.Envoy {
	p, _ := s.running()
	return p.Envoys()
}

// Behind is what is published and not run by every Envoy. It is false if that
// cannot be said: a change up to number is not published, or there is no Envoy.
func (s *Stack) Behind(number uint64) ([]snapshot.Ref, bool) {
	p, f := s.running()
	if f.published.Load() < number {
		return nil, false
	}
	return p.Behind(Class)
}

// Behind is what is published for a fleet and not run by every Envoy of it that
// is connected, but for what they rejected. It is false if nothing is published, or no Envoy is there.
func (p *Plane) Behind(class string) (refs []snapshot.Ref, ok bool) {
	view, published := p.store.Watch(class)
	if !published {
		return nil, false
	}
	for _, e := range p.fleets.Envoys() {
		if e.Fleet == class {
			refs, ok = append(refs, fleet.Due(e.Of(view.Snapshot), e.Status)...), true
		}
	}
	return refs, ok
}

// Landed reports whether every Envoy runs, of the resources that concern the asker,
// what is published now, and the changes up to number are published.
func (s *Stack) Landed(number uint64, concerns func(snapshot.Ref) bool) bool {
	refs, ok := s.Behind(number)
	return ok && !slices.ContainsFunc(refs, concerns)
}

// Settle waits until all changes so far are published and every Envoy runs what
// is published.
func (s *Stack) Settle(ctx context.Context) error {
	s.mu.Lock()
	given := s.given
	s.mu.Unlock()
	return s.Await(ctx, func() error {
		refs, ok := s.Behind(given)
		if !ok || len(refs) > 0 {
			return fmt.Errorf("Envoy lacks %d resources: %.300v", len(refs), refs)
		}
		return nil
	})
}

// Await looks until there is no error, and fails with the last one when ctx or
// Envoy ends before.
func (s *Stack) Await(ctx context.Context, look func() error) error {
	alive, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-s.Envoy.Done():
			end(s.Envoy.Err())
		case <-alive.Done():
		}
	}()
	return Await(alive, look)
}

// Await looks until there is no error, and fails with the last one when ctx ends
// before.
func Await(ctx context.Context, look func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := look()
		if err == nil {
			return nil
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) { // else it only says that the time is over
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}
