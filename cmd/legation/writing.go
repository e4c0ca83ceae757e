package main

import (
	"context"
	"sync"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/watcher/kube"
	"legation.dev/watcher/status"
	"legation.dev/xds/admin"
	"legation.dev/xds/snapshot"
)

// acknowledged says of each Ingress whether all Envoys of its fleet run it.
type acknowledged func(context.Context, []object.Ref) ([]bool, error)

// served answers what is served, by the newest result and by what all Envoys run.
type served struct {
	peers *admin.Peers

	mu     sync.Mutex
	newest translator.Result
}

func (s *served) report(r translator.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = r
}

func (s *served) result() translator.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// acknowledged asks each fleet once. An Ingress that no class of ours has, or whose
// certificate is not there, is not served.
func (s *served) acknowledged(ctx context.Context, refs []object.Ref) ([]bool, error) {
	type question struct {
		at    []int // in refs
		lists [][]*snapshot.Resource
	}
	result, all, fleets := s.result(), make([]bool, len(refs)), map[string]question{}
	for i, ref := range refs {
		if fleet, list, ok := result.Serving(ref.Key()); ok {
			q := fleets[fleet]
			fleets[fleet] = question{append(q.at, i), append(q.lists, list)}
		}
	}
	for fleet, q := range fleets { // in no order: they do not depend on each other
		answers, err := s.peers.Acknowledged(ctx, fleet, q.lists)
		if err != nil {
			return nil, err
		}
		for k, i := range q.at {
			all[i] = answers[k]
		}
	}
	return all, nil
}

// stateOf is what a result and all that is wrong mean for who writes to Kubernetes.
func stateOf(r translator.Result, problems []finding.Problem) status.State {
	view := r.View()
	s := status.State{Fleets: map[string]pmap.Map[pmap.Unit]{}, Elsewhere: map[string]bool{}, Problems: problems, Exists: view.Has}
	for f := range r.Fleets() {
		s.Fleets[f.Name] = f.Members
	}
	for name, class := range view.Classes().All() {
		if class.Controller == kube.NotServed {
			s.Elsewhere[name] = true
		}
	}
	return s
}
