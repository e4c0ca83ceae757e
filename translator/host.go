package translator

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/xds/snapshot"
)

// anyHost stands for requests that no other host claims: rules without a host,
// and the default of the class. Its virtual host always exists.
const anyHost = "*"

// rule is one path of one Ingress.
type rule struct {
	ingress *input.Ingress
	path    input.Path
	field   string
}

// exact says whether the path must be matched as it stands.
func (r rule) exact() bool { return r.path.Type == input.PathExact }

// length is what decides between two paths that match: a trailing slash of a
// prefix has no part in the match and counts only between two prefixes.
func (r rule) length() int {
	if r.exact() {
		return len(r.path.Path)
	}
	return len(strings.TrimRight(r.path.Path, "/"))
}

// first orders rules as they must be tried: longest path, then Exact before
// Prefix; the rest makes the order total.
func first(a, b rule) int {
	exactFirst := 0
	if a.exact() != b.exact() {
		exactFirst = 1
		if a.exact() {
			exactFirst = -1
		}
	}
	return cmp.Or(cmp.Compare(b.length(), a.length()), exactFirst,
		cmp.Compare(len(b.path.Path), len(a.path.Path)), cmp.Compare(a.path.Path, b.path.Path))
}

// host is what one host name needs of its virtual host.
type host struct {
	class    class
	name     string // "shop.example.com", "*.example.com" or anyHost
	routes   []*routev3.Route
	backends []backend
	needs    []snapshot.Ref
	from     []object.Ref
	found    []finding
}

// virtualHost computes the virtual host of a name from the Ingresses of that
// name and the class, with the backends that it names; nil if no Ingress has a
// rule for it. It never reads a Service: a route names its cluster whether or not
// the Service exists.
func virtualHost(v input.View, c class, name string) (*snapshot.Resource, []backend, []finding) {
	h := planHost(v, c, name)
	if h == nil {
		return nil, nil, nil
	}
	if strings.HasPrefix(name, "*.") {
		h.passDeeper(planHost(v, c, anyHost))
	}
	vh := &routev3.VirtualHost{Name: virtualHostName(name), Domains: []string{name}, Routes: h.routes, RetryPolicy: retries(c.settings)}
	for _, b := range h.backends {
		h.needs = append(h.needs, snapshot.Ref{Type: snapshot.Cluster, Name: b.name()})
	}
	r, err := newResource(snapshot.VirtualHost, vh.Name, vh, snapshot.Meta{Needs: h.needs, From: h.from})
	if err != nil { // no input is known to get here: hosts and paths were checked
		return nil, nil, append(h.found, about(object.Ref{Kind: object.KindIngress, Name: name}, "", "", "", err.Error()))
	}
	return r, h.backends, h.found
}

// planHost makes the routes of a host out of the rules that name it; nil if
// none does.
func planHost(v input.View, c class, name string) *host {
	h := &host{class: c, name: name}
	owners := h.owners(v)
	if len(owners) == 0 && name != anyHost {
		return nil
	}
	redirect := h.redirects(v, owners)
	for _, r := range h.merge(owners) {
		a, found := c.action(r.ingress, r.path.Backend, r.field+".backend")
		h.found = append(h.found, found...)
		if redirect == byPath && c.redirects(r.ingress) {
			h.routes = append(h.routes, redirectRoute("redirect "+routeName(r), pathMatch(r), c.settings))
		}
		h.add(pathRoute(r, a), a)
	}
	if redirect == byPath && c.redirects(owners[0]) {
		h.routes = append(h.routes, redirectRoute("redirect", wholeHost(), c.settings))
	}
	last := h.fallback(owners)
	h.add(lastRoute(last), last.action)
	return h
}

// owners are the Ingresses with a rule for the host, the oldest first.
func (h *host) owners(v input.View) []*input.Ingress {
	var list []*input.Ingress
	named := func(r input.Rule) bool { return r.Host == ingressHost(h.name) }
	for _, o := range h.class.members(v.IngressesOfHost(ingressHost(h.name))) {
		if slices.ContainsFunc(o.Rules, named) {
			list = append(list, o)
			h.from = append(h.from, o.Ref())
		}
	}
	return list
}

// ingressHost is the name of a host as Ingresses write it.
func ingressHost(name string) string {
	if name == anyHost {
		return ""
	}
	return name
}

