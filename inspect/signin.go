package inspect

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/observed"
)

// unasked says what is wrong with the Service that auth-url names, if it is one of the cluster:
// whoever is refused looks at the application first, which nobody asks.
func unasked(fleet *translator.Fleet, s *policy.Route) (list []string) {
	of, ok := authorizes(fleet, s)
	if !ok {
		return nil
	}
	ready, known := 0, false
	for slice := range fleet.View().SlicesOf(of.Key()) {
		known = true
		for _, e := range slice.Endpoints {
			if e.Ready {
				ready++
			}
		}
	}
	service, exists := fleet.View().Service(of.Key())
	switch {
	case !exists:
		return []string{fmt.Sprintf("auth-url asks %s, and there is no such Service: requests are answered 500", of)}
	case ready == 0 && (known || service.ExternalName == ""):
		return []string{fmt.Sprintf("auth-url asks %s, of which no endpoint is ready: requests are answered 500", of)}
	}
	return nil
}

// authorizes is the Service of the cluster that auth-url names.
func authorizes(fleet *translator.Fleet, s *policy.Route) (object.Ref, bool) {
	host := strings.TrimPrefix(strings.TrimPrefix(s.AuthURL, "http://"), "https://")
	if end := strings.IndexAny(host, ":/?"); end >= 0 { // as a URL it may not be read: it has words in braces
		host = host[:end]
	}
	of, domain, ok := route.ServiceNamed(host)
	return of, ok && (domain == "" || domain == fleet.Class().Settings.ClusterDomain)
}

// signInLoop says that whoever is not signed in is sent to where the same is asked of him, which
// browsers call too many redirects.
func signInLoop(fleet *translator.Fleet, s *policy.Route, q Question) []string {
	if s.AuthURL == "" || s.AuthSignIn == "" {
		return nil
	}
	page, _, _ := strings.Cut(strings.ReplaceAll(s.AuthSignIn, "{host}", q.URL.Hostname()), "?")
	page, _, _ = strings.Cut(page, "{") // what follows depends on the request
	to, err := url.Parse(page)
	if err != nil {
		return nil
	}
	to = q.URL.ResolveReference(to)
	var vh *route.VirtualHost
	if _, ok := route.FindHost(to.Host, func(name string) bool { vh = fleet.VirtualHost(name); return vh != nil }); !ok {
		return nil
	}
	d := route.Decide(vh, route.Request{Method: http.MethodGet, Host: to.Host, Path: cmp.Or(to.EscapedPath(), "/"), Proto: to.Scheme})
	if d.Route == nil || d.Route.Settings == nil || d.Route.Settings.AuthURL == "" {
		return nil
	}
	return []string{fmt.Sprintf("who is not signed in is sent to %s (auth-signin), which %s guards by auth-url, too, so he is sent there for ever: give that path an Ingress without auth-url", to, d.Route.From)}
}

// byName says where the endpoints come from of a Service that is a name.
func byName(answers []Answer) (list []string) {
	for _, a := range answers {
		if a.Name != "" {
			list = append(list, fmt.Sprintf("Service %s is the name %s, and Envoy asks the DNS for its addresses: as long as there are none, requests are answered 503 (legation envoy POD clusters has those that it knows)", observed.ServiceOf(a.Cluster), a.Name))
		}
	}
	return list
}
