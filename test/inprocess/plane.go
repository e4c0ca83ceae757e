package inprocess

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"legation.dev/controller"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/xds/admin"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// shutdownTimeout is how long Close waits for connections that do not end.
const shutdownTimeout = time.Second

// PlaneConfig says how to run a Plane. Source and Listener are required.
type PlaneConfig struct {
	Source   controller.Source
	Listener net.Listener // closed by the Plane
	// Run, if set, runs beside the Loop, as that of watcher/kube's Source must.
	Run func(context.Context) error
	// StandIn is for hosts whose Secret never was there.
	StandIn *input.Secret
	// Poison changes what is published, after validation: an Envoy may reject it.
	Poison func(snapshot.Snapshot) snapshot.Snapshot
	// Report, if set, is called after each batch, when it is published.
	Report func(translator.Result)
	// Now is the clock of translation; nil means time.Now.
	Now func() time.Time
	// Orders are carried out; nil: there are none.
	Orders *controller.Orders
	// Window is that of what Envoys report; 0: the default.
	Window time.Duration
	// Log is that of the server; nil discards it.
	Log *slog.Logger
}

// Plane is a control plane as `legation serve` is one, in this process, so that
// tests can look into it. Its methods may be called from any goroutine.
type Plane struct {
	config  PlaneConfig
	store   *store.Store
	fleets  *fleet.Registry
	traffic *observed.Book
	server  *server.Server
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	result translator.Result
	err    error // why the Loop or the server ended
}

// NewPlane starts a Plane without any memory. Who calls it calls Close.
func NewPlane(c PlaneConfig) *Plane {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Plane{config: c, store: store.New(store.Config{}), fleets: fleet.New(fleet.Config{}), cancel: cancel}
	p.traffic = observed.New(observed.Config{Known: server.Known(p.store), Window: c.Window})
	p.server = server.New(server.Config{Store: p.store, Fleets: p.fleets, Log: c.Log, Observed: p.traffic, Services: p.register})
	loop := &controller.Loop{Source: c.Source, Publish: p.publish, Report: p.report, StandIn: c.StandIn, Orders: c.Orders, Now: c.Now}
	if c.Run != nil {
		p.done.Go(func() { p.ended(c.Run(ctx)) })
	}
	p.done.Go(func() { p.ended(loop.Run(ctx)) })
	p.done.Go(func() { p.ended(p.server.Serve(c.Listener)) })
	return p
}

// register adds the service that commands ask.
func (p *Plane) register(to grpc.ServiceRegistrar) {
	(&admin.Service{Instance: "inprocess", Fleets: p.fleets, Store: p.store, Observed: p.traffic}).Register(to)
}

// Traffic is what Envoys have reported.
func (p *Plane) Traffic() *observed.Book { return p.traffic }

// Close ends the Plane as `legation serve` ends on SIGTERM. The error says that a
// part of it had ended by itself.
func (p *Plane) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	p.server.Shutdown(ctx)
	p.cancel()
	p.done.Wait()
	return p.err
}

func (p *Plane) ended(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

func (p *Plane) publish(fleet string, snap snapshot.Snapshot, cause snapshot.Cause) {
	if p.config.Poison != nil {
		snap = p.config.Poison(snap)
	}
	p.store.Publish(fleet, snap, cause.Text, cause.Edits...)
}

func (p *Plane) report(r translator.Result) {
	p.mu.Lock()
	p.result = r
	p.mu.Unlock()
	if p.config.Report != nil {
		p.config.Report(r)
	}
}

// Result is that of the last translation.
func (p *Plane) Result() translator.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result
}

// Published is what a fleet should run; false before the first publication.
func (p *Plane) Published(fleet string) (snapshot.Snapshot, bool) {
	v, ok := p.store.Watch(fleet)
	return v.Snapshot, ok
}

// Envoys are the streams that are open.
func (p *Plane) Envoys() []fleet.Envoy { return p.fleets.Envoys() }

// Server is what the server counted.
func (p *Plane) Server() server.Stats { return p.server.Stats() }

// Up starts a control plane without any memory, which reads all objects first.
func (s *Stack) Up() error {
	l, err := net.Listen("tcp", s.listenAddress())
	if err != nil {
		return err
	}
	s.xds = l.Addr().String()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = newFeed(s.given, sorted(s.objects))
	s.plane = NewPlane(PlaneConfig{Source: s.feed, Listener: &cuttable{l, &s.knife, &s.silence}, StandIn: s.standIn,
		Poison: s.options.Poison, Report: s.report(s.feed), Orders: s.options.Orders, Now: s.options.Now, Window: s.options.Window, Log: s.options.Log})
	return nil
}

// Result is that of the last translation; zero while the control plane is down.
func (s *Stack) Result() translator.Result {
	s.mu.Lock()
	p := s.plane
	s.mu.Unlock()
	if p == nil {
		return translator.Result{}
	}
	return p.Result()
}

// report notes how far a feed is published.
func (s *Stack) report(f *feed) func(translator.Result) {
	return func(translator.Result) { f.published.Store(f.taken) }
}

func (s *Stack) listenAddress() string {
	if s.xds == "" {
		// Connections of clients come from 127.0.0.1, and must not take its port while it
		// is down.
		return "127.0.0.2:0"
	}
	return s.xds
}

// Down ends the control plane; objects may be changed meanwhile. Envoy serves on.
func (s *Stack) Down() error {
	s.mu.Lock()
	p := s.plane
	s.plane, s.feed = nil, nil
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.Close()
}

// Problems are those of the last translation.
func (s *Stack) Problems() []finding.Problem {
	p, _ := s.running()
	return p.Result().Problems(time.Now())
}

// Server is what the server counted since the last Up.
func (s *Stack) Server() server.Stats {
	p, _ := s.running()
	return p.Server()
}

// Traffic is what Envoys have reported since the last Up.
func (s *Stack) Traffic() *observed.Book {
	p, _ := s.running()
	return p.Traffic()
}

// XDS is the address of the server.
func (s *Stack) XDS() string { return s.xds }

// running is the control plane and its Source. It panics when there is none: no
// test asks then.
func (s *Stack) running() (*Plane, *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plane == nil {
		panic("stack: the control plane is down")
	}
	return s.plane, s.feed
}
