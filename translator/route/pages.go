package route

import (
	"net/http"
	"slices"
	"strings"

	"legation.dev/translator/finding"
)

// Pages is a Service that answers in place of the targets of an action.
type Pages struct {
	// Backend is zero if nobody has pages: then the answer is 404, as that of ingress-nginx's
	// own default backend.
	Backend Backend
	// Codes are the statuses, of a target or of Envoy, that it answers instead: by GET,
	// for the path /. Without any it answers only where no endpoint can be reached, by
	// GET, for the path as it was. The status that the client sees is its own.
	Codes []uint32
	// OwnOnly: a status of a target stands; only those of Envoy are replaced.
	OwnOnly bool
	// Codes alone: where no endpoint can be reached, Envoy says so.
	CodesAlone bool
	// Headers tell it what is the matter. Beside them it is told the status and the path.
	Headers []Header
}

// PageHeader has the cluster of a Service that is asked in place of a target. No client can
// send it: what begins with x-envoy- is dropped.
const (
	PageHeader    = "x-envoy-legation-page"
	StandInHeader = "x-envoy-legation-stand-in"
	// HostHeader has the host that the client asked for.
	HostHeader = "x-envoy-legation-host"
)

// Within is a host that the virtual host of a name takes, and no other one: Envoy asks
// there in place of a target.
func Within(host string) string {
	rest, wildcard := strings.CutPrefix(host, "*")
	if !wildcard {
		return host
	}
	return "_legation" + rest // no host of an object has such a label
}

// lost notes which Services of pages there are not, and tells the owner.
func (p *plan) lost(in *Input) (found []finding.Finding) {
	if in.Lacks == nil {
		return nil
	}
	for _, r := range p.fragment.References {
		if r.Optional && in.Lacks(r.To) {
			p.missing = append(p.missing, r.To)
			found = append(found, finding.NoPagesService.At(p.fragment.At(r.Field), r.To.Name))
		}
	}
	return found
}

// Nobody reports whether no Service has the pages.
func (p *Pages) Nobody() bool { return p.Backend.Service == "" }

// pagesOf are the pages of an action. Where their Service does not exist it is as if none
// was named: the default backend of the class answers in place of statuses or, in a
// compatible class that has none, nobody.
func (p plan) pagesOf(a Action) *Pages {
	if a.Pages == nil || !a.Pages.Nobody() && !slices.Contains(p.missing, a.Pages.Backend.Ref()) {
		return a.Pages
	}
	d := p.class.Settings.DefaultBackend
	b, ok := NewBackend(d.Namespace, d.Service, d.Port, nil, "")
	if len(a.Pages.Codes) == 0 || !ok && !p.class.Settings.Compatible() {
		return nil
	}
	own := *a.Pages
	own.Backend, own.CodesAlone = b, true
	return &own
}

// pages adds the routes by which Services with pages are asked. They come first, and take
// what Envoy itself sends there.
func (m *merger) pages() {
	var first []Route
	told := map[string]bool{}
	for _, r := range m.host.Routes {
		if r.Pages == nil || r.Pages.Nobody() || told[r.Pages.Backend.Cluster()] {
			continue
		}
		cluster := r.Pages.Backend.Cluster()
		told[cluster] = true
		for _, header := range []string{PageHeader, StandInHeader} {
			match := Match{Path: "/", Headers: []ValueMatch{{Name: header, Value: cluster}}}
			action := Action{Targets: []Target{{Backend: r.Pages.Backend}}}
			first = append(first, Route{Name: r.Owner + " " + header, Match: match, Page: true,
				Planned: Planned{Action: action, Settings: &m.host.Class.Route, Owner: r.Owner, From: r.From}})
		}
	}
	m.host.Routes = append(first, m.host.Routes...)
}

// Unreachable is the status with which Envoy says that no endpoint can be reached.
const Unreachable = http.StatusServiceUnavailable
