package server

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// viewStream is a state-of-the-world stream of any service.
type viewStream interface {
	Context() context.Context
	Recv() (fetchRequest, error)
	Send(fetchResponse) error
}

// follower is one state-of-the-world stream. All of it belongs to the
// goroutine that runs follow.
type follower struct {
	stream  viewStream
	store   *store.Store
	only    snapshot.Type // or anyType
	fleet   string        // "" before the first request
	current store.View
	subs    [snapshot.NumTypes]*subscription // nil: not asked for
}

// subscription is what a reader asked for and what it was shown last.
type subscription struct {
	names   []string
	version string // version_info
}

// follow shows the types that the stream asks for, now and whenever they
// change, until the client has no more requests or the server stops. A reader
// who misses versions is shown the current one.
func (s *Server) follow(stream viewStream, only snapshot.Type) error {
	f := follower{stream: stream, store: s.store, only: only}
	left := make(chan struct{})
	defer close(left)
	requests := receive(s, left, stream.Recv)
	for {
		select {
		case r := <-requests:
			if r.err != nil {
				return endOf(r.err)
			}
			if err := f.asked(r.message); err != nil {
				return err
			}
		case <-f.current.Changed: // never, as long as it is nil
			if err := f.show(); err != nil {
				return err
			}
		case <-s.stopping:
			return errStopping
		}
	}
}

// asked takes in one request: a new subscription is answered, an ACK is not.
func (f *follower) asked(r fetchRequest) error {
	if f.fleet == "" {
		fleet, err := chooseFleet(f.store, r.GetNode())
		if err != nil {
			return err
		}
		f.fleet = fleet
		f.current, _ = f.store.Watch(fleet)
	}
	t, err := requestedType(r, f.only)
	if err != nil {
		return err
	}
	if r.GetErrorDetail() != nil {
		return status.Error(codes.InvalidArgument, "this stream is a view for people: Envoy must use delta ADS (api_type: DELTA_GRPC)")
	}
	sub := f.subs[t]
	if sub != nil && r.GetResponseNonce() != "" && slices.Equal(sub.names, r.GetResourceNames()) {
		return nil
	}
	f.subs[t] = &subscription{names: r.GetResourceNames()}
	return f.showType(t)
}

// show looks at the current version and sends what differs from the last look.
func (f *follower) show() error {
	f.current, _ = f.store.Watch(f.fleet)
	for t := range snapshot.Types() {
		if f.subs[t] == nil || f.subs[t].version == f.current.Snapshot.Of(t).Digest().String() {
			continue
		}
		if err := f.showType(t); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) showType(t snapshot.Type) error {
	response := stateOfTheWorld(f.current, t, f.subs[t].names)
	f.subs[t].version = response.VersionInfo
	return f.stream.Send(response)
}
