package object

// Reading is how a kind is read from an API server.
type Reading struct {
	Kind                     Kind
	Group, Version, Resource string
	// Namespaced: its objects have a namespace.
	Namespaced bool
	// ByName: only the metadata of all is watched, and those that somebody names are
	// fetched.
	ByName bool
}

// Kinds are all that are read, in the order in which they are followed. Whoever
// needs a list of kinds takes this one.
var Kinds = []Reading{
	{Kind: KindIngressClass, Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"},
	{Kind: KindIngress, Group: "networking.k8s.io", Version: "v1", Resource: "ingresses", Namespaced: true},
	{Kind: KindService, Version: "v1", Resource: "services", Namespaced: true},
	{Kind: KindSlice, Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices", Namespaced: true},
	{Kind: KindSecret, Version: "v1", Resource: "secrets", Namespaced: true, ByName: true},
	{Kind: KindConfigMap, Version: "v1", Resource: "configmaps", Namespaced: true, ByName: true},
}

// Reading is how k is read; false if it is not.
func (k Kind) Reading() (Reading, bool) {
	for _, r := range Kinds {
		if r.Kind == k {
			return r, true
		}
	}
	return Reading{}, false
}

// ByName reports whether objects of k are fetched by name.
func (k Kind) ByName() bool {
	r, _ := k.Reading()
	return r.ByName
}

// APIVersion is how manifests write group and version.
func (r Reading) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}
