// Package peer holds the servers that a benchmark compares, each in a process
// of its own: Legation, go-control-plane's caches with its own server, and a
// bare gRPC stream that does nothing but send and wait for the answer.
//
// All serve the same objects (package world, translated by Legation) and change
// them in the same way.
//
// Start reading at Server.
package peer

import (
	"fmt"
	"net"
	"os"
	"time"

	"legation.dev/test/bench/clients"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/xds/snapshot"
)

// Kind is a server under measurement.
type Kind string

// The servers.
const (
	Legation      Kind = "Legation"
	Bare          Kind = "bare gRPC"
	SnapshotCache Kind = "SnapshotCache"
	LinearCache   Kind = "LinearCache"
)

// peer is what each server implements.
type peer interface {
	// load makes everything that is served, and says what a fresh Envoy gets.
	load(w world.World, size world.Size) (snapshot.Snapshot, error)
	// serve answers on l until the process ends.
	serve(l net.Listener) error
	// change makes one change of a kind; it returns when the server has taken
	// it in, not when it is sent.
	change(w world.World, kind string, i, generation int) error
}

// Server runs one peer. Its methods are called by net/rpc.
type Server struct {
	meter      *proc.Meter
	peer       peer
	world      world.World
	size       world.Size
	generation int
	profile    profile
}

// NewServer makes a Server that serves nothing yet.
func NewServer() *Server { return &Server{meter: proc.NewMeter()} }

// StartArgs is what is served.
type StartArgs struct {
	Kind Kind
	Size world.Size
	// Pairs is a folder for the certificates of mutual TLS, if Legation is to have it;
	// see Identify.
	Pairs string
}

// Started is where it is served, and what it is.
type Started struct {
	Address string
	Took    time.Duration // to make what is served
	Named   clients.Named
	Expect  [snapshot.NumTypes]int
	Bytes   int64 // of all resources, as they are sent
}

// Start loads the world and serves it on a free port of 127.0.0.1.
func (s *Server) Start(args StartArgs, reply *Started) error {
	var err error
	if s.peer, err = newPeer(args); err != nil {
		return err
	}
	s.size = args.Size
	if s.world, err = world.New(args.Size); err != nil {
		return err
	}
	start := proc.Now()
	snap, err := s.peer.load(s.world, args.Size)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	go func() {
		if err := s.peer.serve(l); err != nil {
			fmt.Fprintf(os.Stderr, "%s: serving: %v\n", args.Kind, err)
			os.Exit(1)
		}
	}()
	*reply = started(snap)
	reply.Address, reply.Took = l.Addr().String(), proc.Now()-start
	return nil
}

func newPeer(args StartArgs) (peer, error) {
	switch args.Kind {
	case Legation:
		return newLegation(args.Pairs)
	case Bare:
		return newBare(), nil
	case SnapshotCache:
		return newSnapshotCache(), nil
	case LinearCache:
		return newLinearCache(), nil
	}
	return nil, fmt.Errorf("no server is called %q", args.Kind)
}

// started describes what an Envoy of snap gets.
func started(snap snapshot.Snapshot) Started {
	s := Started{Named: clients.Named{}}
	for t := range snapshot.Types() {
		s.Expect[t] = snap.Of(t).Len()
		for name, r := range snap.Of(t).All() {
			s.Bytes += int64(len(r.Wire()))
			if t == snapshot.RouteConfiguration || t == snapshot.ExtensionConfig || t == snapshot.Secret {
				s.Named[t] = append(s.Named[t], name)
			}
		}
	}
	return s
}

// ChangeArgs is a row of changes of one kind, to Services that follow each other.
type ChangeArgs struct {
	Kind  string // of package world
	After string // a kind of change to the same Service right before each; may be empty
	First int    // the first Service
	Count int
	Every time.Duration // from one change to the next; 0: at once
}

// Change makes changes and says which resources Envoys are going to get. The
// time of each is taken before the server hears of it.
func (s *Server) Change(args ChangeArgs, reply *[]clients.Change) error {
	*reply = make([]clients.Change, 0, args.Count)
	s.generation++
	next := proc.Now()
	for i := range args.Count {
		time.Sleep(next - proc.Now())
		next += args.Every
		service := (args.First + i) % s.size.Services
		if args.After != "" {
			if err := s.peer.change(s.world, args.After, service, s.generation); err != nil {
				return err
			}
		}
		at := proc.Now()
		if err := s.peer.change(s.world, args.Kind, service, s.generation); err != nil {
			return err
		}
		*reply = append(*reply, s.changed(args.Kind, service, at))
	}
	return nil
}

// changed is the resource that tells Envoys of a change.
func (s *Server) changed(kind string, i int, at time.Duration) clients.Change {
	if kind == world.Path {
		return clients.Change{Type: snapshot.VirtualHost, Name: s.size.VirtualHost(i), At: at}
	}
	return clients.Change{Type: snapshot.Endpoints, Name: s.size.Cluster(i), At: at}
}

// Usage is that of this process, once it is idle.
func (s *Server) Usage(_ struct{}, reply *proc.Usage) error {
	proc.Settle()
	*reply = s.meter.Read(false)
	return nil
}

// Memory is Usage after a collection of garbage.
func (s *Server) Memory(_ struct{}, reply *proc.Usage) error {
	proc.Settle()
	*reply = s.meter.Read(true)
	return nil
}

// ResetPeaks begins a new measurement of the highest use of memory.
func (s *Server) ResetPeaks(_ struct{}, _ *struct{}) error {
	s.meter.ResetPeaks()
	return nil
}
