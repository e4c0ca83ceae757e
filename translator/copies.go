package translator

import (
	"iter"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/route"
)

// Copies of requests go to a name. That of a Service of the cluster is not resolved: its
// endpoints come by EDS, as those of any backend. The cluster is that of the name, and so of
// the namespace of the Ingress: copies take no connections from the requests to the Service,
// and from what its namespace may have.

// behind is the Service that a backend leads to, with its slices; nil if there is none. A
// name that is no Service, or that the class does not let the Ingress name, is one of type
// ExternalName.
func (c *class) behind(v input.View, b route.Backend) (*input.Service, []*input.Slice) {
	key := b.Key()
	if b.Outside() {
		of, ok := c.copiedTo(b)
		if !ok {
			return service.Outside(b), nil
		}
		key = of.Key()
	}
	s, _ := v.Service(key)
	return s, slices.Collect(v.SlicesOf(key))
}

// copiedTo is the Service of the cluster that the name of a backend is, if the class lets it
// be named from the namespace of the backend: what that could ask by an ExternalName Service of
// its own, it may ask.
func (c *class) copiedTo(b route.Backend) (object.Ref, bool) {
	of, ok := b.InCluster(c.Settings.ClusterDomain)
	if !ok || of.Namespace == b.Namespace {
		return of, ok
	}
	short := of.Name + "." + of.Namespace + ".svc"
	return of, service.MayName(short, b.Port, &c.Settings) || service.MayName(short+"."+c.Settings.ClusterDomain, b.Port, &c.Settings)
}

// take has a backend among those that are named.
func (f *Fleet) take(b route.Backend) {
	f.backends = f.backends.Set(b.Cluster(), b)
	if of, _, ok := route.ServiceNamed(b.Service); ok {
		f.copies = f.copies.Set(of.Key()+separator+b.Cluster(), pmap.Unit{})
	}
}

// leave has the backend of a cluster no longer among those that are named.
func (f *Fleet) leave(cluster string) {
	b, _ := f.backends.Get(cluster)
	f.backends = f.backends.Delete(cluster)
	if of, _, ok := route.ServiceNamed(b.Service); ok {
		f.copies = f.copies.Delete(of.Key() + separator + cluster)
	}
}

// clustersOf yields the clusters that get their endpoints from a Service ("namespace/name"),
// each once: those of requests, then those of copies.
func (f *Fleet) clustersOf(key string) iter.Seq2[string, route.Backend] {
	return func(yield func(string, route.Backend) bool) {
		for name, b := range f.backends.Prefix(key + "/") {
			if !yield(name, b) {
				return
			}
		}
		for copies := range f.copies.Prefix(key + separator) {
			_, name, _ := strings.Cut(copies, separator)
			b, _ := f.backends.Get(name)
			if of, ok := f.class.copiedTo(b); ok && of.Key() == key && !yield(name, b) {
				return
			}
		}
	}
}

// uncopied tells those who want copies at a backend why there are none: found and missing are
// what is wrong with its cluster. The owner of the Service is told nothing: he may be of another
// namespace, and no request of his is concerned.
func (c *class) uncopied(v input.View, b route.Backend, missing service.Missing, found []finding.Finding) (list []finding.Finding) {
	named := slices.ContainsFunc(found, func(one finding.Finding) bool { return one.Code == finding.NameCopied })
	why := c.whyNoCopies(v, b, missing, found)
	for f, r := range c.references(v, b) {
		switch at := f.At(r.Field); {
		case named:
			list = append(list, finding.NameCopied.At(at, b.Service))
		case why != "":
			list = append(list, finding.NotCopied.At(at, b.Service, why))
		}
	}
	return list
}

// whyNoCopies is the first reason; empty if there are copies.
func (c *class) whyNoCopies(v input.View, b route.Backend, missing service.Missing, found []finding.Finding) string {
	of, _ := c.copiedTo(b)
	switch missing {
	case service.ServiceMissing:
		return "there is no " + of.String()
	case service.PortMissing:
		return of.String() + " has no TCP port " + b.Port
	}
	s, list := c.behind(v, b)
	_, none := service.Endpoints(b, s, list)
	for _, one := range slices.Concat(found, none) {
		if why := whyUncopied[one.Code]; why != "" {
			return why
		}
	}
	return ""
}

// whyUncopied are the findings about a Service by which there are no copies, as they concern
// who wants them.
var whyUncopied = map[finding.Code]string{
	finding.ExternalNameOff:     "the class has no external-names, and it is no Service of the namespace that has endpoints",
	finding.BadExternalName:     "it is no name",
	finding.OwnExternalName:     "it leads to Envoy's own node",
	finding.ExternalNameOutside: "external-name-suffixes of the class has nothing that it is below",
	finding.OwnPort:             "the port is one of Envoy's own",
	finding.NoExternalPort:      "it has no such port",
	finding.NoReadyEndpoint:     "no endpoint of its Service is ready",
	finding.NoSelector:          "its Service has neither a selector nor an EndpointSlice",
	finding.NoSlicePort:         "no EndpointSlice of its Service has the port",
}
