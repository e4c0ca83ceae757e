package translator

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// A Service port has a cluster for each combination of settings that Ingresses have for it.
// Envoy counts connections by cluster, so the share of the port is divided among its
// clusters: with a cluster more for each annotation that somebody varies, one Service
// could otherwise have all of an Envoy. In the same way the Service ports of a namespace
// divide what the namespace may have.
//
// Each of these clusters also has all endpoints of the Service, and for Envoy each is one of its
// own: 1.6 kB. What an owner writes once would be made as often as there are annotations.

const (
	// portEndpoints is how many endpoints the clusters of a Service port have together, if these are
	// several: 27 MB in an Envoy. One that is alone has all.
	portEndpoints = 16_384
	// fewestEndpoints is how many each has at least.
	fewestEndpoints = 16
	// spareVariants is of how many clusters one was that nobody names any more, and of which nobody
	// knows how many there were: it keeps 256 endpoints for the requests that it still has.
	spareVariants = 64
)

// endpointsOf is how many endpoints each of so many clusters of a Service port has at most.
func endpointsOf(variants uint32) int {
	if variants < 2 {
		return math.MaxInt
	}
	return max(fewestEndpoints, int(portEndpoints/policy.Parts(variants)))
}

// fewer are the endpoints that one of several clusters of a Service port has, and what its owner is
// told of that. Each cluster has others, ready ones first, and one more takes the place of one.
func fewer(list []route.Endpoint, b route.Backend, s *input.Service, variants uint32) ([]route.Endpoint, []finding.Finding) {
	most := endpointsOf(variants)
	if len(list) <= most {
		return list, nil
	}
	drains := func(e route.Endpoint) byte {
		if e.Draining {
			return 1
		}
		return 0
	}
	rank := map[string][]byte{}
	for _, e := range list {
		sum := pmap.SumOf(b.Cluster(), e.Host(), strconv.Itoa(int(e.Port)))
		rank[e.Host()+" "+strconv.Itoa(int(e.Port))] = append([]byte{drains(e)}, sum[:]...)
	}
	last := slices.SortedFunc(maps.Values(rank), bytes.Compare)[most-1]
	some := slices.DeleteFunc(slices.Clone(list), func(e route.Endpoint) bool {
		return bytes.Compare(rank[e.Host()+" "+strconv.Itoa(int(e.Port))], last) > 0
	})
	return some, []finding.Finding{finding.ShareCapped.At(s.Fragment().Origin, "", fmt.Errorf(
		"%d endpoints, for each of %d kinds of connections to the port by the settings of Ingresses: each kind has %d of them, others than the next", len(list), variants, most))}
}

// shares marks the clusters of Service ports whose parts have become more or fewer, once all
// hosts have named theirs.
func (p *pass) shares() {
	touched := keys{}
	for name := range p.clusters {
		b, ok := p.next.backends.Get(name)
		if ok && !p.isNamed(name) {
			p.next.leave(name)
		}
		if ok {
			touched.add(b.Key())
		}
	}
	namespaces := keys{}
	for _, key := range touched.sorted() {
		before, after := variants(p.old.backends, p.old.view, key), variants(p.next.backends, p.v, key)
		s, _ := p.v.Service(key)
		for name, b := range p.next.backends.Prefix(key + "/") {
			if port := portOf(b, s); policy.Parts(before[port]) != policy.Parts(after[port]) {
				p.clusters.add(name)
			}
		}
		if namespace, _, _ := strings.Cut(key, "/"); len(before) != len(after) {
			ports, _ := p.next.ports.Get(namespace)
			p.next.ports = p.next.ports.Set(namespace, ports+tally(len(after))-tally(len(before)))
			namespaces.add(namespace)
		}
	}
	p.levels(namespaces)
}

// tally is a number of Service ports with clusters.
type tally uint32

// Sum identifies it.
func (t tally) Sum() pmap.Sum { return pmap.SumOf(strconv.FormatUint(uint64(t), 10)) }

