package service

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// Endpoints returns the endpoints of a backend whose cluster uses EDS; s is nil if
// the Service does not exist. If the Service, its port or its slices are missing,
// or no slice has the port yet, the result is a placeholder: an Envoy that already has
// endpoints keeps them. If the slices exist but are empty, the empty list is sent.
// A refused ExternalName Service also gets an empty list that is no placeholder.
func Endpoints(b route.Backend, s *input.Service, list []*input.Slice) (e route.Endpoints, found []finding.Finding) {
	e = route.Endpoints{Backend: b, Placeholder: true}
	if s == nil {
		return e, nil
	}
	if port, ok := Port(b, s); ok {
		g := gather(list, port)
		g.oneFamily(s.Family)
		e.List, e.Placeholder, found = g.endpoints(), g.late, g.found
		e.List = slices.DeleteFunc(e.List, func(one route.Endpoint) bool { return !one.IP.IsValid() }) // refused: by EDS no name is resolved
		switch {
		case g.late:
			found = append(found, whyLate(s, list, port)...)
		case len(e.List) == 0 && s.ExternalName == "":
			found = append(found, finding.NoReadyEndpoint.At(input.Origin(s), ""))
		}
	}
	if s.ExternalName != "" { // one that is refused has no endpoints, for good
		e.List, e.Placeholder = nil, false
	}
	return e, found
}

// address is where an endpoint listens.
type address struct {
	ip   netip.Addr
	name string // of an FQDN slice; then ip is invalid
	port uint32
}

// place is the state of an address: draining is the worse one.
type place struct {
	zone     string
	draining bool
	pod      string // its uid; may be empty
}

// gathered is what the slices of a Service say about one of its ports.
type gathered struct {
	places map[address]place
	// late: there is no slice yet, or there are endpoints but none with this
	// port, as when a port was renamed and its slices have not followed.
	late  bool
	found []finding.Finding
}

// gather reads the slices of a Service for one port. An address that is
// twice is taken in its best condition.
func gather(list []*input.Slice, port input.ServicePort) gathered {
	g := gathered{places: map[address]place{}}
	endpoints, carried := 0, false
	for _, s := range list {
		endpoints += len(s.Endpoints)
		if number, ok := portOf(s, port); ok {
			carried = true
			g.add(s, number)
		}
	}
	g.late = len(list) == 0 || endpoints > 0 && !carried
	return g
}

// portOf is the number that a slice gives for a port of its Service: that of
// the same name, else, since a renamed port reaches the slices late, that of the
// same number.
func portOf(s *input.Slice, port input.ServicePort) (uint32, bool) {
	for _, p := range s.Ports {
		if p.Name == port.Name && p.Port >= 1 && p.Port <= 65535 {
			return uint32(p.Port), true
		}
	}
	target, err := strconv.Atoi(port.TargetPort)
	for _, p := range s.Ports {
		if err == nil && int(p.Port) == target && target >= 1 && target <= 65535 {
			return uint32(p.Port), true
		}
	}
	return 0, false
}

func (g *gathered) add(s *input.Slice, port uint32) {
	for i, e := range s.Endpoints {
		at, ok := placeOf(e)
		if !ok {
			continue
		}
		if len(e.Addresses) == 0 {
			continue
		}
		// The addresses of one endpoint all lead to it, and consumers take the first.
		a, ok := readAddress(s.AddressType, e.Addresses[0], port)
		if !ok {
			g.found = append(g.found, finding.BadAddress.At(input.Origin(s).In("endpoints["+strconv.Itoa(i)+"].addresses"), e.Addresses[0], s.AddressType))
			continue
		}
		if was, twice := g.places[a]; !twice || better(at, was) {
			g.places[a] = at
		}
	}
}

// placeOf is the condition in which an endpoint is served: ready, whatever else is said of
// it, as where a Service publishes addresses that are not; or draining while it terminates
// and still serves. Any other is left out: to Envoy an unhealthy endpoint is one to fall
// back to when most are.
func placeOf(e input.Endpoint) (place, bool) {
	return place{zone: e.Zone, pod: e.Pod, draining: !e.Ready}, e.Ready || e.Terminating && e.Serving
}

