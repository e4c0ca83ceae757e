package translator

import (
	"fmt"
	"net/http"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// action is what a path leads to: a backend, or an answer of Envoy's own.
type action struct {
	status  uint32 // an answer of this status, without a backend; 0: the backend
	backend backend
	timing  policy.Values        // of these, what a route is made of
	retry   *routev3.RetryPolicy // nil: that of the virtual host, and so of the class
	// limitsBody says that the limit of a body is not that of the class.
	limitsBody bool
	owner      string // who says so, in the name of the route: "shop/checkout"
	from       object.Ref
}

// fallback is the action of what no path of a host matches.
type fallback struct{ action }

// String is canonical: equal actions print equally.
func (a action) String() string {
	return fmt.Sprint(a.status, " ", a.backend.name(), " ", a.timing, " ", a.owner)
}

// notFound answers 404.
func notFound() fallback {
	return fallback{action{status: http.StatusNotFound, owner: "legation/not-found"}}
}

// action is what a backend of o at field leads to. Whatever cannot be served as
// its owner wants is answered 503, never served otherwise.
func (c class) action(o *input.Ingress, b input.Backend, field string) (action, []finding) {
	overrides, _ := policy.OfIngress(o.Ref(), o.Annotations) // errors are reported with the Ingress
	a := action{owner: o.Key(), from: o.Ref(), timing: c.settings.With(overrides)}
	a.limitsBody = a.timing.RequestBody != c.settings.RequestBody
	if retriesDiffer(a.timing, c.settings) {
		a.retry = retries(a.timing)
	}
	if restricts(o) && !c.settings.ServeUnprotected {
		a.status = http.StatusServiceUnavailable // annotations.go reports it
		return a, nil
	}
	target, at, wrong := newBackend(o, b, overrides.Upstream())
	if wrong != "" {
		a.status = http.StatusServiceUnavailable
		return a, []finding{aboutIngress(o, field+"."+at, "", wrong)}
	}
	a.backend = target
	return a, nil
}

// classFallback is what the class does with a request that nothing matches: the
// default backend of the oldest Ingress that has one and no rules, else that of
// the settings, else 404.
func classFallback(v input.View, c class) (fallback, []finding) {
	var (
		found  []finding
		winner *input.Ingress
	)
	for _, o := range c.members(v.WithDefaultBackend()) {
		switch {
		case len(o.Rules) > 0: // its default backend is for its own hosts
		case winner == nil:
			winner = o
		default:
			found = append(found, aboutIngress(o, "spec.defaultBackend", "",
				fmt.Sprintf("%s is the older default of the class and wins", winner.Ref())))
		}
	}
	if winner != nil {
		a, wrong := c.action(winner, *winner.DefaultBackend, "spec.defaultBackend")
		return fallback{a}, append(found, wrong...)
	}
	return c.settingsFallback()
}

func (c class) settingsFallback() (fallback, []finding) {
	p := c.settings.DefaultBackend
	if p == (policy.ServicePort{}) {
		return notFound(), nil
	}
	for _, part := range []string{p.Namespace, p.Service, p.Port} {
		if !label.MatchString(part) {
			return notFound(), []finding{about(c.config, c.file, "data.default-backend", p.String(),
				"not the name of a Service port; unmatched requests are answered 404")}
		}
	}
	return fallback{action{backend: backend{namespace: p.Namespace, service: p.Service, port: p.Port},
		timing: c.settings, owner: "legation/default-backend", from: c.config}}, nil
}
