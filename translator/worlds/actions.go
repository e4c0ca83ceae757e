package worlds

import (
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// FragmentServices is how many Services random fragments lead to, in each namespace.
const FragmentServices = 4

// SideHeader is set on answers of some targets.
const SideHeader = "x-side"

func (g *Fragments) action(f *route.Fragment, field string) route.Action {
	switch g.IntN(20) {
	case 0, 1, 2:
		return route.Action{Status: pick[uint32](g.world, 403, 404, 500, 503)}
	case 3:
		wrong := finding.BadPortName.At(f.At(field), "")
		return route.Action{Status: 503, Wrong: &wrong}
	case 4, 5, 6:
		return route.Action{Redirect: g.redirect()}
	}
	var a route.Action
	for i := range pick(g.world, 1, 1, 1, 2, 3) {
		t := route.Target{Backend: g.backend(f, field), Weight: uint32(g.IntN(3))}
		if i == 1 {
			t.Weight++ // Envoy takes no list whose weights are all 0
		}
		g.side(f, &t, field)
		a.Targets = append(a.Targets, t)
	}
	if g.world.one(5) {
		a.Calls = []route.Call{{Backend: g.backend(f, field), Why: route.Mirror}}
	}
	return a
}

func (g *Fragments) redirect() *route.Redirect {
	to := &route.Redirect{Status: pick[uint32](g.world, 301, 302, 303, 307, 308), Scheme: pick(g.world, "", "http", "https"),
		Host: pick(g.world, "", "", "moved.test"), Port: pick[uint32](g.world, 0, 0, 8081)}
	switch g.IntN(4) {
	case 0:
		to.Path = pick(g.world, "/moved", "/moved/?x=1")
	case 1, 2:
		to.Prefix = pick(g.world, "/", "/moved", "/moved/")
	}
	return to
}

// backend is a Service of the fragment's namespace.
func (g *Fragments) backend(f *route.Fragment, field string) route.Backend {
	shape := f.Policy.Upstream()
	b, _ := route.NewBackend(f.Origin.Object.Namespace, ServiceName(g.IntN(FragmentServices)), pick(g.world, "80", "http"), shape, shape.Hash())
	f.References = append(f.References, route.Reference{To: b.Ref(), Field: field, Backend: &b})
	return b
}

// side has a share of requests be treated otherwise, perhaps.
func (g *Fragments) side(f *route.Fragment, t *route.Target, field string) {
	if g.world.one(5) {
		t.Headers = &route.Headers{Response: route.HeaderChange{Set: []route.Header{{Name: SideHeader, Value: field + " 100%"}}}}
	}
	if g.world.one(8) {
		t.Policy, _ = policy.OfIngress(f.Origin.Object, map[string]string{policy.Prefix + "max-request-body": pick(g.world, "off", "1Ki")})
	}
}
