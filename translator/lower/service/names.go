package service

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"legation.dev/object"
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
	case b.Raw():
		return nil, false, []finding.Finding{finding.NameThrough.At(input.Origin(s).In("spec.ports"), b.Port)}
	}
	g := gather(list, port)
	endpoints, named, found = allowed(g.endpoints(), class, b.Outside(), input.Origin(s).In("spec.ports"))
	if !named { // what is wrong with addresses is told with those
		return nil, false, found
	}
	return endpoints, true, append(g.found, found...)
}

// allowed are the endpoints of slices without the names that the class does not let Envoy
// ask, and whether a name is left. copied: they get copies of requests.
func allowed(list []route.Endpoint, class *policy.Values, copied bool, at object.Origin) (may []route.Endpoint, named bool, found []finding.Finding) {
	for _, e := range list {
		if e.IP.IsValid() {
			may = append(may, e)
			continue
		}
		code := refused(class, strings.ToLower(e.Host()), e.Port)
		if code == "" && copied && !class.LoopbackExternalNames {
			code = finding.NameCopied
		}
		if code != "" {
			found = append(found, code.At(at, e.Host()))
			continue
		}
		may, named = append(may, e), true
	}
	return may, named, found
}

// refused is why a class does not let Envoy ask a name or an address, which is in lower
// case; empty if it does.
func refused(class *policy.Values, name string, port uint32) finding.Code {
	switch {
	case !class.ExternalNames:
		return finding.ExternalNameOff
	case !dnsName(name):
		return finding.BadExternalName
	case ownNode(name) && !class.LoopbackExternalNames:
		return finding.OwnExternalName
	case !below(name, class.ExternalNameSuffixes):
		return finding.ExternalNameOutside
	case route.EnvoysOwn(port) && !class.LoopbackExternalNames:
		return finding.OwnPort
	}
	return ""
}

// below reports whether a name is one of a list, or below one; all are below an empty list.
func below(name string, suffixes []string) bool {
	return len(suffixes) == 0 || slices.ContainsFunc(suffixes, func(s string) bool { return name == s || strings.HasSuffix(name, "."+s) })
}

// HasNames reports whether there are slices of names.
func HasNames(list []*input.Slice) bool {
	return slices.ContainsFunc(list, func(s *input.Slice) bool { return s.AddressType == "FQDN" })
}

// MayName reports whether a class lets Envoy ask a name, which is in lower case, at a port.
func MayName(name, port string, class *policy.Values) bool {
	n, _ := strconv.ParseUint(port, 10, 16)
	return refused(class, name, uint32(n)) == ""
}

// Outside is the Service that a backend would have that is none.
func Outside(b route.Backend) *input.Service {
	port, _ := strconv.Atoi(b.Port)
	s := input.Seal(&input.Service{Meta: input.Meta{Namespace: b.Namespace, Name: b.Service}, ExternalName: b.Service,
		Ports: []input.ServicePort{{Port: int32(port), TargetPort: b.Port, Protocol: "TCP"}}})
	input.Lowered(s, Lower(s))
	return s
}

// external is the endpoint of an external name, or why it is not served.
func external(b route.Backend, class *policy.Values, s *input.Service, port input.ServicePort) (route.Endpoint, *finding.Finding) {
	refuse := func(code finding.Code, field, value string) (route.Endpoint, *finding.Finding) {
		wrong := code.At(input.Origin(s).In(field), value)
		return route.Endpoint{}, &wrong
	}
	name := strings.TrimSuffix(strings.ToLower(s.ExternalName), ".")
	n, ok := externalPort(b, port)
	switch code := refused(class, name, n); {
	case code == finding.OwnPort:
		return refuse(code, "spec.ports", strconv.Itoa(int(n)))
	case code != "":
		return refuse(code, "spec.externalName", s.ExternalName)
	case b.Raw():
		return refuse(finding.NameThrough, "spec.externalName", s.ExternalName)
	case !ok:
		return refuse(finding.NoExternalPort, "spec.ports", b.Port)
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return route.Endpoint{IP: ip, Port: n}, nil
	}
	if b.Outside() && !class.LoopbackExternalNames { // copies pass by the filter that judges an address (measured)
		return refuse(finding.NameCopied, "spec.externalName", s.ExternalName)
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
		return route.LeadsHome(ip)
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		name == "localhost.localdomain" || name == "ip6-localhost" || name == "ip6-loopback"
}
