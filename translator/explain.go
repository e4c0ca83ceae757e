package translator

import (
	"slices"

	"legation.dev/object"
	lowerservice "legation.dev/translator/lower/service"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Explanation says which settings are effective for one cluster of a Service, or
// for the routes of one Ingress that lead there, and who says so.
type Explanation struct {
	// Cluster is the name of the cluster; empty for routes.
	Cluster string
	// Ingresses are those that name the cluster, or the one whose routes these are.
	Ingresses []string
	// Ready, Draining and NotReady count the endpoints of the cluster.
	Ready, Draining, NotReady int
	Settings                  []policy.Explained
}

// Explain tells of the settings of a Service ("namespace/name"): a cluster after
// the other, then the routes of each Ingress that names one. It is empty if no
// host of the fleet leads to the Service.
func (f *Fleet) Explain(service string) (list []Explanation) {
	var routes []Explanation
	told := map[*route.Fragment]bool{}
	for name, b := range f.clustersOf(service) {
		one := Explanation{Cluster: name}
		for of := range f.class.references(f.view, b) {
			if key := of.Origin.Object.Key(); !slices.Contains(one.Ingresses, key) {
				one.Ingresses = append(one.Ingresses, key)
			}
			if !told[of] {
				told[of] = true
				routes = append(routes, Explanation{Ingresses: []string{of.Origin.Object.Key()}, Settings: f.routeSettings(of.Policy)})
			}
		}
		s, slices := f.class.behind(f.view, b)
		one.Ready, one.Draining, one.NotReady = lowerservice.Conditions(b, s, slices)
		overrides := b.Policy // as all who name it say
		one.Settings = f.clusterSettings(service, overrides)
		list = append(list, one)
	}
	return append(list, routes...)
}

// RouteSettings are the effective settings of the routes of an object.
func (f *Fleet) RouteSettings(of object.Ref) []policy.Explained {
	if fragment, ok := f.view.Fragments().Get(of.String()); ok {
		return f.routeSettings(fragment.Policy)
	}
	return f.routeSettings(nil)
}

// ClusterSettings are the effective settings of the cluster of a backend.
func (f *Fleet) ClusterSettings(b route.Backend) []policy.Explained {
	return f.clusterSettings(b.Key(), b.Policy)
}

func (f *Fleet) clusterSettings(service string, ofIngress policy.Overrides) []policy.Explained {
	var ofService policy.Overrides
	if s, ok := f.view.Service(service); ok {
		ofService = s.Fragment().Policy.Upstream()
	}
	rows := policy.Explain(f.class.overrides, ofIngress, ofService)
	return slices.DeleteFunc(rows, func(e policy.Explained) bool { return !e.Setting.Upstream })
}

// Lifetimes are how long connections to endpoints of a Service ("namespace/name") live, by
// the name of their cluster.
func (f *Fleet) Lifetimes(service string) map[string]policy.Lifetime {
	of := map[string]policy.Lifetime{}
	var own policy.Overrides
	if s, ok := f.view.Service(service); ok {
		own = s.Fragment().Policy.Upstream()
	}
	for name, b := range f.clustersOf(service) {
		of[name] = f.class.Settings.With(b.Policy).With(own).Lifetime
	}
	return of
}

func (f *Fleet) routeSettings(ofIngress policy.Overrides) []policy.Explained {
	rows := policy.Explain(f.class.overrides, ofIngress)
	return slices.DeleteFunc(rows, func(e policy.Explained) bool {
		return !e.Setting.OfRoute()
	})
}
