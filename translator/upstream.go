package translator

import (
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// cluster computes the cluster of a backend. Where its Service or port is missing,
// the objects that name it are told.
// It shares what it may have.
func cluster(v input.View, c *class, b route.Backend, of sharers) (r upstream, found []finding.Finding) {
	s, list := c.behind(v, b)
	spec, missing, found := service.Cluster(b, &c.Settings, s, list)
	spec.Measured = v.Time().Before(spec.Settings.AllMetricsUntil)
	divided := c.divide(&spec.Settings.Limits, v, b, of)
	some, told := fewer(spec.Endpoints, b, s, of.variants)
	spec.Endpoints, divided = some, append(divided, told...)
	switch {
	case b.Outside():
		found = c.uncopied(v, b, missing, found)
	case missing == service.ServiceMissing:
		found = append(found, c.missing(v, b, "service.name", b.Key(), finding.NoService)...)
	case missing == service.PortMissing:
		found = append(found, c.missing(v, b, "service.port", b.Port, finding.NoServicePort, b.Ref())...)
	}
	found = append(found, divided...)
	spec.TLS, _ = route.TLSOf(b.Namespace, &spec.Settings.UpstreamTLS, credentials(v)) // who names the Secret is told
	var err error
	r.measured = spec.Settings.AllMetricsUntil
	if r.cluster, err = render.Cluster(spec); err == nil {
		r.shown, err = shown(&spec, r.cluster)
	}
	if err != nil { // no input is known to get here; the fleet must not miss a cluster that a route names
		found = append(found, finding.ClusterNotServed.At(object.Origin{Object: b.Ref()}, "", err))
		r.cluster, r.shown = render.PlainCluster(b), nil
	}
	return r, meaning(b, found)
}

// meaning says of findings what they mean for what a backend gets, if that is no requests
// of clients.
func meaning(b route.Backend, found []finding.Finding) []finding.Finding {
	switch {
	case b.Outside():
		return finding.Where(found, "there are no copies, and requests go on to their Service")
	case b.Raw():
		return finding.Where(found, "connections with TLS that are passed on to it end at once")
	case b.Called():
		return finding.Where(found, "spans are lost, and requests are served as ever")
	}
	return found
}

// upstream is what a backend is made of, but for its endpoints.
type upstream struct {
	cluster  *snapshot.Resource
	shown    *snapshot.Resource // the certificate that endpoints are shown; nil for none
	measured time.Time          // until when all of its statistics are kept
}

// shown is the certificate that a cluster shows to its endpoints; nil for none. One that
// stands in for a missing Service has it, too: the last good one may be kept in its place.
func shown(c *route.Cluster, r *snapshot.Resource) (*snapshot.Resource, error) {
	pulled := r.Pulled(snapshot.Ref{Type: snapshot.Secret, Name: render.ShownBy(r.Name)})
	if c.TLS == nil || c.TLS.Pair == nil || !pulled && !c.Placeholder {
		return nil, nil
	}
	return render.Shown(r.Name, *c.TLS.Pair, []object.Ref{c.TLS.Secret})
}

// missing is a finding for each place that names b: at a field below it in objects
// of the class, and in its settings.
func (c *class) missing(v input.View, b route.Backend, field, value string, code finding.Code, args ...any) (found []finding.Finding) {
	for f, r := range c.references(v, b) {
		found = append(found, code.At(f.At(r.Field).In(field), value, args...))
	}
	if p := c.Settings.DefaultBackend; p.Namespace+"/"+p.Service == b.Key() && p.Port == b.Port {
		found = append(found, code.At(c.config.In("data.default-backend"), p.String(), args...))
	}
	if to, traced := route.Collector(&c.Settings.Tracing); traced && to.Cluster() == b.Cluster() {
		found = append(found, finding.NoCollector.At(c.config.In("data.tracing-collector"), c.Settings.TracingCollector.String()))
	}
	return found
}

// references yields where objects of the class name b: those whose owners have to know
// that the Service is missing.
func (c *class) references(v input.View, b route.Backend) func(func(*route.Fragment, route.Reference) bool) {
	names := func(f *route.Fragment, r *route.Backend) bool {
		return r.Cluster() == b.Cluster() || f.Withheld && r.Key() == b.Key() && r.Port == b.Port // a canary has other settings than its own
	}
	return func(yield func(*route.Fragment, route.Reference) bool) {
		for _, f := range c.sorted(slices.Collect(v.Naming(b.Ref()))) {
			for _, r := range f.References {
				if r.Backend != nil && names(f, r.Backend) && !yield(f, r) {
					return
				}
			}
		}
	}
}

// endpoints computes the endpoints of a cluster that gets them by EDS, which is one of so many
// of its Service port. s and list are the Service and its slices.
func endpoints(b route.Backend, s *input.Service, list []*input.Slice, variants uint32) (*snapshot.Resource, []finding.Finding) {
	e, found := service.Endpoints(b, s, list)
	some, told := fewer(e.List, b, s, variants)
	e.List, found = some, append(found, told...)
	r, err := render.Endpoints(b.Cluster(), e)
	if err != nil { // no input is known to get here: addresses are parsed
		found = append(found, finding.EndpointsNotServed.At(object.Origin{Object: b.Ref()}, "", err))
		r, _ = render.Endpoints(b.Cluster(), route.Endpoints{Backend: b, Placeholder: true})
	}
	if b.Outside() { // whoever wants copies is told, with the cluster
		found = nil
	}
	return r, meaning(b, found)
}

// spareEndpoints are the live endpoints of a cluster that no route names any
// more, for Envoys that still have it; nil if they are unknown, or if they have
// become names, which Envoy rejects by EDS. Who got copies alone needs none.
func spareEndpoints(v input.View, cluster string) *snapshot.Resource {
	b, ok := route.ParseCluster(cluster)
	if !ok {
		return nil
	}
	s, known := v.Service(b.Key())
	list := slices.Collect(v.SlicesOf(b.Key()))
	if known && s.ExternalName != "" || service.HasNames(list) {
		return nil
	}
	variants := uint32(1)
	if strings.Count(cluster, "/") > 2 { // by settings of an Ingress: it was one of several
		variants = spareVariants
	}
	r, _ := endpoints(b, s, list, variants)
	if r.Placeholder {
		return nil
	}
	return r
}
