package status

import (
	"net/netip"
	"slices"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	applynetworkingv1 "k8s.io/client-go/applyconfigurations/networking/v1"
)

// addresses is a set of addresses in its one canonical form: a line for each, in
// order. Equal sets are equal strings, and thousands of Ingresses share one. The
// empty one means that there are none.
type addresses string

// The two parts of a line, of which one of ours is always empty. What another
// controller wrote may have more: an entry with ports gets a third part, which
// makes it differ from all that we write.
const (
	ipPart   = "ip "
	namePart = "name "
	restPart = " with "
)

// newAddresses is the set of some IP addresses and host names.
func newAddresses(list ...string) addresses {
	lines := make([]string, 0, len(list))
	for _, a := range list {
		if a != "" {
			lines = append(lines, line(a))
		}
	}
	return joined(lines)
}

// line is an address or name in canonical form.
func line(a string) string {
	if ip, err := netip.ParseAddr(a); err == nil {
		return ipPart + ip.Unmap().String()
	}
	return namePart + strings.ToLower(strings.TrimSuffix(a, "."))
}

func joined(lines []string) addresses {
	slices.Sort(lines)
	return addresses(unique.Make(strings.Join(slices.Compact(lines), "\n")).Value())
}

// ofIngress returns the addresses in the status of an Ingress.
func ofIngress(list []networkingv1.IngressLoadBalancerIngress) addresses {
	lines := make([]string, 0, len(list))
	for _, e := range list {
		one := entryLine(e.IP, e.Hostname)
		for _, p := range e.Ports {
			one += restPart + p.String()
		}
		lines = append(lines, one)
	}
	return joined(lines)
}

// entryLine is the line of an entry with an address or a host name. We never write an
// entry with both: its line differs from all of ours.
func entryLine(ip, name string) string {
	if ip == "" || name == "" {
		return line(ip + name)
	}
	return line(ip) + restPart + name
}

// ofService returns the external addresses of a Service: those in
// status.loadBalancer or, if there are none, spec.externalIPs.
func ofService(o *corev1.Service) addresses {
	var list []string
	for _, e := range o.Status.LoadBalancer.Ingress {
		list = append(list, e.IP, e.Hostname)
	}
	if len(list) == 0 {
		list = o.Spec.ExternalIPs
	}
	return newAddresses(list...)
}

// ofNode returns the external addresses of a node or, if there are none, its internal
// ones.
func ofNode(o *corev1.Node) addresses {
	of := map[corev1.NodeAddressType][]string{}
	for _, a := range o.Status.Addresses {
		of[a.Type] = append(of[a.Type], a.Address)
	}
	if external := newAddresses(of[corev1.NodeExternalIP]...); external != "" {
		return external
	}
	return newAddresses(of[corev1.NodeInternalIP]...)
}

// union is all addresses of some sets.
func union(sets ...addresses) addresses {
	var lines []string
	for _, s := range sets {
		lines = append(lines, s.lines()...)
	}
	return joined(lines)
}

func (a addresses) lines() []string {
	if a == "" {
		return nil
	}
	return strings.Split(string(a), "\n")
}

// apply is how the addresses are written.
func (a addresses) apply() *applynetworkingv1.IngressLoadBalancerStatusApplyConfiguration {
	status := applynetworkingv1.IngressLoadBalancerStatus()
	for _, l := range a.lines() {
		entry := applynetworkingv1.IngressLoadBalancerIngress()
		if ip, ok := strings.CutPrefix(l, ipPart); ok {
			entry.WithIP(ip)
		} else {
			entry.WithHostname(strings.TrimPrefix(l, namePart))
		}
		status.WithIngress(entry)
	}
	return status
}

// String is how people read them: "192.0.2.1, lb.example.com".
func (a addresses) String() string {
	if a == "" {
		return "no address"
	}
	lines := a.lines()
	for i, l := range lines {
		_, lines[i], _ = strings.Cut(l, " ")
	}
	return strings.Join(lines, ", ")
}
