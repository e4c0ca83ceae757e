package delta

import (
	"maps"
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/xds/snapshot"
)

// Rejection is a version that Envoy rejected when it was sent alone.
type Rejection struct {
	Name, Version string
	Message       string // Envoy's error text
	At            time.Time
	From          []object.Ref // the objects it came from
	Lacks         bool         // Envoy has no other version of the resource either
}

// rejectOne is rule 6: the guilty resource is found.
func (c *Conn) rejectOne(t snapshot.Type, f *flight, message string) {
	st := &c.types[t]
	if len(f.Removed) > 0 {
		return // a removal cannot be at fault: while Envoy has what it removes, it is sent again
	}
	r := f.Resources[0]
	if t == snapshot.Cluster {
		c.added.drop(r.Name)
	}
	if c.firstRejection(r) {
		return
	}
	c.remember(snapshot.Ref{Type: t, Name: r.Name}, r.Version)
	st.exclude(r.Name, r.Version)
	st.errors.put(r.Name, Rejection{Name: r.Name, Version: r.Version, Message: message, At: c.now, From: r.From})
	if _, superseded := f.superseded[r.Name]; !superseded && (t == snapshot.Secret || t == snapshot.Endpoints) {
		st.mustSend.put(r.Name, struct{}{})
		if t == snapshot.Secret {
			c.refused.put(r.Name, struct{}{})
		}
	}
	switch t {
	case snapshot.Listener:
		c.rejectedAgain(r)
	case snapshot.Secret:
		clear(c.rejectedOnce) // a listener or cluster on its way may be rejected for this one
	case snapshot.ExtensionConfig:
		c.rejectedAgain(r)
		clear(c.rejectedOnce)
		if st.subscribed(r.Name) { // else Envoy has dropped it meanwhile
			c.spoil(r.Name)
		}
	}
}

// firstRejection reports whether this is the first rejection of a version of a listener, or
// of a cluster with a secret, since the last rejection of a secret or HTTP configuration. Envoy may reject it for a secret whose rejected bytes it remembers
// (M15): each secret of it is pushed as a variant, then the listener or cluster again.
func (c *Conn) firstRejection(r *snapshot.Resource) bool {
	this := onceOf(r)
	if _, had := c.rejectedOnce[this]; had || len(c.rejectedOnce) >= maxMemory || !twice(r) {
		return false
	}
	c.rejectedOnce[this] = struct{}{}
	secrets := &c.types[snapshot.Secret]
	for _, ref := range r.Pulls {
		if ref.Type == snapshot.ExtensionConfig {
			c.spoilPulled(ref.Name)
		}
		if ref.Type == snapshot.Secret && secrets.subscribed(ref.Name) {
			secrets.mustSend.put(ref.Name, struct{}{})
			if r.Type == snapshot.Cluster {
				c.refused.put(ref.Name, struct{}{})
			}
			delete(c.variedSecrets, ref.Name)
			c.returned = true // variants from now on
		}
	}
	return true
}

// twice reports whether a rejection of r may be for a secret.
func twice(r *snapshot.Resource) bool {
	switch r.Type {
	case snapshot.Listener:
		return ruleLDSTwice
	case snapshot.Cluster:
		return ruleCDSTwice && isShown(r)
	}
	return false
}

// remember notes a version that Envoy rejected. What is in want is always noted, or it
// would be sent again after each rejection; of what is gone, at most maxMemory names.
func (c *Conn) remember(ref snapshot.Ref, version string) {
	versions := c.rejected[ref]
	if slices.Contains(versions, version) {
		return
	}
	if versions == nil && len(c.rejected) >= maxMemory {
		maps.DeleteFunc(c.rejected, func(r snapshot.Ref, _ []string) bool { return !c.want(r.Type).Has(r.Name) })
	}
	if len(versions) >= maxRejects {
		versions = versions[1:]
	}
	c.keep(ref, append(slices.Clone(versions), version))
}

func (c *Conn) keep(ref snapshot.Ref, versions []string) {
	if c.rejected == nil {
		c.rejected = Rejects{}
	}
	c.rejected[ref] = versions
}

// rejectMany is rule 7: what of the response was applied is not knowable, and
// its names are to be isolated by halves.
func (c *Conn) rejectMany(t snapshot.Type, f *flight) {
	st := &c.types[t]
	var group []suspect
	put := func(name string, sent *snapshot.Resource) {
		if _, superseded := f.superseded[name]; superseded {
			return
		}
		if t != snapshot.VirtualHost {
			st.doubt(name, st.get(name), sent)
		}
		group = append(group, suspect{name, version(sent)})
	}
	for _, r := range f.Resources {
		put(r.Name, r)
	}
	for _, n := range f.Removed {
		put(n, nil)
	}
	half := (len(group) + 1) / 2
	st.isolate(group[:half])
	st.isolate(group[half:])
}

// doubt adds versions to maybe(n).
func (st *state) doubt(name string, versions ...*snapshot.Resource) {
	for _, r := range versions {
		if !slices.ContainsFunc(st.maybe[name], func(m *snapshot.Resource) bool { return (m == nil) == (r == nil) && version(m) == version(r) }) {
			st.maybe.put(name, append(st.maybe[name], r))
		}
	}
}

// exclude takes a version out of maybe(n): rejected alone, it was not applied in
// company either. What Envoy certainly had is then all that is left.
func (st *state) exclude(name, version string) {
	have := st.get(name)
	rest := slices.DeleteFunc(slices.Clone(st.maybe[name]), func(m *snapshot.Resource) bool {
		return m != nil && m.Version == version
	})
	for _, m := range rest {
		if (m == nil) != (have == nil) || m != nil && m.Version != have.Version {
			st.maybe.put(name, rest)
			return
		}
	}
	st.maybe.drop(name)
}

func (st *state) isolate(group []suspect) {
	if len(group) == 0 {
		return
	}
	st.groups = append(st.groups, group)
	for _, s := range group {
		st.grouped.put(s.name, st.grouped[s.name]+1)
	}
}

// nextGroup takes groups off the queue until one has something to send, and
// returns what to add and what to remove. It skips a name if its desired version
// has changed since the rejection, if Envoy certainly has that version already, or
// if only the version is known and not the resource.
func (c *Conn) nextGroup(t snapshot.Type) (add []*snapshot.Resource, remove []string) {
	st := &c.types[t]
	for len(st.groups) > 0 && len(add)+len(remove) == 0 {
		group := st.groups[0]
		st.groups = st.groups[1:]
		for _, s := range group {
			if left := st.grouped[s.name] - 1; left > 0 {
				st.grouped.put(s.name, left)
			} else {
				st.grouped.drop(s.name)
			}
			want := c.desired(t, s.name)
			last, certain := st.last(s.name)
			if want != nil && !known(want) {
				continue
			}
			if version(want) != s.version || certain && version(last) == s.version || c.secretMoves(want) {
				continue
			}
			if want == nil {
				remove = append(remove, s.name)
			} else {
				add = append(add, want)
			}
		}
	}
	return add, remove
}
