// Package settings lowers the ConfigMap of a class: the settings of a fleet, and
// the objects that they name.
//
// The package is pure.
package settings

import (
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Lower reads the settings of a class.
func Lower(c *input.ConfigMap) *route.Fragment {
	f := &route.Fragment{Origin: input.Origin(c), Age: c.Created}
	f.Say(policy.OfClass(c.Ref(), c.Data))
	f.References = references(policy.Defaults().With(f.Policy))
	return f.Sealed(c.Sum())
}

// references are the objects that settings name.
func references(v policy.Values) (list []route.Reference) {
	if secret := v.DefaultTLSSecret; secret != (object.Ref{}) {
		list = append(list, route.Reference{To: secret, Field: "data.default-tls-secret"})
	}
	if secret := v.SessionTicketSecret; secret != (object.Ref{}) {
		list = append(list, route.Reference{To: secret, Field: "data.session-ticket-secret"})
	}
	if p := v.DefaultBackend; p != (policy.ServicePort{}) {
		if b, valid := route.NewBackend(p.Namespace, p.Service, p.Port, nil, ""); valid {
			list = append(list, route.Reference{To: b.Ref(), Field: "data.default-backend", Backend: &b})
		}
	}
	if b, traced := route.Collector(&v.Tracing); traced {
		list = append(list, route.Reference{To: b.Ref(), Field: "data.tracing-collector", Backend: &b})
	}
	return list
}