// levels marks the clusters of namespaces whose ports may have more or less than before, and
// tells the namespaces that have nearly too many ports.
func (p *pass) levels(namespaces keys) {
	b := p.next.class.Settings.NamespaceBudget
	for _, namespace := range namespaces.sorted() {
		before, _ := p.old.ports.Get(namespace)
		after, _ := p.next.ports.Get(namespace)
		if after == 0 {
			p.next.ports = p.next.ports.Delete(namespace)
		}
		if least := min(b.Level(uint32(before)), b.Level(uint32(after))); policy.Parts(uint32(before)) != policy.Parts(uint32(after)) && least < p.next.class.Settings.Share() {
			for name := range p.next.backends.Prefix(namespace + "/") {
				p.clusters.add(name)
			}
		}
		p.next.crowded = with(p.next.crowded, namespace, b.Crowded(uint32(after), nearly))
	}
	if p.all { // by another budget
		p.next.crowded = pmap.Map[pmap.Unit]{}
		for namespace, ports := range p.next.ports.All() {
			p.next.crowded = with(p.next.crowded, namespace, b.Crowded(uint32(ports), nearly))
		}
	}
	var found []finding.Finding
	for namespace := range p.next.crowded.All() {
		ports, _ := p.next.ports.Get(namespace)
		code := finding.NearConnections
		if b.Crowded(uint32(ports), 100) {
			code = finding.OverConnections
		}
		if f := p.first(namespace); f != nil {
			found = append(found, code.At(f.Origin, "", int(ports), b.Level(uint32(ports)), b.NamespaceConnections))
		}
	}
	p.found("connections", found)
}

// first is the first Ingress of a namespace in the class, by name: it is told what concerns
// the namespace.
func (p *pass) first(namespace string) *route.Fragment {
	for _, f := range p.v.Fragments().Prefix(string(object.KindIngress) + " " + namespace + "/") {
		if p.next.class.has(f) {
			return f
		}
	}
	return nil
}

// variants is how many clusters the Service port of a backend has.
func (p *pass) variants(b route.Backend) uint32 {
	if p.counted == nil {
		p.counted = map[string]map[string]uint32{}
	}
	if p.counted[b.Key()] == nil {
		p.counted[b.Key()] = variants(p.next.backends, p.v, b.Key())
	}
	s, _ := p.v.Service(b.Key())
	return p.counted[b.Key()][portOf(b, s)]
}

// variants counts the clusters of a Service, by port.
func variants(backends pmap.Map[route.Backend], v input.View, key string) map[string]uint32 {
	count := map[string]uint32{}
	s, _ := v.Service(key)
	for _, b := range backends.Prefix(key + "/") {
		count[portOf(b, s)]++
	}
	return count
}

// portOf is the number of a port that a backend may name otherwise.
func portOf(b route.Backend, s *input.Service) string {
	if s != nil {
		if port, ok := service.Port(b, s); ok {
			return strconv.Itoa(int(port.Port))
		}
	}
	return "no " + b.Port
}

// sharers are who share what a cluster may have: the clusters of its Service port, and the
// Service ports of its namespace.
type sharers struct{ variants, ports uint32 }

// sharers are those of a backend.
func (p *pass) sharers(b route.Backend) sharers {
	ports, _ := p.next.ports.Get(b.Namespace)
	return sharers{p.variants(b), max(1, uint32(ports))}
}

// divide gives a cluster its part of what its Service port may have, and tells the owners
// that ask for more. b is its backend.
func (c *class) divide(limits *policy.Limits, v input.View, b route.Backend, of sharers) (found []finding.Finding) {
	settings := &c.Settings
	whole := min(settings.Share(), settings.Level(of.ports))
	most := max(1, whole/policy.Parts(of.variants))
	limits.MaxConnections, limits.MaxPending = min(limits.MaxConnections, most), min(limits.MaxPending, most)
	for f := range c.references(v, b) {
		found = append(found, capped(f, settings.BeyondLevel(f.Policy, of.ports))...)
	}
	if s, _ := v.Service(b.Key()); s != nil {
		f := s.Fragment()
		found = append(found, capped(f, settings.BeyondLevel(f.Policy, of.ports))...)
		if of.variants > 1 {
			found = append(found, capped(f, settings.BeyondPart(f.Policy, of.variants, most, whole))...)
		}
	}
	return found
}

// capped tells of limits of an object that are not in force.
func capped(f *route.Fragment, errs []*policy.FieldError) (found []finding.Finding) {
	for _, e := range errs {
		found = append(found, finding.ShareCapped.At(f.At(e.Field), e.Value, e.Err))
	}
	return found
}
