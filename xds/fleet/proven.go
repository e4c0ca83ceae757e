package fleet

import (
	"slices"
	"sync"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// maxProven is how many versions of a name are kept: as many as an Envoy can have
// rejected of it.
const maxProven = 4

// proven are the listeners and HTTP configurations that Envoys of a fleet run: what a fresh Envoy gets
// that rejects the newest one. The history of snapshots does not do: it has 64 versions,
// which pass in minutes, and does not say which of them an Envoy runs.
type proven struct {
	mu sync.Mutex
	of map[provenKey][]*snapshot.Resource // the newest first; guarded by mu
}

// provenKey tells the forms of a resource apart: an Envoy without IPv6 can do nothing with
// what others run.
type provenKey struct {
	ref    snapshot.Ref
	noIPv6 bool
}

// Prove says that this Envoy runs a resource.
func (s *Session) Prove(r *snapshot.Resource) {
	p := s.Suspects().proven
	ref := provenKey{snapshot.Ref{Type: r.Type, Name: r.Name}, s.envoy.NoIPv6}
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.of[ref]; len(list) == 0 || list[0].Version != r.Version {
		others := slices.DeleteFunc(slices.Clone(list), func(x *snapshot.Resource) bool { return x.Version == r.Version })
		p.of[ref] = append([]*snapshot.Resource{r}, others[:min(len(others), maxProven-1)]...)
	}
}

// Proven are versions of ref that Envoys of this fleet run or ran, the newest first.
func (s Suspects) Proven(ref snapshot.Ref) []*snapshot.Resource {
	if s.proven == nil {
		return nil
	}
	s.proven.mu.Lock()
	defer s.proven.mu.Unlock()
	return s.proven.of[provenKey{ref, s.noIPv6}] // which is replaced and never changed
}

var _ delta.Fleet = Suspects{}
