package hold

import (
	"slices"
	"strings"
	"time"

	"legation.dev/held"
	"legation.dev/xds/snapshot"
)

// List is what is held of the endpoints of a fleet.
func (h Held) List(fleet string, clock held.Clock) (list []held.Entry) {
	for _, d := range h.pending.queue.All() {
		r, ok := h.Snapshot.Get(d.ref)
		if !ok || r.Placeholder || d.ref.Type != snapshot.Endpoints {
			continue
		}
		list = append(list, held.Entry{Kind: held.Endpoints, Fleet: fleet, Object: "Service " + serviceOf(d.ref.Name),
			Reason: "it is missing, or its EndpointSlices lack the port: the last endpoints stay", Digest: r.Version,
			Since: d.at.Add(-Grace), Until: clock.End(d.at.Add(-Grace), Grace)})
	}
	for name, w := range h.moving.All() {
		if r, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.VirtualHost, Name: name}); ok {
			list = append(list, held.Entry{Kind: held.Endpoints, Fleet: fleet, Object: "host " + strings.TrimPrefix(name, "ingress/"),
				Reason: "it is to lead to a Service without endpoints: it stays as it was", Digest: r.Version, Since: w.first(), Until: w.until(clock)})
		}
	}
	slices.SortFunc(list, held.Entry.Compare)
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
