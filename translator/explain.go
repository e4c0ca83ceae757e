package translator

import (
	"slices"

	"legation.dev/translator/policy"
)

// Explanation says which settings are in force for one cluster of a Service, or
// for the routes of one Ingress that lead there, and who says so.
type Explanation struct {
	// Cluster is the name of the cluster; empty for routes.
	Cluster string
	// Ingresses are those that name the cluster, or the one whose routes these are.
	Ingresses []string
	Settings  []policy.Explained
}

// Explain tells of the settings of a Service ("namespace/name"): a cluster after
// the other, then the routes of each Ingress that names one. It is empty if no
// host of the fleet leads to the Service.
func (f *Fleet) Explain(service string) (list []Explanation) {
	var routes []Explanation
	told := map[string]bool{}
	for name, b := range f.backends.Prefix(service + "/") {
		one := Explanation{Cluster: name}
		var overrides policy.Overrides
		for o := range b.mentions(f.view, f.class) {
			said, _ := policy.OfIngress(o.Ref(), o.Annotations)
			if one.Ingresses == nil {
				overrides = said.Upstream() // those of all others have the same hash
			}
			if !slices.Contains(one.Ingresses, o.Key()) {
				one.Ingresses = append(one.Ingresses, o.Key())
			}
			if !told[o.Key()] {
				told[o.Key()] = true
				routes = append(routes, Explanation{Ingresses: []string{o.Key()}, Settings: f.routeSettings(said)})
			}
		}
		one.Settings = f.clusterSettings(service, overrides)
		list = append(list, one)
	}
	return append(list, routes...)
}

func (f *Fleet) clusterSettings(service string, ofIngress policy.Overrides) []policy.Explained {
	var ofService policy.Overrides
	if s, ok := f.view.Service(service); ok {
		said, _ := policy.OfService(s.Ref(), s.Annotations)
		ofService = said.Upstream()
	}
	rows := policy.Explain(f.class.overrides, ofIngress, ofService)
	return slices.DeleteFunc(rows, func(e policy.Explained) bool { return !e.Setting.Upstream })
}

func (f *Fleet) routeSettings(ofIngress policy.Overrides) []policy.Explained {
	rows := policy.Explain(f.class.overrides, ofIngress)
	return slices.DeleteFunc(rows, func(e policy.Explained) bool {
		return e.Setting.Upstream || e.Setting.Scopes&policy.OnIngress == 0
	})
}
