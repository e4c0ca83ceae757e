package translator

import (
	"strconv"

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
// could otherwise have all of an Envoy.

// parts is into how many parts the share of a Service port with so many clusters is
// divided: the next power of two, so that few of them change when one comes or goes.
func parts(clusters uint32) (n uint32) {
	for n = 1; n < clusters; n *= 2 {
	}
	return n
}

// shares marks the clusters of Service ports whose parts have become more or fewer, once all
// hosts have named theirs.
func (p *pass) shares() {
	touched := keys{}
	for name := range p.clusters {
		b, ok := p.next.backends.Get(name)
		if ok && !p.isNamed(name) {
			p.next.backends = p.next.backends.Delete(name)
		}
		if ok {
			touched.add(b.Key())
		}
	}
	for key := range touched.sorted() {
		before, after := variants(p.old.backends, p.old.view, key), variants(p.next.backends, p.v, key)
		s, _ := p.v.Service(key)
		for name, b := range p.next.backends.Prefix(key + "/") {
			if port := portOf(b, s); parts(before[port]) != parts(after[port]) {
				p.clusters.add(name)
			}
		}
	}
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

// divide gives a cluster its part of the share of its Service port, and tells the owner of a
// Service that asks for more.
func divide(limits *policy.Limits, class *policy.Values, s *input.Service, variants uint32) (found []finding.Finding) {
	most := max(1, class.Share()/parts(variants))
	limits.MaxConnections, limits.MaxPending = min(limits.MaxConnections, most), min(limits.MaxPending, most)
	if s == nil || variants < 2 {
		return nil
	}
	f := s.Fragment()
	for _, e := range class.BeyondPart(f.Policy, variants, most) {
		found = append(found, finding.ShareCapped.At(f.At(e.Field), e.Value, e.Err))
	}
	return found
}
