package inspect

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// hints are what nothing is wrong with by itself, and what people still look for: where a
// redirect turns in circles, whose address is counted, why a canary gets nothing.
func hints(fleet *translator.Fleet, vh *route.VirtualHost, d route.Decision, q Question) (list []string) {
	for _, o := range d.Allowed {
		if o.Location != "" {
			list = append(list, circles(fleet, vh, o.Location, q)...)
		}
	}
	list = append(append(list, admitted(fleet, vh, q)...), unserving(fleet, q)...)
	if nobodys(fleet, vh, d, q) {
		list = append(list, "no Ingress has host "+strings.ToLower(q.URL.Hostname()))
	}
	if d.Route == nil {
		return list
	}
	if s := d.Route.Settings; s != nil {
		list = append(append(list, unasked(fleet, s)...), signInLoop(fleet, s, q)...)
	}
	if s := d.Route.Settings; s != nil && trustsNobody(vh) && (len(s.Allowed)+len(s.Denied) > 0 || s.PerSecond+s.PerMinute > 0) {
		list = append(list, fmt.Sprintf("the address of a client is that of its connection: all behind a proxy are one client, unless IngressClass %s believes the proxy (trusted-proxies)", fleet.Name))
	}
	if rest, ok := strings.CutPrefix(vh.Host, "*"); ok && rest != "" && notFound(d) && strings.Contains(strings.TrimSuffix(q.URL.Hostname(), rest), ".") {
		list = append(list, fmt.Sprintf("a wildcard stands for one label, and this name has more below %s", rest))
	}
	return append(list, idleCanaries(fleet, vh.Host, d.Route)...)
}

// notFound reports whether no rule of anybody takes the request.
func notFound(d route.Decision) bool {
	ofNobody := d.Route == nil || d.Route.From == (object.Ref{})
	return ofNobody && slices.ContainsFunc(d.Allowed, func(o route.Outcome) bool { return o.Status == http.StatusNotFound })
}

// circles says whether a redirect may lead to itself.
func circles(fleet *translator.Fleet, vh *route.VirtualHost, location string, q Question) []string {
	to, err := url.Parse(location)
	if err != nil {
		return nil
	}
	to = q.URL.ResolveReference(to)
	switch {
	case to.String() == q.URL.String():
		return []string{"the redirect leads to itself"}
	case to.Scheme == "https" && q.URL.Scheme == "http" && to.Hostname() == q.URL.Hostname() && trustsNobody(vh):
		return []string{fmt.Sprintf("if TLS ends at a proxy before Envoy, this redirect is for ever: IngressClass %s believes no proxy that says X-Forwarded-Proto (trusted-proxies)", fleet.Name)}
	}
	return nil
}

// trustsNobody reports whether no proxy before Envoy is believed.
func trustsNobody(vh *route.VirtualHost) bool {
	return vh.Class != nil && vh.Class.TrustedHops == 0 && len(vh.Class.TrustedProxies) == 0
}

// idleCanaries are those of a rule that get no request.
func idleCanaries(fleet *translator.Fleet, host string, taken *route.Route) (list []string) {
	for f := range fleet.View().CanariesOf(host) {
		for _, c := range f.Canaries {
			here := c.Host == host && c.Match.Kind == taken.Match.Kind && c.Match.Path == taken.Match.Path
			if here && (c.Weight == 0 || c.Total == 0) && c.Header == "" && c.Cookie == "" {
				list = append(list, fmt.Sprintf("no request goes to the canary of %s: its weight is 0, and it names neither header nor cookie", f.Origin.Object))
			}
		}
	}
	return list
}

// unserved are the Problems of the Ingresses that name a host, whoever may have them, when
// nothing takes the request: one of them was meant to.
func unserved(fleet *translator.Fleet, host string, wrong func(ref object.Ref) []finding.Problem) (list []finding.Problem) {
	view, seen := fleet.View(), map[object.Ref]bool{}
	look := func(f *route.Fragment) bool {
		if !seen[f.Origin.Object] {
			seen[f.Origin.Object] = true
			for _, p := range wrong(f.Origin.Object) {
				if p.Code.Row().Severity != finding.Info {
					list = append(list, p)
				}
			}
		}
		return true
	}
	view.OfHost(host)(look)
	view.CanariesOf(host)(look)
	return list
}
