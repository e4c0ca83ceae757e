package hold

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"legation.dev/xds/snapshot"
)

// Kind is one of the seven kinds of holds.
type Kind string

// The kinds.
const (
	Certificate Kind = "certificate" // a Secret is missing, or cannot be used
	Endpoints   Kind = "endpoints"   // a Service is missing, or its slices are late
	Path        Kind = "path"        // a path is to move to a Service without endpoints
	Class       Kind = "class"       // a class or its settings are gone, wrong, or wait to be approved, or its fleet is paused
	Name        Kind = "name"        // a host whose last Ingress is gone stays with its namespace
	Deletion    Kind = "deletion"    // hosts that are removed
	Changes     Kind = "changes"     // a namespace makes more changes than it may
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Certificate, Endpoints, Path, Class, Name, Deletion, Changes} }

// Entry is one hold, as it is shown.
type Entry struct {
	Kind   Kind
	Fleet  string
	Object string // that is missing, late, wrong or gone
	Reason string
	// Digest tells what is served from anything else: the version of a resource, or the
	// digest of objects.
	Digest string
	Since  time.Time
	// Until is when it ends by itself; zero if it waits for what is missing, or for
	// somebody to say so.
	Until time.Time
	Hosts []string // of a deletion, each with its objects
	// Approvable says that it ends when somebody approves it, by its Digest.
	Approvable bool
}

// Compare orders by kind, fleet and object.
func (e Entry) Compare(o Entry) int {
	return cmp.Or(cmp.Compare(e.Kind, o.Kind), cmp.Compare(e.Fleet, o.Fleet), cmp.Compare(e.Object, o.Object))
}

// List is what is held of a fleet; fresh is that of Next.
func (h Held) List(fleet string, fresh time.Time) (list []Entry) {
	for name, k := range h.certificates.All() {
		r, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: name})
		if !ok {
			continue
		}
		list = append(list, Entry{Kind: Certificate, Fleet: fleet, Object: "host " + name,
			Reason: "its Secret is missing or cannot be used: the last certificate stays", Digest: r.Version, Since: k.since})
	}
	for _, d := range h.pending.queue.All() {
		r, ok := h.Snapshot.Get(d.ref)
		if !ok || r.Placeholder || d.ref.Type != snapshot.Endpoints {
			continue
		}
		list = append(list, Entry{Kind: Endpoints, Fleet: fleet, Object: "Service " + serviceOf(d.ref.Name),
			Reason: "it is missing, or its EndpointSlices lack the port: the last endpoints stay", Digest: r.Version,
			Since: d.at.Add(-Grace), Until: later(d.at, fresh.Add(Grace))})
	}
	for name, w := range h.moving.All() {
		if r, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.VirtualHost, Name: name}); ok {
			list = append(list, Entry{Kind: Path, Fleet: fleet, Object: "host " + strings.TrimPrefix(name, "ingress/"),
				Reason: "it is to lead to a Service without endpoints: it stays as it was", Digest: r.Version, Since: w.first(), Until: w.until(fresh)})
		}
	}
	slices.SortFunc(list, Entry.Compare)
	return list
}

// serviceOf is the Service of a cluster: "shop/web" of "shop/web/80".
func serviceOf(cluster string) string {
	parts := strings.SplitN(cluster, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// first is since when it waits.
func (w waits) first() (first time.Time) {
	for _, since := range w.since {
		if first.IsZero() || since.Before(first) {
			first = since
		}
	}
	return first
}
