package inspect

import (
	"context"
	"sync"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// Served answers what is served, by the newest result and by what all Envoys run.
type Served struct {
	Peers *admin.Peers
	// Admin answers for all replicas; nil: nothing is known beside the result.
	Admin adminv1.AdminServer
	// Problems has those that do not follow from objects; nil: there are none.
	Problems *Problems

	mu     sync.Mutex
	newest translator.Result // guarded by mu
}

// Report takes a new result.
func (s *Served) Report(r translator.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = r
}

// Result is the newest one.
func (s *Served) Result() translator.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// Acknowledged says of each Ingress whether all Envoys of its fleet run it; each
// fleet is asked once. An Ingress that no class of ours has, or whose certificate is
// not there, is not served.
func (s *Served) Acknowledged(ctx context.Context, refs []object.Ref) ([]bool, error) {
	type question struct {
		at    []int // in refs
		lists [][]*snapshot.Resource
	}
	result, all, fleets := s.Result(), make([]bool, len(refs)), map[string]question{}
	for i, ref := range refs {
		if fleet, list, ok := result.Serving(ref.Key()); ok {
			q := fleets[fleet]
			fleets[fleet] = question{append(q.at, i), append(q.lists, list)}
		}
	}
	for fleet, q := range fleets { // in no order: they do not depend on each other
		answers, err := s.Peers.Acknowledged(ctx, fleet, q.lists)
		if err != nil {
			return nil, err
		}
		for k, i := range q.at {
			all[i] = answers[k]
		}
	}
	return all, nil
}
