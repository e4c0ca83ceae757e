package delta

import (
	"fmt"
	"maps"
	"slices"

	"legation.dev/xds/snapshot"
)

// scopedRoutes and more are the seeds of walks in worlds whose listeners get their HTTP
// configuration by ECDS, with scoped routes; those of odd seeds begin with old listeners.
const scopedRoutes = 1 << 41

// configNames are the names of HTTP configurations.
var configNames = [...]string{"http", "https", "https-b"}

// worldHTTP is the part of a world that has HTTP configurations.
type worldHTTP struct {
	scoped, upgrades bool // listeners are of the new shape; are to become so
	versions         [len(configNames)]string
	older            [len(configNames)][]string
	flavours         int // which of the names the https listener has
	proven           map[string][]*snapshot.Resource
}

// walkHTTP is the part of a walk in such a world.
type walkHTTP struct {
	moved  bool // a stream broke while an HTTP configuration was rejected or in flight
	others Fleet
}

func (w *walk) beginHTTP(seed uint64) {
	w.world.two = false
	w.world.beginHTTP(seed)
	if seed%5 > 0 {
		w.others = worldFleet{w.world, seed%5 > 2}
	}
}

func (w *world) beginHTTP(seed uint64) {
	h := &w.http
	h.scoped, h.upgrades, h.proven = seed%2 == 0, seed%2 == 1, map[string][]*snapshot.Resource{}
	kept := w.badness
	if seed%4 < 2 {
		w.badness = 0 // else the first ones may be bad
	}
	for i := range configNames {
		w.nextConfig(i)
	}
	w.badness = kept
}

// nextConfig makes a new version, which other Envoys run, if it is good.
func (w *world) nextConfig(i int) {
	h := &w.http
	v := w.fresh("c")
	h.older[i] = append(h.older[i], v)
	h.versions[i] = v
	if w.qualityV[v] == bad && w.rng.IntN(2) == 0 {
		w.qualityV[v] = passing
	}
	if name := configNames[i]; w.qualityV[v] == good {
		h.proven[name] = append([]*snapshot.Resource{config(name, v)}, h.proven[name]...)
	}
}

// changeHTTP reports whether it was the turn of something here.
func (w *world) changeHTTP() bool {
	h := &w.http
	if h.upgrades && !h.scoped && w.rng.IntN(30) == 0 {
		h.scoped = true
		return true
	}
	if !h.scoped || w.rng.IntN(4) > 0 {
		return false
	}
	switch i := w.rng.IntN(len(configNames)); w.rng.IntN(4) {
	case 0, 1:
		w.nextConfig(i)
	case 2: // as it was once
		h.versions[i] = h.older[i][w.rng.IntN(len(h.older[i]))]
	case 3:
		h.flavours = i
	}
	return true
}

// putHTTP adds what listeners of the new shape have, and is what https needs and pulls.
func (w *world) putHTTP(put func(*snapshot.Resource)) (needs, pulls []snapshot.Ref) {
	h := &w.http
	if !h.scoped {
		return nil, nil
	}
	ref := func(t snapshot.Type, name string) snapshot.Ref { return snapshot.Ref{Type: t, Name: name} }
	holder := ref(snapshot.Listener, "routes")
	routes := []snapshot.Ref{ref(snapshot.ScopedRoute, "all"), ref(snapshot.RouteConfiguration, "rc")}
	put(snapshot.FromBytes(snapshot.Listener, "routes", "holder", []byte("holder"), snapshot.Meta{Pulls: slices.Clone(routes)}))
	put(snapshot.FromBytes(snapshot.ScopedRoute, "all", "scope", []byte("scope"), snapshot.Meta{}))
	put(snapshot.FromBytes(snapshot.Listener, "http", "listener", []byte("listener"),
		snapshot.Meta{Needs: []snapshot.Ref{holder}, Pulls: append(slices.Clone(routes), ref(snapshot.ExtensionConfig, "http"))}))
	named := [][]int{{1}, {2}, {1, 2}}[h.flavours]
	for _, i := range named {
		routes = append(routes, ref(snapshot.ExtensionConfig, configNames[i]))
	}
	for _, i := range append(named, 0) {
		put(config(configNames[i], h.versions[i]))
	}
	return []snapshot.Ref{holder}, routes
}

