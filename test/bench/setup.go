package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"legation.dev/test/bench/clients"
	"legation.dev/test/bench/peer"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/xds/snapshot"
)

// setup is a server and its Envoys, each in a process of its own.
type setup struct {
	kind    peer.Kind
	size    world.Size
	pairs   string // a folder of peer.Identify; empty without TLS
	server  *proc.Child
	clients *proc.Child
	started peer.Started
	loaded  clients.Received // by the first, fresh Envoy
	envoys  int
	next    int // the Service that changes next
}

var nothing struct{}

// open starts a server with the objects of the run and lets one fresh Envoy
// load them.
func (b *bench) open(kind peer.Kind) (_ *setup, err error) {
	s := &setup{kind: kind, size: b.options.size()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.server, err = proc.Start(b.ctx, roleServer); err != nil {
		return nil, err
	}
	if s.clients, err = proc.Start(b.ctx, roleClients); err != nil {
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

func (s *setup) load() error {
	if s.kind == peer.Bare {
		return s.clients.Call("Clients.Aim", clients.AimArgs{Address: s.started.Address, Fleet: world.Class,
			Type: snapshot.Endpoints, Name: s.size.Cluster(0)}, &nothing)
	}
	return s.clients.Call("Clients.Load", clients.LoadArgs{Address: s.started.Address, Fleet: world.Class, Pair: peer.EnvoyPair(s.pairs),
		Named: s.started.Named, Expect: s.started.Expect}, &s.loaded)
}

// close ends both processes.
func (s *setup) close() error {
	var errs []error
	for _, c := range []*proc.Child{s.clients, s.server} {
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
func (s *setup) connect(n int) error {
	var c clients.Connected
	if err := s.clients.Call("Clients.Connect", clients.ConnectArgs{Envoys: n}, &c); err != nil {
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
	clients.Latencies
	CPU       time.Duration // of the server
	ClientCPU time.Duration
	Received  clients.Received // by all Envoys
}

// measure makes changes to Services that have not changed for longest, waits
// until every Envoy has each, and reads what that cost.
func (s *setup) measure(c changes) (o outcome, err error) {
	if c.count > s.size.Services {
		return o, fmt.Errorf("%d changes need as many Services; there are %d", c.count, s.size.Services)
	}
	var before, after, clientsBefore, clientsAfter proc.Usage
	var made []clients.Change
	first := s.next
	s.next = (s.next + c.count) % s.size.Services
	err = calls(
		call{s.clients, "Clients.Reset", nothing, &nothing},
		call{s.clients, "Clients.Usage", nothing, &clientsBefore},
		call{s.server, "Server.Usage", nothing, &before},
		call{s.server, "Server.Change", peer.ChangeArgs{Kind: c.kind, After: c.after, First: first, Count: c.count, Every: c.every}, &made},
	)
	if err != nil {
		return o, err
	}
	err = calls(
		call{s.clients, "Clients.Await", clients.AwaitArgs{Changes: s.names(made)}, &o.Latencies},
		call{s.server, "Server.Usage", nothing, &after},
		call{s.clients, "Clients.Usage", nothing, &clientsAfter},
		call{s.clients, "Clients.Received", nothing, &o.Received},
	)
	o.CPU, o.ClientCPU = after.CPU-before.CPU, clientsAfter.CPU-clientsBefore.CPU
	return o, err
}

// names are the changes as the Envoys see them: those of the bare server always
// carry the same resource.
func (s *setup) names(made []clients.Change) []clients.Change {
	if s.kind == peer.Bare {
		for i := range made {
			made[i].Name = s.size.Cluster(0)
		}
	}
	return made
}

// profiled runs f with profiles of the server, if they are wanted; see
// peer.Server.Profile.
func (b *bench) profiled(s *setup, name string, f func() error) error {
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
