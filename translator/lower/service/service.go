// Package service lowers a Service with its EndpointSlices into the upstream side
// of the route model: what is spoken there, and where its endpoints are.
//
// The package is pure.
//
// Start reading at Cluster.
package service

import (
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Lower reads the settings in the annotations of a Service.
func Lower(s *input.Service) *route.Fragment {
	f := &route.Fragment{Origin: input.Origin(s), Age: s.Created}
	f.Say(policy.OfService(s.Ref(), s.Annotations))
	return f.Sealed(s.Sum())
}

// Cluster returns the cluster of a backend: its protocol, its settings and, unless it
// uses EDS, its endpoints. s is the Service that the backend names, nil if it does not
// exist. list has the EndpointSlices of the Service.
//
// If the Service or its port is missing, the cluster is a placeholder, and missing says
// which: an Envoy that already has the cluster keeps its last version for hold.Grace,
// because a Service that is deleted and created again is back within seconds.
func Cluster(b route.Backend, class *policy.Values, s *input.Service, list []*input.Slice) (c route.Cluster, missing Missing, found []finding.Finding) {
	c = route.Cluster{Backend: b}
	settings := class.With(b.Policy)
	var port input.ServicePort
	switch {
	case s == nil:
		c.Placeholder, missing = true, ServiceMissing
	default:
		f := s.Fragment()
		settings = settings.With(f.Policy.Upstream())
		found = append(found, f.Findings...)
		found = append(found, BeyondShare(f, class)...)
		var ok bool
		if port, ok = Port(b, s); !ok && s.ExternalName == "" {
			c.Placeholder, missing = true, PortMissing
		}
		var unknown, wrong []finding.Finding
		c.Protocol, unknown = spoken(s, port, settings.Protocol)
		if c.SNI = s.ExternalName; b.Outside() && c.SNI == "" {
			c.SNI = b.Service
		}
		c.Endpoints, c.Named, wrong = resolve(b, class, s, list, port)
		c.NotHome = !class.LoopbackExternalNames
		found = append(append(found, unknown...), wrong...)
		preferZone(&settings.Upstream, b, s)
	}
	settings.MaxConnections = min(settings.MaxConnections, class.Share())
	settings.MaxPending = min(settings.MaxPending, class.Share())
	if own, ok := protocols[settings.Protocol]; ok {
		c.Protocol = own
	}
	if c.Settings = settings.Upstream; b.Outside() { // else a server that never answers would hold 25 kB for each copy (Envoy 1.40)
		c.Longest = settings.IdleTimeout
	}
	return c, missing, append(found, restrict(&c, s)...)
}

// restrict takes from a cluster what it cannot have: a backend that gets connections as they
// are has no protocol, since what is in them is between client and Service, and names have
// no health checks, which no filter sees. What is called by gRPC gets HTTP/2.
func restrict(c *route.Cluster, s *input.Service) []finding.Finding {
	if c.Backend.Raw() {
		c.Protocol, c.SNI = route.Protocol{}, ""
	}
	if c.Backend.Called() {
		c.Protocol.HTTP2 = true
	}
	_, _, _, checked := c.Settings.HealthChecked()
	if !checked || !c.Named || !c.NotHome {
		return nil
	}
	c.Settings.Health = c.Settings.WithoutChecks()
	return []finding.Finding{finding.NameUnchecked.At(input.Origin(s).In("spec"), s.ExternalName)}
}

// spoken is the protocol that a port of a Service says. One that is not known is told,
// unless a setting says another.
func spoken(s *input.Service, port input.ServicePort, setting policy.Protocol) (route.Protocol, []finding.Finding) {
	p, sure := protocolOf(port.AppProtocol)
	if sure || setting != policy.ByPort {
		return p, nil
	}
	field := "spec.ports[" + strconv.Itoa(slices.Index(s.Ports, port)) + "].appProtocol"
	return p, []finding.Finding{finding.UnknownAppProtocol.At(input.Origin(s).In(field), port.AppProtocol, p)}
}

// preferZone keeps the requests to a Service in their zone that prefers what is near, unless
// it or the Ingress has a setting for that.
func preferZone(settings *policy.Upstream, b route.Backend, s *input.Service) {
	const setting = "same-zone-endpoints"
	if s.PrefersZone && settings.SameZone == 0 && b.Policy.FieldOf(setting)+s.Fragment().Policy.FieldOf(setting) == "" {
		settings.SameZone = 1
	}
}

// Missing says which part of a backend does not exist. It is reported at each object
// that names the backend.
type Missing int

// What may be missing.
const (
	Nothing Missing = iota
	ServiceMissing
	PortMissing
)

// BeyondShare reports the limits in f that are above the share of one Envoy that a
// single Service may use. The share is used in their place.
func BeyondShare(f *route.Fragment, class *policy.Values) (list []finding.Finding) {
	for _, e := range class.Beyond(f.Policy) {
		list = append(list, finding.ShareCapped.At(f.At(e.Field), e.Value, e.Err))
	}
	return list
}

// Port returns the TCP port of s that b names, by name or by number, or the first.
func Port(b route.Backend, s *input.Service) (input.ServicePort, bool) {
	number, err := strconv.Atoi(b.Port)
	for _, p := range s.Ports {
		tcp := p.Protocol == "" || p.Protocol == "TCP"
		if tcp && (b.Port == route.FirstPort || p.Name == b.Port || err == nil && int(p.Port) == number) {
			return p, true
		}
	}
	return input.ServicePort{}, false
}

// protocols are those that a setting says, whatever the port says.
var protocols = map[policy.Protocol]route.Protocol{policy.HTTP: {}, policy.HTTPS: {TLS: true}, policy.H2C: {HTTP2: true}, policy.H2: {HTTP2: true, TLS: true}}

// appProtocols are the names of spec.ports[].appProtocol that say what is spoken: those of
// Kubernetes, of IANA, and what controllers read alike.
var appProtocols = map[string]route.Protocol{
	"": {}, "http": {}, "ws": {}, "kubernetes.io/ws": {},
	"https": {TLS: true}, "wss": {TLS: true}, "kubernetes.io/wss": {TLS: true}, "tls": {TLS: true}, "ssl": {TLS: true},
	"h2c": {HTTP2: true}, "kubernetes.io/h2c": {HTTP2: true}, "grpc": {HTTP2: true},
	"h2": {HTTP2: true, TLS: true}, "kubernetes.io/h2": {HTTP2: true, TLS: true}, "grpcs": {HTTP2: true, TLS: true},
}

// protocolOf returns the protocol for an appProtocol, whose case does not count. Of an
// unknown one it is not sure: HTTP/1.1, with TLS if the name sounds like it, for what is
// meant to be hidden must not be sent in clear text.
func protocolOf(app string) (p route.Protocol, sure bool) {
	app = strings.ToLower(app)
	if p, sure = appProtocols[app]; sure {
		return p, true
	}
	secret := func(word string) bool { return strings.Contains(app, word) }
	return route.Protocol{TLS: slices.ContainsFunc([]string{"tls", "ssl", "https", "wss", "grpcs", "secure"}, secret)}, false
}
