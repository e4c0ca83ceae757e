package translator

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// address is where an endpoint listens.
type address struct {
	ip   netip.Addr
	name string // of an FQDN slice; then ip is invalid
	port uint32
}

func (a address) host() string {
	if a.ip.IsValid() {
		return a.ip.String()
	}
	return a.name
}

func compareAddresses(a, b address) int {
	return cmp.Or(a.ip.Compare(b.ip), cmp.Compare(a.name, b.name), cmp.Compare(a.port, b.port))
}

// place is the state of an address: draining is the worse one.
type place struct {
	zone     string
	draining bool
}

// gathered is what the slices of a Service say about one of its ports.
type gathered struct {
	places map[address]place
	// late: there is no slice yet, or there are endpoints but none with this
	// port, as when a port was renamed and its slices have not followed.
	late  bool
	found []finding
}

// gather reads the slices of a Service for one port. An address that stands
// twice is taken in its best condition.
func gather(v input.View, service string, port input.ServicePort) gathered {
	g := gathered{places: map[address]place{}}
	slicesSeen, endpointsSeen, carried := 0, 0, false
	for s := range v.SlicesOf(service) {
		slicesSeen++
		endpointsSeen += len(s.Endpoints)
		if number, ok := portOf(s, port); ok {
			carried = true
			g.add(s, number)
		}
	}
	g.late = slicesSeen == 0 || endpointsSeen > 0 && !carried
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
		for _, text := range e.Addresses {
			a, ok := readAddress(s.AddressType, text, port)
			if !ok {
				g.found = append(g.found, about(s.Ref(), s.File, "endpoints["+strconv.Itoa(i)+"].addresses", text,
					"not an address of type "+s.AddressType+"; it is left out"))
				continue
			}
			if was, twice := g.places[a]; !twice || better(at, was) {
				g.places[a] = at
			}
		}
	}
}

// placeOf is the condition in which an endpoint is served: ready, or draining
// while it terminates and still serves. Any other is left out: to Envoy an
// unhealthy endpoint is one to fall back to when most are.
func placeOf(e input.Endpoint) (place, bool) {
	if e.Terminating {
		return place{zone: e.Zone, draining: true}, e.Serving
	}
	return place{zone: e.Zone}, e.Ready
}

// better is a total order, so that the order of slices does not matter.
func better(a, b place) bool {
	if a.draining != b.draining {
		return b.draining
	}
	return a.zone < b.zone
}

func readAddress(kind, text string, port uint32) (address, bool) {
	if kind == "FQDN" {
		return address{name: text, port: port}, dnsName(text)
	}
	ip, err := netip.ParseAddr(text)
	return address{ip: ip, port: port}, err == nil && ip.Zone() == "" && ip.Is4() == (kind != "IPv6")
}

// localities are the endpoints by zone, zones and addresses sorted.
func (g gathered) localities() []*endpointv3.LocalityLbEndpoints {
	var list []*endpointv3.LocalityLbEndpoints
	zones := map[string]*endpointv3.LocalityLbEndpoints{}
	for _, a := range slices.SortedFunc(maps.Keys(g.places), compareAddresses) {
		at := g.places[a]
		zone := zones[at.zone]
		if zone == nil {
			zone = &endpointv3.LocalityLbEndpoints{}
			if at.zone != "" {
				zone.Locality = &corev3.Locality{Zone: at.zone}
			}
			zones[at.zone] = zone
			list = append(list, zone)
		}
		zone.LbEndpoints = append(zone.LbEndpoints, lbEndpoint(a, at))
	}
	slices.SortFunc(list, func(a, b *endpointv3.LocalityLbEndpoints) int {
		return cmp.Compare(a.GetLocality().GetZone(), b.GetLocality().GetZone())
	})
	return list
}

func lbEndpoint(a address, at place) *endpointv3.LbEndpoint {
	status := corev3.HealthStatus_HEALTHY
	if at.draining {
		status = corev3.HealthStatus_DRAINING
	}
	return &endpointv3.LbEndpoint{
		HealthStatus: status,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: socketAddress(a.host(), a.port)}},
	}
}

// lacking says why a Service whose slices are late may never have endpoints:
// they do not have its port, or nobody writes any. The slices of one with a
// selector are on their way.
func lacking(v input.View, s *input.Service, port input.ServicePort) (found []finding) {
	slicesSeen := 0
	for slice := range v.SlicesOf(s.Key()) {
		slicesSeen++
		if len(slice.Endpoints) > 0 {
			found = append(found, about(slice.Ref(), slice.File, "ports", "",
				"no TCP port "+cmp.Or(port.Name, port.TargetPort)+", which "+s.Ref().String()+" has; its endpoints are left out"))
		}
	}
	if slicesSeen == 0 && s.NoSelector {
		found = append(found, about(s.Ref(), s.File, "spec.selector", "",
			"there is none, and nobody has written an EndpointSlice either; its paths answer 503"))
	}
	return found
}

// endpointsOf computes the ClusterLoadAssignment of an EDS cluster. A Service
// without endpoints has an empty one; where the Service, its port or its slices
// are missing, the empty one is Weak.
func endpointsOf(v input.View, b backend, cluster string) (*snapshot.Resource, []finding) {
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: cluster}
	meta := snapshot.Meta{Weak: true, From: []object.Ref{serviceRef(b)}}
	var found []finding
	if s, ok := v.Service(b.key()); ok {
		if port, ok := b.servicePort(s); ok {
			g := gather(v, b.key(), port)
			cla.Endpoints, meta.Weak, found = g.localities(), g.late, g.found
			if g.late {
				found = append(found, lacking(v, s, port)...)
			}
		}
		if s.ExternalName != "" { // one that is refused has no endpoints, for good
			cla.Endpoints, meta.Weak = nil, false
		}
	}
	meta.Empty = len(cla.Endpoints) == 0
	r, err := newResource(snapshot.Endpoints, cluster, cla, meta)
	if err != nil { // no input is known to get here: addresses are parsed
		found = append(found, about(serviceRef(b), "", "", "", err.Error()))
		meta.Weak, meta.Empty = true, true
		r, _ = snapshot.New(snapshot.Endpoints, cluster, &endpointv3.ClusterLoadAssignment{ClusterName: cluster}, meta)
	}
	return r, found
}

func serviceRef(b backend) object.Ref {
	return object.Ref{Kind: object.KindService, Namespace: b.namespace, Name: b.service}
}
