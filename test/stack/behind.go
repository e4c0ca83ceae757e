package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/pmap"
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
// is connected. It is false if nothing is published, or no Envoy is there.
func (p *Plane) Behind(class string) (refs []snapshot.Ref, ok bool) {
	view, published := p.store.Watch(class)
	if !published {
		return nil, false
	}
	for _, e := range p.fleets.Envoys() {
		if e.Fleet == class {
			refs, ok = append(refs, Lacks(view.Snapshot, e.Status)...), true
		}
	}
	return refs, ok
}

// Lacks is what one Envoy lacks. What lingers on purpose does not count, nor what
// it rejected, nor a stand-in where it has something.
func Lacks(want snapshot.Snapshot, status delta.Status) (refs []snapshot.Ref) {
	for t := range snapshot.Types() {
		s := status.Types[t]
		if !s.Requested && want.Of(t).Len() > 0 {
			refs = append(refs, snapshot.Ref{Type: t})
		}
		for c := range pmap.Diff(s.Have, want.Of(t)) {
			if !excused(t, c, status) && (t != snapshot.Endpoints || asked(want, c)) {
				refs = append(refs, snapshot.Ref{Type: t, Name: c.Key})
			}
		}
	}
	return refs
}

// asked says whether Envoy asks for endpoints at all: a cluster that is held as it
// was (by DNS) does not, while its Service has become another.
func asked(want snapshot.Snapshot, c pmap.Change[*snapshot.Resource]) bool {
	cluster, ok := want.Get(snapshot.Ref{Type: snapshot.Cluster, Name: c.Key})
	return !ok || cluster.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: c.Key})
}

func excused(t snapshot.Type, c pmap.Change[*snapshot.Resource], status delta.Status) bool {
	if !c.HasNew {
		return t != snapshot.VirtualHost && t != snapshot.Listener
	}
	if c.HadOld && (c.New.Weak || c.Old.Version == c.New.Version) {
		return true
	}
	named := func(r delta.Rejection) bool { return r.Name == c.Key }
	return slices.ContainsFunc(status.Types[t].Rejected, named) ||
		t == snapshot.Endpoints && slices.ContainsFunc(status.Types[snapshot.Cluster].Rejected, named) // Envoy has no such cluster
}

// Landed says whether every Envoy runs, of the resources that concern the asker,
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
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-s.Envoy.Done():
			return fmt.Errorf("%w: %w", s.Envoy.Err(), last)
		}
	}
}
