// Package admin lets people, programs and other replicas look inside a running
// Legation: a gRPC service beside the xDS ones, and HTTP for probes and metrics.
//
// Service reads, and changes nothing; what changes something is a service of its own, Orders.
// Neither knows where objects come from.
//
// Start reading at Service.
package admin

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/history"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// Service answers for this replica, and for the others where it says so.
type Service struct {
	adminv1.UnimplementedAdminServer
	// Instance tells this process from all others.
	Instance string
	Fleets   *fleet.Registry
	Store    *store.Store
	// Book is the history of what the Store has published; nil: as far as the Store has it.
	Book *history.Book
	// Wrong are the Problems of the objects that are asked for; nil: none are known.
	Wrong func(asked func(object.Ref) bool) []*adminv1.Problem
	// Held is what is held here; nil: nothing. Each call makes new messages.
	Held func() []*adminv1.Hold
	// Observed is what Envoys have reported of traffic; nil: nothing.
	Observed *observed.Book
	// Peers are all replicas; nil: there are no others.
	Peers *Peers
	// Unwell is what this process cannot do, although it serves, a sentence each; nil: nothing.
	Unwell func() []string
	// Answers are those of who knows objects.
	Answers Answers

	planning sync.Mutex // held while one is made
	lags     lags
}

// Register adds the service to a server, before that serves.
func (s *Service) Register(r grpc.ServiceRegistrar) { adminv1.RegisterAdminServer(r, s) }

// Acknowledged counts the Envoys of a fleet that run given versions.
func (s *Service) Acknowledged(_ context.Context, r *adminv1.AcknowledgedRequest) (*adminv1.AcknowledgedResponse, error) {
	out := &adminv1.AcknowledgedResponse{Instance: s.Instance, Running: make([]uint32, len(r.GetResources()))}
	for _, e := range s.Fleets.Envoys() {
		if e.Fleet != r.GetFleet() {
			continue
		}
		out.Envoys++
		for i, want := range r.GetResources() {
			if runs(e, want) {
				out.Running[i]++
			}
		}
	}
	return out, nil
}

func runs(e fleet.Envoy, want *adminv1.Resource) bool {
	t, ok := snapshot.TypeOf(want.GetTypeUrl())
	if !ok {
		return false
	}
	return has(e, snapshot.Ref{Type: t, Name: want.GetName()}, want.GetVersion())
}

// has reports whether an Envoy runs a version of a resource.
func has(e fleet.Envoy, ref snapshot.Ref, version string) bool {
	have, ok := e.Status.Types[ref.Type].Have.Get(ref.Name)
	return ok && have.Version == version
}
