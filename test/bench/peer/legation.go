package peer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"legation.dev/controller"
	"legation.dev/test/bench/world"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/fleet"
	"legation.dev/xds/identity"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// translate is the snapshot of a world.
func translate(w world.World) (snapshot.Snapshot, error) {
	r := translator.Translate(translator.Result{}, input.View{}.With(w.Objects()...))
	f, ok := r.Fleet(world.Class)
	if !ok {
		return snapshot.Snapshot{}, errors.New("the translation has no fleet")
	}
	return f.Snapshot, nil
}

// legation is the control plane as it runs, from the changes of a source to the
// stream: only the source is ours.
type legation struct {
	source *source
	store  *store.Store
	server *server.Server
	loop   *controller.Loop
}

// newLegation makes one; with pairs it has mutual TLS.
func newLegation(pairs string) (*legation, error) {
	versions, quiet := store.New(store.Config{}), slog.New(slog.DiscardHandler)
	c := server.Config{Store: versions, Fleets: fleet.New(fleet.Config{}), Log: quiet}
	if pairs != "" {
		f, err := identity.Open(filepath.Join(pairs, serverPair), quiet)
		if err != nil {
			return nil, err
		}
		c.Gate = identity.NewGate(f, quiet)
	}
	return &legation{source: newSource(), store: versions, server: server.New(c)}, nil
}

// load hands over all objects at once and waits for the first snapshot.
func (l *legation) load(w world.World, _ world.Size) (snapshot.Snapshot, error) {
	l.loop = &controller.Loop{Source: l.source, Publish: func(fleet string, s snapshot.Snapshot, cause snapshot.Cause) {
		l.store.Publish(fleet, s, cause.Text)
	}}
	l.source.put(w.Objects())
	failed := make(chan error, 1)
	go func() { failed <- l.loop.Run(context.Background()) }()
	select {
	case <-l.store.Ready():
	case err := <-failed:
		return snapshot.Snapshot{}, err
	}
	v, ok := l.store.Watch(world.Class)
	if !ok {
		return snapshot.Snapshot{}, errors.New("the first publication has no fleet")
	}
	return v.Snapshot, nil
}

func (l *legation) serve(listener net.Listener) error { return l.server.Serve(listener) }

func (l *legation) change(w world.World, kind string, i, generation int) error {
	changes, err := w.Change(kind, i, generation)
	if err != nil {
		return err
	}
	l.source.put(changes)
	return nil
}

// source is a controller.Source that changes are put into.
type source struct {
	mu      sync.Mutex // guards pending
	pending []input.Change
	filled  chan struct{} // holds a value while something is pending
}

func newSource() *source { return &source{filled: make(chan struct{}, 1)} }

func (s *source) put(changes []input.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, changes...)
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// Take implements controller.Source.
func (s *source) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case <-s.filled:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.pending
	s.pending = nil
	return batch, nil
}

// FollowedSince implements controller.Source: nothing is ever missed.
func (s *source) FollowedSince(time.Time) time.Time { return time.Time{} }
