package delta

import (
	"maps"
	"slices"

	"legation.dev/xds/snapshot"
)

// What the model Envoy does with secrets of clusters (M15, M28).

// secretsOf are the names of the secrets that a resource pulls.
func secretsOf(r *snapshot.Resource) (names []string) {
	for _, ref := range r.Pulls {
		if ref.Type == snapshot.Secret {
			names = append(names, ref.Name)
		}
	}
	return names
}

// askSecrets subscribes to secrets that Envoy does not have yet.
func (e *envoy) askSecrets(names []string) {
	var ask []string
	for _, n := range names {
		if e.secrets[n] == nil {
			e.secrets[n] = &modelSecret{}
			ask = append(ask, n)
		}
	}
	e.subscribe(snapshot.Secret, ask...)
}

// showing reports whether a warming cluster, whose endpoints are there, has its secrets, or
// has waited for them long enough: for those that the wire still carries nobody can help.
func (e *envoy) showing(c *modelCluster, underWay []string) bool {
	names := secretsOf(c.warming)
	if len(names) == 0 {
		return true
	}
	if c.asked.IsZero() {
		c.asked = e.now
		e.askSecrets(names)
	}
	for _, n := range names {
		s := e.secrets[n]
		switch {
		case s.good != nil || s.waited:
		case e.now.Before(c.asked.Add(patience)):
			return false
		default:
			s.stalled = s.stalled || slices.Contains(underWay, n)
		}
	}
	return true
}

// shows reports whether a cluster has what it is to show to endpoints. Nobody can help if
// that was rejected, or if Envoy stopped waiting because another was (M16), or too soon.
func (e *envoy) shows(c *modelCluster) bool {
	for _, n := range secretsOf(c.active) {
		if s := e.secrets[n]; s == nil || s.good == nil && !s.rejected && !s.waited && !s.stalled {
			return false
		}
	}
	return true
}

// poisoned reports whether a cluster names a secret whose rejected bytes Envoy remembers.
func (e *envoy) poisoned(cluster *snapshot.Resource) bool {
	return slices.ContainsFunc(secretsOf(cluster), func(n string) bool { return e.secrets[n] != nil && e.secrets[n].rejected })
}

// lets the secrets of removed clusters go once time has passed: until then the connections
// of the old one keep them.
func (e *envoy) endLingering() {
	for _, n := range slices.Sorted(maps.Keys(e.lingering)) {
		if e.lingering[n].Before(e.now) {
			delete(e.lingering, n)
		}
	}
}

// linger keeps the secrets of a cluster that is removed.
func (e *envoy) linger(c *modelCluster) {
	for _, r := range []*snapshot.Resource{c.active, c.warming} {
		if r == nil {
			continue
		}
		for _, n := range secretsOf(r) {
			e.lingering[n] = e.now
		}
	}
}
