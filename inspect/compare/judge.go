package compare

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

const anyHost = route.Any

// place is a host of a fleet.
type place struct{ fleet, host string }

// model answers by a result; a virtual host is merged once.
type model struct {
	result translator.Result
	hosts  map[place]*route.VirtualHost
}

func newModel(r translator.Result) *model {
	return &model{r, map[place]*route.VirtualHost{}}
}

// host is the virtual host of a place; nil if there is none.
func (m *model) host(at place) *route.VirtualHost {
	vh, known := m.hosts[at]
	if !known {
		if fleet, ok := m.result.Fleet(at.fleet); ok {
			vh = fleet.VirtualHost(at.host)
		}
		m.hosts[at] = vh
	}
	return vh
}

// takes is the virtual host that takes requests to a name.
func (m *model) takes(at place) *route.VirtualHost {
	if vh := m.host(at); vh != nil {
		return vh
	}
	name, _ := route.FindHost(at.host, func(name string) bool { return m.host(place{at.fleet, name}) != nil })
	return m.host(place{at.fleet, name})
}

// judge holds requests against a model.
type judge struct {
	*model
	upstreams map[string][]place // by how the log calls a Service
	problems  []finding.Problem
	found     map[string][]Difference // causes that were looked for
}

// verdict is what a judge finds of a request.
type verdict struct {
	same   bool
	unseen string // why nothing can be said
	at     []place
}

// Why nothing can be said of a request.
const (
	noHost     = "the log has no host, and no Ingress leads to the Service that it names"
	someHosts  = "the log has no host: at some of those that lead to the Service and the path the answer would be another one"
	ofItself   = "what the controller says by itself of bodies, headers, connections or endpoints"
	ofDefault  = "what the default backend answers"
	noSuchHost = "no Ingress has the host"
)

// judge holds a request against all hosts that it may have been for: it is the same if the
// answer is the same at any of them.
func (j *judge) judge(g *group) (v verdict) {
	list := j.places(g.Asked)
	if len(list) == 0 {
		return verdict{unseen: g.nobody()}
	}
	if saysNothing(g.Asked) {
		return verdict{unseen: ofItself}
	}
	if g.Default && !j.fits(list[0], g) {
		return verdict{unseen: ofDefault}
	}
	for _, at := range list {
		if j.fits(at, g) {
			v.same = true
		} else {
			v.at = append(v.at, at)
		}
	}
	if v.same && len(v.at) > 0 && j.another(v.at, g) {
		return verdict{unseen: someHosts}
	}
	return v
}

// nobody is why a request was for no host that is known.
func (a Asked) nobody() string {
	switch {
	case a.Host != "":
		return noSuchHost
	case a.Default:
		return ofDefault
	}
	return noHost
}

// another reports whether a request is declared at one of these hosts, too, so that it may
// have been for that one.
func (j *judge) another(list []place, g *group) bool {
	return slices.ContainsFunc(list, func(at place) bool { return j.declares(at, g.Asked) })
}

// declares reports whether an Ingress has a rule for the path of a request, at a host, that
// leads to the Service of which the log speaks, whatever is made of it.
func (j *judge) declares(at place, a Asked) bool {
	fleet, ok := j.result.Fleet(at.fleet)
	if !ok {
		return false
	}
	path, _, _ := strings.Cut(a.Path, "?")
	for f := range fleet.View().OfHost(at.host) {
		o, ok := fleet.View().Ingress(f.Origin.Object.Key())
		if ok && fleet.Members.Has(o.Key()) && slices.ContainsFunc(pathsOf(o, at.host), func(p input.Path) bool {
			return (a.Upstream == "" || upstream(o.Namespace, p.Backend) == a.Upstream) && declared(p.Path, path)
		}) {
			return true
		}
	}
	return false
}

// pathsOf are those that an Ingress has for a host.
func pathsOf(o *input.Ingress, host string) (list []input.Path) {
	for _, rule := range o.Rules {
		if cmp.Or(rule.Host, anyHost) == host {
			list = append(list, rule.Paths...)
		}
	}
	return list
}

// declared reports whether a path lies below one that is written. A pattern counts as far as
// it has no special character.
func declared(written, path string) bool {
	if i := strings.IndexAny(written, `([.*+?|\^$`); i >= 0 {
		return strings.HasPrefix(path, written[:i])
	}
	bare := strings.TrimSuffix(written, "/")
	return path == bare || strings.HasPrefix(path, bare+"/")
}