// Conditions counts the addresses of a backend that are ready, those that still serve while
// they terminate, and all others, to which nobody is sent.
func Conditions(b route.Backend, s *input.Service, list []*input.Slice) (ready, draining, others int) {
	if s == nil {
		return 0, 0, 0
	}
	port, ok := Port(b, s)
	for _, slice := range list {
		if _, carried := portOf(slice, port); !ok || !carried {
			continue
		}
		for _, e := range slice.Endpoints {
			switch at, served := placeOf(e); {
			case !served:
				others++
			case at.draining:
				draining++
			default:
				ready++
			}
		}
	}
	return ready, draining, others
}

// better is a total order, so that the order of slices does not matter.
func better(a, b place) bool {
	if a.draining != b.draining {
		return b.draining
	}
	return cmp.Or(cmp.Compare(a.zone, b.zone), cmp.Compare(a.pod, b.pod)) < 0
}

func readAddress(kind, text string, port uint32) (address, bool) {
	if kind == "FQDN" {
		return address{name: text, port: port}, dnsName(text)
	}
	ip, err := netip.ParseAddr(text)
	return address{ip: ip, port: port}, err == nil && ip.Zone() == "" && ip.Is4() == (kind != "IPv6")
}

// endpoints are sorted by zone, then by a hash of their address. Envoy takes them in turn:
// pods of a node, whose addresses are neighbours, would be tried one after the other, and
// if the node dies, so do all tries of a request. The hash is the same on all replicas, and
// a new endpoint moves no other.
func (g gathered) endpoints() []route.Endpoint {
	type keyed struct {
		route.Endpoint
		hash pmap.Sum
	}
	list := make([]keyed, 0, len(g.places))
	second := g.pair()
	for a, at := range maps.All(g.places) {
		six, paired := second[a]
		if paired && six == a {
			continue // it is beside its pod's first one
		}
		e := route.Endpoint{IP: a.ip, Name: a.name, Port: a.port, Zone: at.zone, Draining: at.draining}
		if paired {
			e.Also, e.Draining = []netip.Addr{six.ip}, at.draining || g.places[six].draining
		}
		list = append(list, keyed{e, pmap.SumOf(e.Host(), strconv.Itoa(int(e.Port)))})
	}
	slices.SortFunc(list, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), bytes.Compare(a.hash[:], b.hash[:]))
	})
	out := make([]route.Endpoint, len(list))
	for i, e := range list {
		out[i] = e.Endpoint
	}
	return out
}

// oneFamily leaves out the second family of a Service of two, where endpoints name no pod:
// nobody can say which two addresses are of one server, and each would count twice. They
// stay if the first family has none.
func (g gathered) oneFamily(first string) {
	nameless := func(six bool) (list []address) {
		for a, at := range g.places {
			if at.pod == "" && a.ip.IsValid() && a.ip.Is6() == six {
				list = append(list, a)
			}
		}
		return list
	}
	if first == "" || len(nameless(first == "IPv6")) == 0 {
		return
	}
	for _, a := range nameless(first != "IPv6") {
		delete(g.places, a)
	}
}

// pair finds the pods that have an address in each family: by both of them, their IPv6
// address. The IPv4 address is the first one: Envoy tries both, and tells a pod by the
// first. A pod with several addresses of one family is left as it is.
func (g gathered) pair() map[address]address {
	type family struct {
		pod  string
		six  bool
		port uint32
	}
	by := map[family][]address{}
	for a, at := range g.places {
		if at.pod != "" && a.ip.IsValid() {
			f := family{at.pod, a.ip.Is6(), a.port}
			by[f] = append(by[f], a)
		}
	}
	second := map[address]address{}
	for f, six := range by {
		four := by[family{f.pod, false, f.port}]
		if f.six && len(six) == 1 && len(four) == 1 {
			second[six[0]], second[four[0]] = six[0], six[0]
		}
	}
	return second
}

// whyLate says why a Service whose slices are late may never have endpoints:
// they do not have its port, or there are none. The slices of one with a
// selector are on their way.
func whyLate(s *input.Service, list []*input.Slice, port input.ServicePort) (found []finding.Finding) {
	for _, slice := range list {
		if len(slice.Endpoints) > 0 {
			found = append(found, finding.NoSlicePort.At(input.Origin(slice).In("ports"), "", cmp.Or(port.Name, port.TargetPort), s.Ref()))
		}
	}
	if len(list) == 0 && s.NoSelector {
		found = append(found, finding.NoSelector.At(input.Origin(s).In("spec.selector"), ""))
	}
	return found
}
