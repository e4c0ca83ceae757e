package translator

import (
	"legation.dev/translator/input"
	lowerservice "legation.dev/translator/lower/service"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// VirtualHost is what the fleet makes of the requests to a name, in the route model; nil
// if no object has the name. It is merged anew at each call.
func (f *Fleet) VirtualHost(name string) *route.VirtualHost {
	p := pass{old: f, v: f.view, next: f}
	host, _ := p.merge(name)
	return host
}

// Endpoints are those that requests to a backend of the fleet may go to, names that Envoy
// resolves among them.
func (f *Fleet) Endpoints(b route.Backend) route.Endpoints {
	service, slices := f.class.behind(f.view, b)
	if c, _, _ := lowerservice.Cluster(b, &f.class.Settings, service, slices); c.Named {
		return route.Endpoints{Backend: b, List: c.Endpoints}
	}
	list, _ := lowerservice.Endpoints(b, service, slices)
	return list
}

// Certificate is what the fleet presents to a client that asks for a name by TLS, as it
// calls it: that of the name, else of a wildcard above it, else the default one. Nil if the
// fleet has no listener for TLS.
func (f *Fleet) Certificate(name string) *snapshot.Resource {
	host, ok := route.FindHost(name, f.chains.has)
	if !ok {
		host = route.DefaultCertificate
	}
	if r, ok := f.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: host}); ok || route.Through(host, f.Tenure(host)) != nil {
		return r
	}
	r, _ := f.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: route.DefaultCertificate}) // of a fence
	return r
}

// View is what the fleet was made of.
func (f *Fleet) View() input.View { return f.view }

// Tenure says whose a name is in the fleet, and what is served there.
func (f *Fleet) Tenure(name string) route.Tenure { return f.class.tenure(f.view, name) }

// Class is what all hosts of the fleet depend on.
func (f *Fleet) Class() *route.Class { return &f.class.Class }