// hostName is the name of a host of an Ingress.
func hostName(host string) string {
	if host == "" {
		return anyHost
	}
	return host
}

// merge gathers the paths of all owners for the host, in the order in which
// they must be tried. The oldest Ingress wins a path; the others are told so.
func (h *host) merge(owners []*input.Ingress) []rule {
	var rules []rule
	winner := map[string]*input.Ingress{}
	for _, o := range owners {
		for i, r := range o.Rules {
			if r.Host != ingressHost(h.name) {
				continue
			}
			for j, p := range r.Paths {
				rules = h.take(rules, winner, rule{ingress: o, path: p, field: pathField(i, j)})
			}
		}
	}
	slices.SortStableFunc(rules, first)
	return rules
}

// lost says why a rule is not served: an earlier one has its path.
func (h *host) lost(r rule, winner *input.Ingress) string {
	if winner == r.ingress {
		return fmt.Sprintf("the Ingress has this path of host %s already; the first one counts", h.name)
	}
	return fmt.Sprintf("%s has this path of host %s already and is older", winner.Ref(), h.name)
}

func (h *host) take(rules []rule, winner map[string]*input.Ingress, r rule) []rule {
	if wrong := checkPath(&r.path); wrong != "" {
		h.found = append(h.found, aboutIngress(r.ingress, r.field+".path", r.path.Path, wrong+"; the path is not served"))
		return rules
	}
	kind := input.PathPrefix
	if r.exact() {
		kind = input.PathExact
	}
	key := string(kind) + " " + r.path.Path
	if o, taken := winner[key]; taken {
		h.found = append(h.found, aboutIngress(r.ingress, r.field+".path", r.path.Path, h.lost(r, o)))
		return rules
	}
	winner[key] = r.ingress
	return append(rules, r)
}

// fallback is what the host does with a path that no rule matches: the default
// backend of its oldest Ingress that has one, else that of the class.
func (h *host) fallback(owners []*input.Ingress) fallback {
	for _, o := range owners {
		if o.DefaultBackend != nil {
			a, found := h.class.action(o, *o.DefaultBackend, "spec.defaultBackend")
			h.found = append(h.found, found...)
			return fallback{a}
		}
	}
	return h.class.fallback
}

// add appends a route and the backend that it leads to.
func (h *host) add(r *routev3.Route, a action) {
	h.routes = append(h.routes, r)
	if a.status == 0 {
		h.backends = append(h.backends, a.backend)
	}
}

// redirecting says how a host sends http to https.
type redirecting int

const (
	never  redirecting = iota
	wholly             // one route, before all others
	byPath             // one before each path whose Ingress wants it
)

// redirects decides how the host redirects, and adds the route if it does so
// wholly. Only a host with a chain redirects, and it then needs that chain.
func (h *host) redirects(v input.View, owners []*input.Ingress) redirecting {
	chain, ok := chainOf(v, h.class, h.name)
	if !ok || !slices.ContainsFunc(owners, h.class.redirects) {
		return never
	}
	h.needs = append(h.needs, snapshot.Ref{Type: snapshot.Chain, Name: chain})
	for _, o := range owners {
		if !h.class.redirects(o) {
			return byPath
		}
	}
	h.routes = append(h.routes, redirectRoute("redirect", wholeHost(), h.class.settings))
	return wholly
}

// redirects says whether an Ingress wants its paths redirected to https.
func (c class) redirects(o *input.Ingress) bool {
	overrides, _ := policy.OfIngress(o.Ref(), o.Annotations)
	return c.settings.With(overrides).SSLRedirect
}

// passDeeper puts the routes of anyHost before those of a wildcard host, for
// names of more labels than one: Envoy's wildcard matches them, Kubernetes' does
// not, so nobody claims them.
func (h *host) passDeeper(other *host) {
	deeper := notOneLabel(h.name)
	for _, r := range other.routes {
		r.Name = "deeper " + r.Name
		r.Match.Headers = append(r.Match.Headers, deeper)
	}
	h.routes = append(other.routes, h.routes...)
	h.backends = append(other.backends, h.backends...)
	h.from = append(h.from, other.from...)
}

// oneLabel is the pattern of an :authority with exactly one label in the place
// of the star, in any case, with or without a port.
func oneLabel(wildcard string) string {
	return `(?i)^[^.]+` + regexp.QuoteMeta(strings.TrimPrefix(wildcard, "*")) + `(:[0-9]+)?$`
}
