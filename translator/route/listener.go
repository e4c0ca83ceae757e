package route

import (
	"slices"

	"legation.dev/object"
	"legation.dev/translator/policy"
)

// Listener is one way into the Envoys of a fleet. A fleet's listeners are fixed at
// install: a change of one drains every connection that came by it.
type Listener struct {
	// Name is also the prefix of its statistics.
	Name string
	// Port is bound, Dialled is the port that clients know.
	Port, Dialled uint32
	// TLS: it ends TLS, with a filter chain for each TLS host.
	TLS bool
	// Certified: a Secret has the certificate for names without a chain of their own.
	// Else Envoy's bootstrap has it.
	Certified bool
	// Routes is the name of its route configuration. Listeners with the same share
	// all virtual hosts.
	Routes string
}

// Listeners are those of a class: the fleet's specification.
func Listeners(s *policy.Values) []Listener {
	return []Listener{
		{Name: "http", Port: s.HTTPPort, Dialled: s.ExternalHTTPPort, Routes: "ingress"},
		{Name: "https", Port: s.HTTPSPort, Dialled: s.ExternalHTTPSPort, TLS: true, Certified: s.DefaultTLSSecret != (object.Ref{}), Routes: "ingress"},
	}
}

// RoutesOf are the names of the route configurations of listeners, each once.
func RoutesOf(list []Listener) (names []string) {
	for _, l := range list {
		if !slices.Contains(names, l.Routes) {
			names = append(names, l.Routes)
		}
	}
	return names
}
