package translator

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"legation.dev/translator/input"
)

// names are the endpoints of a backend that Envoy has to resolve.
type names struct {
	by   bool // whether it has to: else the endpoints come by EDS
	list []*endpointv3.LocalityLbEndpoints
}

// resolved are the names of an ExternalName Service, or of one with FQDN slices.
func resolved(v input.View, c class, b backend, s *input.Service, port input.ServicePort) (names, []finding) {
	switch {
	case s == nil:
		return names{}, nil
	case s.ExternalName != "":
		return external(c, b, s, port)
	case !hasNames(v, b.key()) || port.Port == 0:
		return names{}, nil
	}
	g := gather(v, b.key(), port)
	return names{by: true, list: g.localities()}, g.found
}

// hasNames says whether a Service has FQDN slices.
func hasNames(v input.View, service string) bool {
	for s := range v.SlicesOf(service) {
		if s.AddressType == "FQDN" {
			return true
		}
	}
	return false
}

func external(c class, b backend, s *input.Service, port input.ServicePort) (names, []finding) {
	refuse := func(field, value, why string) (names, []finding) {
		return names{}, []finding{about(s.Ref(), s.File, field, value, why+"; its paths answer 503")}
	}
	name := strings.TrimSuffix(strings.ToLower(s.ExternalName), ".")
	switch {
	case !c.settings.ExternalNames:
		return refuse("spec.externalName", s.ExternalName, "the class does not serve external names")
	case !dnsName(name):
		return refuse("spec.externalName", s.ExternalName, "not a name")
	case ownNode(name) && !c.settings.LoopbackExternalNames:
		return refuse("spec.externalName", s.ExternalName, "an external name must not lead to Envoy's own node")
	}
	n, ok := externalPort(b, port)
	if !ok {
		return refuse("spec.ports", b.port, "no such port")
	}
	a := address{name: name, port: n}
	if ip, err := netip.ParseAddr(name); err == nil {
		a = address{ip: ip, port: n}
	}
	one := &endpointv3.LocalityLbEndpoints{LbEndpoints: []*endpointv3.LbEndpoint{lbEndpoint(a, place{})}}
	return names{by: true, list: []*endpointv3.LocalityLbEndpoints{one}}, nil
}

// externalPort is the port at an external name: the target of the Service's
// port, or the number that the Ingress gives, as ingress-nginx.
func externalPort(b backend, port input.ServicePort) (uint32, bool) {
	for _, text := range []string{port.TargetPort, strconv.Itoa(int(port.Port)), b.port} {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
			return uint32(n), true
		}
	}
	return 0, false
}

var dnsPattern = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?)*$`)

// dnsName says whether s can be resolved: a DNS name of at most 253 bytes, or an
// address. A name that ends in a number must be an address as it is usually
// written, for resolvers read 127.1 or 2130706433 as one, too.
func dnsName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return !strings.Contains(s, "%")
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return len(s) <= 253 && dnsPattern.MatchString(s) && err != nil
}

// ownNode says whether a name leads to the node itself, or to its link: there
// Envoy would reach what is not meant to be reached, a cloud's metadata service
// among it.
func ownNode(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		name == "localhost.localdomain" || name == "ip6-localhost" || name == "ip6-loopback"
}
