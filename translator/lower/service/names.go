package service

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// resolve finds the endpoints that are names, which Envoy has to resolve: those of
// an ExternalName Service, or of one with FQDN slices. It is false if there are
// none: then the endpoints come by EDS.
func resolve(b route.Backend, class *policy.Values, s *input.Service, list []*input.Slice, port input.ServicePort) (endpoints []route.Endpoint, named bool, found []finding.Finding) {
	switch {
	case s.ExternalName != "":
		e, wrong := external(b, class, s, port)
		if wrong != nil {
			return nil, false, []finding.Finding{*wrong}
		}
		return []route.Endpoint{e}, true, nil
	case !HasNames(list) || port.Port == 0:
		return nil, false, nil
	}
	g := gather(list, port)
	return g.endpoints(), true, g.found
}

// HasNames reports whether there are slices of names.
func HasNames(list []*input.Slice) bool {
	return slices.ContainsFunc(list, func(s *input.Slice) bool { return s.AddressType == "FQDN" })
}

// external is the endpoint of an external name, or why it is not served.
func external(b route.Backend, class *policy.Values, s *input.Service, port input.ServicePort) (route.Endpoint, *finding.Finding) {
	refuse := func(code finding.Code, field, value string) (route.Endpoint, *finding.Finding) {
		wrong := code.At(input.Origin(s).In(field), value)
		return route.Endpoint{}, &wrong
	}
	name := strings.TrimSuffix(strings.ToLower(s.ExternalName), ".")
	switch {
	case !class.ExternalNames:
		return refuse(finding.ExternalNameOff, "spec.externalName", s.ExternalName)
	case !dnsName(name):
		return refuse(finding.BadExternalName, "spec.externalName", s.ExternalName)
	case ownNode(name) && !class.LoopbackExternalNames:
		return refuse(finding.OwnExternalName, "spec.externalName", s.ExternalName)
	}
	n, ok := externalPort(b, port)
	if !ok {
		return refuse(finding.NoExternalPort, "spec.ports", b.Port)
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return route.Endpoint{IP: ip, Port: n}, nil
	}
	return route.Endpoint{Name: name, Port: n}, nil
}

// externalPort is the port at an external name: the target of the Service's
// port, or the number that the Ingress gives, as ingress-nginx.
func externalPort(b route.Backend, port input.ServicePort) (uint32, bool) {
	for _, text := range []string{port.TargetPort, strconv.Itoa(int(port.Port)), b.Port} {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
			return uint32(n), true
		}
	}
	return 0, false
}

var dnsPattern = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?)*$`)

// dnsName reports whether s can be resolved: a DNS name of at most 253 bytes, or an
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

// ownNode reports whether a name leads to the node itself, or to its link: there
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
