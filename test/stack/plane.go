package stack

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/fleet"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// shutdownTimeout is how long Down waits for connections that do not end.
const shutdownTimeout = time.Second

// plane is a running control plane.
type plane struct {
	feed   *feed
	store  *store.Store
	fleets *fleet.Registry
	server *server.Server
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	published uint64     // the number of the last change that is in the store
	result    translator.Result
	err       error // why the Loop or the server ended
}

// Up starts a control plane without any memory, which reads all objects first.
func (s *Stack) Up() error {
	l, err := net.Listen("tcp", s.listenAddress())
	if err != nil {
		return err
	}
	s.xds = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	p := &plane{store: store.New(store.Config{}), fleets: fleet.New(fleet.Config{}), cancel: cancel}
	p.server = server.New(server.Config{Store: p.store, Fleets: p.fleets, Log: s.options.Log})
	s.mu.Lock()
	p.feed = newFeed(s.given, sorted(s.objects))
	s.plane = p
	s.mu.Unlock()
	loop := &translator.Loop{Source: p.feed, Publish: p.publish(s.options.Poison), Report: p.report, StandIn: s.standIn}
	p.done.Go(func() { p.ended(loop.Run(ctx)) })
	p.done.Go(func() { p.ended(p.server.Serve(&cuttable{l, &s.knife})) })
	return nil
}

func (s *Stack) listenAddress() string {
	if s.xds == "" {
		return "127.0.0.1:0"
	}
	return s.xds
}

// Down ends the control plane as `legation serve` ends on SIGTERM; objects may
// be changed meanwhile. Envoy serves on.
func (s *Stack) Down() error {
	s.mu.Lock()
	p := s.plane
	s.plane = nil
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	p.server.Shutdown(ctx)
	p.cancel()
	p.done.Wait()
	return p.err
}

func (p *plane) ended(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

func (p *plane) publish(poison func(snapshot.Snapshot) snapshot.Snapshot) func(string, snapshot.Snapshot, string) {
	return func(fleet string, snap snapshot.Snapshot, cause string) {
		if poison != nil {
			snap = poison(snap)
		}
		p.store.Publish(fleet, snap, cause)
	}
}

func (p *plane) report(r translator.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published, p.result = p.feed.taken, r
}

// Problems are those of the last translation.
func (s *Stack) Problems() []input.Problem {
	p := s.running()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result.Problems(time.Now())
}

// Server is what the server counted since the last Up.
func (s *Stack) Server() server.Stats { return s.running().server.Stats() }

// XDS is the address of the server.
func (s *Stack) XDS() string { return s.xds }

// running is the control plane. It panics when there is none: no test asks then.
func (s *Stack) running() *plane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plane == nil {
		panic("stack: the control plane is down")
	}
	return s.plane
}

// sorted are the changes in an order that does not change from run to run.
func sorted(objects map[input.Ref]input.Change) []input.Change {
	var list []input.Change
	for _, c := range objects {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b input.Change) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return list
}

// feed is the Source.
type feed struct {
	wake chan struct{} // holds a value when there are changes

	mu      sync.Mutex // guards the fields below
	changes []input.Change
	given   uint64

	taken uint64 // the last number that Take handed out; of the Loop's goroutine
}

func newFeed(given uint64, first []input.Change) *feed {
	f := &feed{wake: make(chan struct{}, 1)}
	f.give(given, first)
	return f
}

func (f *feed) give(number uint64, changes []input.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes, f.given = append(f.changes, changes...), number
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Take implements translator.Source.
func (f *feed) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case <-f.wake:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := coalesced(f.changes)
	f.changes, f.taken = nil, f.given
	return all, nil
}

// coalesced keeps the last change of each object.
func coalesced(changes []input.Change) []input.Change {
	last := map[input.Ref]int{}
	for i, c := range changes {
		last[c.Ref] = i
	}
	var out []input.Change
	for i, c := range changes {
		if last[c.Ref] == i {
			out = append(out, c)
		}
	}
	return out
}

var _ translator.Source = (*feed)(nil)
