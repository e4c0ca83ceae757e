package fleet

import (
	"maps"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Rejects is what this Envoy rejected on earlier streams to this process, for
// delta.Accept.
func (s *Session) Rejects() delta.Rejects {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	return s.registry.rejects.get(s.key())
}

// Remember keeps what this Envoy has rejected so far, for its next stream.
// It must not be changed afterwards.
func (s *Session) Remember(r delta.Rejects) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	s.registry.rejects.set(s.key(), r)
}

// Suspect tells the fleet that this Envoy rejected a version that was sent alone. Other
// Envoys learn of it with their next target (see delta.Fleet.Suspect for what it changes);
// those that have been sent the version already are not helped.
func (s *Session) Suspect(ref snapshot.Ref, version string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	fleet := s.key().fleet
	s.registry.suspects[fleet] = s.registry.suspects[fleet].with(suspect{ref, version}, s.registry.cfg.Suspects)
}

// Suspects is the versions that some Envoy of this fleet rejected alone.
func (s *Session) Suspects() Suspects {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	fleet := s.key().fleet
	all := s.registry.suspects[fleet]
	if all.proven == nil {
		all.proven = &proven{of: map[provenKey][]*snapshot.Resource{}}
		s.registry.suspects[fleet] = all
	}
	all.noIPv6 = s.envoy.NoIPv6 // which never changes
	return all
}

// Suspects is a set of versions, for delta.Conn.Target. It is a value and never
// changes, so streams read it without a lock; all but proven, which has one.
type Suspects struct {
	proven *proven
	noIPv6 bool // of the Envoy that asks what is proven
	set    map[suspect]struct{}
	order  []suspect // oldest first
}

type suspect struct {
	ref     snapshot.Ref
	version string
}

// Suspect reports whether the version is in the set.
func (s Suspects) Suspect(ref snapshot.Ref, version string) bool {
	_, ok := s.set[suspect{ref, version}]
	return ok
}

// Len is the number of suspect versions.
func (s Suspects) Len() int { return len(s.order) }

// with is s and one more; above the limit the oldest is left out. It copies,
// which is cheap enough: a rejection by one Envoy alone is rare.
func (s Suspects) with(x suspect, limit int) Suspects {
	if s.Suspect(x.ref, x.version) {
		return s
	}
	out := Suspects{proven: s.proven, set: maps.Clone(s.set), order: append(s.order[:len(s.order):len(s.order)], x)}
	if out.set == nil {
		out.set = map[suspect]struct{}{}
	}
	out.set[x] = struct{}{}
	for len(out.order) > limit {
		delete(out.set, out.order[0])
		out.order = out.order[1:]
	}
	return out
}
