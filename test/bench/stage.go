package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"legation.dev/test/bench/crowd"
	"legation.dev/test/bench/peer"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/xds/snapshot"
)

// stage is a server and its Envoys, each in a process of its own.
type stage struct {
	kind    peer.Kind
	size    world.Size
	pairs   string // a folder of peer.Identify; empty without TLS
	server  *proc.Child
	crowd   *proc.Child
	started peer.Started
	loaded  crowd.Received // by the first, fresh Envoy
	envoys  int
	next    int // the Service that changes next
}

var nothing struct{}

// open starts a server with the objects of the run and lets one fresh Envoy
// load them.
func (b *bench) open(kind peer.Kind) (_ *stage, err error) {
	s := &stage{kind: kind, size: b.options.size()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.server, err = proc.Start(b.ctx, roleServer); err != nil {
		return nil, err
	}
	if s.crowd, err = proc.Start(b.ctx, roleCrowd); err != nil {
		return nil, err
	}
	if b.options.tls && kind == peer.Legation {
		if s.pairs, err = os.MkdirTemp("", "legation-bench-"); err != nil {
			return nil, err
		}
		if err := peer.Identify(s.pairs); err != nil {
			return nil, err
		}
	}
	if err := s.server.Call("Server.Start", peer.StartArgs{Kind: kind, Size: s.size, Pairs: s.pairs}, &s.started); err != nil {
		return nil, err
	}
	return s, s.load()
}

func (s *stage) load() error {
	if s.kind == peer.Bare {
		return s.crowd.Call("Crowd.Aim", crowd.AimArgs{Address: s.started.Address, Fleet: world.Class,
			Type: snapshot.Endpoints, Name: s.size.Cluster(0)}, &nothing)
	}
	return s.crowd.Call("Crowd.Load", crowd.LoadArgs{Address: s.started.Address, Fleet: world.Class, Pair: peer.EnvoyPair(s.pairs),
		Named: s.started.Named, Expect: s.started.Expect}, &s.loaded)
}

// close ends both processes.
func (s *stage) close() error {
	var errs []error
	for _, c := range []*proc.Child{s.crowd, s.server} {
		if c != nil {
			errs = append(errs, c.Stop())
		}
	}
	if s.pairs != "" {
		errs = append(errs, os.RemoveAll(s.pairs))
	}
	return errors.Join(errs...)
}

// connect replaces the Envoys by n that have everything, and makes one change
// so that all of them are known to be served.
func (s *stage) connect(n int) error {
	var c crowd.Connected
	if err := s.crowd.Call("Crowd.Connect", crowd.ConnectArgs{Envoys: n}, &c); err != nil {
		return err
	}
	s.envoys = n
	if s.kind == peer.Bare {
		return nil // it takes nothing in; a stream that is late gets the next change
	}
	_, err := s.measure(changes{kind: world.Endpoint, count: 1})
	return err
}

// changes is a row of changes.
type changes struct {
	kind  string
	after string
	count int
	every time.Duration
}

// outcome is what a row of changes cost and how long it took.
type outcome struct {
	crowd.Latencies
	CPU      time.Duration // of the server
	CrowdCPU time.Duration
	Received crowd.Received // by all Envoys
}

// measure makes changes to Services that have not changed for longest, waits
// until every Envoy has each, and reads what that cost.
func (s *stage) measure(c changes) (o outcome, err error) {
	if c.count > s.size.Services {
		return o, fmt.Errorf("%d changes need as many Services; there are %d", c.count, s.size.Services)
	}
	var before, after, crowdBefore, crowdAfter proc.Usage
	var made []crowd.Change
	first := s.next
	s.next = (s.next + c.count) % s.size.Services
	err = calls(
		call{s.crowd, "Crowd.Reset", nothing, &nothing},
		call{s.crowd, "Crowd.Usage", nothing, &crowdBefore},
		call{s.server, "Server.Usage", nothing, &before},
		call{s.server, "Server.Change", peer.ChangeArgs{Kind: c.kind, After: c.after, First: first, Count: c.count, Every: c.every}, &made},
	)
	if err != nil {
		return o, err
	}
	err = calls(
		call{s.crowd, "Crowd.Await", crowd.AwaitArgs{Changes: s.names(made)}, &o.Latencies},
		call{s.server, "Server.Usage", nothing, &after},
		call{s.crowd, "Crowd.Usage", nothing, &crowdAfter},
		call{s.crowd, "Crowd.Received", nothing, &o.Received},
	)
	o.CPU, o.CrowdCPU = after.CPU-before.CPU, crowdAfter.CPU-crowdBefore.CPU
	return o, err
}

// names are the changes as the Envoys see them: those of the bare server always
// carry the same resource.
func (s *stage) names(made []crowd.Change) []crowd.Change {
	if s.kind == peer.Bare {
		for i := range made {
			made[i].Name = s.size.Cluster(0)
		}
	}
	return made
}

// profiled runs f with profiles of the server, if they are wanted; see
// peer.Server.Profile.
func (b *bench) profiled(s *stage, name string, f func() error) error {
	if b.options.profile == "" || s.kind != peer.Legation {
		return f()
	}
	path, err := filepath.Abs(filepath.Join(b.options.profile, name))
	if err != nil {
		return err
	}
	if err := s.server.Call("Server.Profile", path, &nothing); err != nil {
		return err
	}
	return errors.Join(f(), s.server.Call("Server.Profile", "", &nothing))
}

type call struct {
	child  *proc.Child
	method string
	args   any
	reply  any
}

// calls makes calls in a row, until one fails.
func calls(list ...call) error {
	for _, c := range list {
		if err := c.child.Call(c.method, c.args, c.reply); err != nil {
			return err
		}
	}
	return nil
}
