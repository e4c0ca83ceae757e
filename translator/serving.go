package translator

import (
	"iter"
	"maps"
	"slices"

	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Ingresses yields the Ingresses of the fleet's class, in order of namespace and
// name. A fleet that is frozen has those that it last had.
func (f *Fleet) Ingresses() iter.Seq[*input.Ingress] {
	return func(yield func(*input.Ingress) bool) {
		for key := range f.Members.All() {
			if o, ok := f.view.Ingress(key); ok && !yield(o) {
				return
			}
		}
	}
}

// Serving is the fleet of an Ingress ("namespace/name"), and what an Envoy of it
// runs when it serves the Ingress as it is now: the virtual hosts of its hosts,
// and the certificates of its TLS hosts. What those need is live before them. It
// is false if no class of ours has the Ingress, if its hosts belong to others, or if one
// of its TLS hosts has no certificate yet: its Secret may be just being read.
func (r Result) Serving(key string) (fleet string, list []*snapshot.Resource, ok bool) {
	for f := range r.Fleets() {
		if o, there := f.view.Ingress(key); there && f.class.has(o.Fragment()) {
			list, ok = f.serving(o.Fragment())
			return f.Name, list, ok
		}
	}
	return "", nil, false
}

func (f *Fleet) serving(of *route.Fragment) (list []*snapshot.Resource, ok bool) {
	refs := map[snapshot.Ref]bool{}
	host := func(name string) {
		for _, routes := range f.class.routes {
			refs[snapshot.Ref{Type: snapshot.VirtualHost, Name: render.VirtualHostName(routes, name)}] = true
		}
	}
	if of.Fallback != nil || of.CatchAll != nil {
		host(route.Any)
	}
	refused := 0
	for _, h := range of.Hosts {
		t := f.class.tenure(f.view, h.Name)
		if !of.Withheld && !slices.Contains(t.Served, of) {
			refused++
			continue
		}
		host(h.Name)
		if len(h.TLS) > 0 && (of.Withheld || t.Owns(of)) {
			refs[snapshot.Ref{Type: snapshot.Secret, Name: h.Name}] = true
		}
	}
	if refused > 0 && refused == len(of.Hosts) {
		return nil, false
	}
	for _, ref := range slices.SortedFunc(maps.Keys(refs), snapshot.Ref.Compare) {
		r, there := f.Snapshot.Get(ref)
		switch {
		case !there: // a host that is refused has no virtual host
		case r.Placeholder:
			return nil, false
		default:
			list = append(list, r)
		}
	}
	return list, true
}