// places are the hosts that a request may have been for.
func (j *judge) places(a Asked) (list []place) {
	if a.Host == "" {
		return j.upstreams[a.Upstream]
	}
	for fleet := range j.result.Fleets() {
		name, ok := route.FindHost(a.Host, func(name string) bool { return j.host(place{fleet.Name, name}) != nil })
		if ok && (name != anyHost || len(j.upstreams[a.Upstream]) > 0) {
			list = append(list, place{fleet.Name, name})
		}
	}
	return list
}

// saysNothing reports whether an answer that no backend gave follows from what the log does
// not show.
func saysNothing(a Asked) bool {
	if a.Reached {
		return false
	}
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return false
	}
	return a.Status >= 400 || a.Status < 200
}

// answer is one thing that a host may do with a request.
type answer struct {
	route.Outcome
	by *route.Route // nil for none
}

// answers are all that a host may do with a request, over http and https if the log does
// not say which it was.
func (m *model) answers(at place, a Asked) (list []answer) {
	vh := m.takes(at)
	if vh == nil {
		return []answer{{Outcome: route.Outcome{Status: http.StatusNotFound}}}
	}
	protos := []string{"http", "https"}
	if a.Proto != "" {
		protos = []string{a.Proto}
	}
	host := a.Host
	if host == "" {
		host = strings.Replace(strings.Replace(at.host, "*.", "any.", 1), "*", "any.invalid", 1)
	}
	for _, proto := range protos {
		if proto == "https" && vh.Clients != nil && vh.Clients.Closed {
			list = append(list, answer{Outcome: route.Outcome{Status: http.StatusServiceUnavailable}})
			continue
		}
		r := route.Request{Method: a.Method, Host: host, Path: a.Path, Proto: proto}
		routes := route.Possible(vh, r)
		if len(routes) == 0 {
			routes = []*route.Route{nil}
		}
		for _, by := range routes {
			for _, o := range route.Outcomes(by, r) {
				list = append(list, answer{o, by})
			}
		}
	}
	return list
}

// fits reports whether a host may answer a request as the log says, for everybody who made
// it.
func (m *model) fits(at place, g *group) bool {
	list := m.answers(at, g.Asked)
	for from := range g.from {
		if !slices.ContainsFunc(list, func(o answer) bool { return o.fits(g.Asked, from) }) {
			return false
		}
	}
	return true
}

// fits reports whether an answer is what the log says of a client.
func (o answer) fits(a Asked, from netip.Addr) bool {
	s := o.settings()
	barred := o.bars(from)
	switch {
	case a.Reached:
		return o.Cluster != "" && !barred && (a.Upstream == "" || serviceOf(o.Cluster) == a.Upstream)
	case a.Status >= 300 && a.Status < 400:
		return o.Cluster == "" && int(o.Status) == a.Status || o.Cluster != "" && s.AuthURL != "" && s.AuthSignIn != ""
	case a.Status == http.StatusNotFound:
		return o.Status == http.StatusNotFound
	case a.Status >= 400: // 401 or 403: whoever is refused here is not let in
		return o.Status >= 400 || barred || s.Auth.Active()
	}
	return o.Cluster == "" && int(o.Status) == a.Status
}

// settings are those of the route that answers.
func (o answer) settings() policy.Route {
	if o.by == nil || o.by.Settings == nil {
		return policy.Route{}
	}
	return *o.by.Settings
}

// bars reports whether a client may not come for its address, whoever it is.
func (o answer) bars(from netip.Addr) bool {
	return o.Cluster != "" && from.IsValid() && o.by.Bars(from)
}

// serviceOf is how the log calls the Service of a cluster.
func serviceOf(cluster string) string {
	b, ok := route.ParseCluster(cluster)
	if !ok {
		return cluster
	}
	return b.Namespace + "-" + b.Service + "-" + b.Port
}

// was is what the log says of a request, for people.
func was(a Asked) string {
	if a.Reached {
		return strings.TrimSpace("backend " + a.Upstream)
	}
	return fmt.Sprint(a.Status)
}

// is is what a host does with a request, for people: the last word, which is that over
// https.
func (m *model) is(at place, g *group) (text string, open bool) {
	list := m.answers(at, g.Asked)
	o := list[len(list)-1]
	switch {
	case o.Cluster != "" && slices.ContainsFunc(list, func(o answer) bool { return o.barsAny(g) }):
		return "403", false
	case o.Cluster != "":
		return "backend " + serviceOf(o.Cluster), !g.Reached
	case o.Location != "":
		return fmt.Sprint(o.Status, " ", o.Location), false
	}
	return fmt.Sprint(o.Status), false
}

func (o answer) barsAny(g *group) bool {
	for from := range g.from {
		if o.bars(from) {
			return true
		}
	}
	return false
}