// worldFleet is the other Envoys: they run every good version. Some have rejected the
// bad ones before.
type worldFleet struct {
	world *world
	found bool
}

func (o worldFleet) Suspect(_ snapshot.Ref, version string) bool {
	return o.found && o.world.qualityV[version] != good
}

func (o worldFleet) Proven(ref snapshot.Ref) []*snapshot.Resource {
	if ref.Type != snapshot.ExtensionConfig {
		return nil
	}
	return o.world.http.proven[ref.Name]
}

// keepAlone has the next stream begin with the HTTP configurations that its Conn knows to
// be rejected.
func (w *walk) keepAlone(known Rejects) {
	for ref, versions := range known {
		for _, v := range versions {
			if ref.Type == snapshot.ExtensionConfig {
				r := unknown(ref.Type, ref.Name, v)
				w.alone[key(r)] = 1
				w.forget(r)
			}
		}
	}
}

// noteMove notes that the stream breaks while Envoy has rejected an HTTP configuration, or
// is about to: the next Conn may learn of that by the rejection of a listener.
func (w *walk) noteMove() {
	w.moved = w.moved || len(w.conn.types[snapshot.ExtensionConfig].flight) > 0
	for _, c := range w.envoy.http.configs {
		w.moved = w.moved || c.rejected
	}
}

// checkHTTP is what must hold after each step.
func (w *walk) checkHTTP() error {
	h := &w.envoy.http
	switch {
	case h.broken != "":
		return fmt.Errorf("%s (invariant 1)", h.broken)
	case h.faults > 0 && !w.moved:
		return fmt.Errorf("a listener was rejected for an HTTP configuration")
	}
	return nil
}

// finalHTTP is invariant 3 for HTTP configurations and scopes.
func (w *walk) finalHTTP() error {
	h := &w.envoy.http
	for _, n := range slices.Sorted(maps.Keys(h.configs)) {
		x := h.configs[n]
		want, wanted := w.conn.want(snapshot.ExtensionConfig).Get(n)
		if !wanted {
			continue
		}
		d := w.conn.desired(snapshot.ExtensionConfig, n)
		switch fit := w.conn.fleet != nil && len(w.world.http.proven[n]) > 0 || w.world.quality(want) == good; {
		case fit && (x.running == nil || d == nil):
			return fmt.Errorf("HTTP configuration %s: Envoy has none, although a good one is known", n)
		case d != nil && known(d) && x.rejected:
			return fmt.Errorf("HTTP configuration %s: Envoy rejected the last one and got no good one", n)
		case d != nil && version(x.running) != d.Version:
			return fmt.Errorf("HTTP configuration %s: Envoy runs %q, desired %s (invariant 3)", n, version(x.running), d.Version)
		}
	}
	if h.scoped && h.scope == nil && w.conn.want(snapshot.ScopedRoute).Len() > 0 {
		return fmt.Errorf("the scope was not sent")
	}
	return nil
}

// blocked reports whether a listener, as wanted or as it warms at Envoy, has an HTTP
// configuration of which Envoy rejected the last bytes or has none, and nothing can be sent.
func (w *walk) blocked(listener string) bool {
	want, _ := w.conn.want(snapshot.Listener).Get(listener)
	var warming *snapshot.Resource
	if l := w.envoy.listeners[listener]; l != nil {
		warming = l.warming
	}
	for _, r := range []*snapshot.Resource{want, warming} {
		if r != nil && slices.ContainsFunc(r.Pulls, func(ref snapshot.Ref) bool {
			return ref.Type == snapshot.ExtensionConfig && w.conn.stuck(ref.Name)
		}) {
			return true
		}
	}
	return false
}
