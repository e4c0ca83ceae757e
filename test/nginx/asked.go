//go:build real

package nginx

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Asked is a request to the hosts of a case, with the names of the files.
type Asked struct {
	*Case
	Request
}

// prefix is what the names of annotations begin with.
const prefix = "nginx.ingress.kubernetes.io/"

// each calls with the annotations and the spec of the Ingresses that name the host of the
// request, or a wildcard above it, in their rules or aliases, and with the rule; if there
// are none, with those that take what no host takes.
func (a Asked) each(do func(said, spec, rule map[string]any)) {
	some := false
	a.naming(func(said, spec, rule map[string]any) {
		some = true
		do(said, spec, rule)
	})
	if !some {
		a.rest(do)
	}
}

// rest calls with what takes the requests that no host takes. An Ingress without rules has
// one without paths.
func (a Asked) rest(do func(said, spec, rule map[string]any)) {
	for _, m := range a.Objects {
		if m["kind"] != "Ingress" {
			continue
		}
		said, _ := m.meta()["annotations"].(map[string]any)
		spec := m["spec"].(map[string]any)
		rules, _ := spec["rules"].([]any)
		if len(rules) == 0 {
			do(said, spec, map[string]any{"http": map[string]any{}})
		}
		for _, r := range rules {
			if rule := r.(map[string]any); rule["host"] == nil {
				do(said, spec, rule)
			}
		}
	}
}

// naming calls with all that names the host in some way.
func (a Asked) naming(do func(said, spec, rule map[string]any)) {
	exact, called, www := a.exact(), a.called(), a.redirected()
	a.rules(func(said, spec, rule map[string]any, host string) {
		if a.under(host) && (a.named(host) || !exact) || www && a.named("www."+host) || !exact && len(called) > 0 && host == called[0] {
			do(said, spec, rule)
		}
	})
}

// rules calls with each rule of each Ingress.
func (a Asked) rules(do func(said, spec, rule map[string]any, host string)) {
	for _, m := range a.Objects {
		if m["kind"] != "Ingress" {
			continue
		}
		said, _ := m.meta()["annotations"].(map[string]any)
		spec := m["spec"].(map[string]any)
		list, _ := spec["rules"].([]any)
		for _, r := range list {
			rule := r.(map[string]any)
			host, _ := rule["host"].(string)
			do(said, spec, rule, host)
		}
	}
}

// called are the hosts of which the host of the request is an alias, in order of their names.
// The first one serves it.
func (a Asked) called() (list []string) {
	a.rules(func(said, _, _ map[string]any, host string) {
		if alias, _ := said[prefix+"server-alias"].(string); alias != "" && a.at(strings.Split(alias, ",")...) {
			list = append(list, host)
		}
	})
	slices.Sort(list)
	return slices.Compact(list)
}

// certified reports whether ingress-nginx has a certificate for an alias: by the last of its
// hosts, if that has one that covers both.
func (a Asked) certified() (is bool) {
	called := a.called()
	if len(called) == 0 || a.deep() {
		return false
	}
	last := called[len(called)-1]
	a.rules(func(_, spec, _ map[string]any, host string) {
		is = is || host == last && len(sections(spec)) > 0 && strings.Count(host, ".") == 2 && !strings.HasPrefix(host, "*")
	})
	return is
}

// exact reports whether a rule names the very host.
func (a Asked) exact() bool {
	for _, m := range a.Objects {
		spec, _ := m["spec"].(map[string]any)
		rules, _ := spec["rules"].([]any)
		for _, r := range rules {
			if host, _ := r.(map[string]any)["host"].(string); m["kind"] == "Ingress" && a.named(host) {
				return true
			}
		}
	}
	return false
}

func (a Asked) named(host string) bool { return strings.EqualFold(a.Host, host) }

// under reports whether a rule for a host takes the request: a wildcard takes one label.
func (a Asked) under(host string) bool {
	_, below, _ := strings.Cut(strings.ToLower(a.Host), ".")
	return a.named(host) || host == "*."+below
}

// at reports whether the request is to one of these names, of which wildcards take any number
// of labels: aliases, and names of filter chains.
func (a Asked) at(hosts ...string) bool {
	for _, host := range hosts {
		host = strings.TrimSpace(host)
		if a.named(host) || strings.HasPrefix(host, "*.") && strings.HasSuffix(strings.ToLower(a.Host), host[1:]) {
			return true
		}
	}
	return false
}

// values are those of an annotation at the host.
func (a Asked) values(name string) (list []string) {
	a.each(func(said, _, _ map[string]any) {
		if v, ok := said[prefix+name].(string); ok {
			list = append(list, v)
		}
	})
	return list
}

// has reports whether the host has one of these annotations.
func (a Asked) has(names ...string) bool {
	for _, name := range names {
		if len(a.values(name)) > 0 {
			return true
		}
	}
	return false
}

// says reports whether one of the annotations has the value.
func (a Asked) says(name, value string) bool { return slices.Contains(a.values(name), value) }

// sends reports whether a snippet sends clients to the host that they asked for.
func (a Asked) sends() bool {
	named := func(text string) bool {
		return strings.Contains(text, "//$host") || strings.Contains(text, "302 /") || strings.Contains(text, "redirect;") || strings.Contains(text, "permanent;")
	}
	return slices.ContainsFunc(append(a.values("configuration-snippet"), a.values("server-snippet")...), named)
}

// path is what rules are compared with.
func (a Asked) path() string {
	path, _, _ := strings.Cut(a.Path, "?")
	return strings.NewReplacer("%2F", "/", "//", "/").Replace(path)
}

// redirected reports whether the host is the www name of another one that redirects it.
func (a Asked) redirected() (is bool) {
	a.rules(func(said, _, _ map[string]any, host string) {
		is = is || said[prefix+"from-to-www-redirect"] == "true" && a.named("www."+host)
	})
	return is
}

func (a Asked) www() bool { return strings.HasPrefix(strings.ToLower(a.Host), "www.") }

// deep reports whether a wildcard of example.test does not cover the host.
func (a Asked) deep() bool { return strings.Count(a.Host, ".") > 2 }

// snipped reports whether a location of a server-snippet answers.
func (a Asked) snipped() bool {
	return slices.ContainsFunc(a.values("server-snippet"), a.place)
}

// outdone reports whether the first server-snippet of the host has no location that answers.
func (a Asked) outdone() bool {
	all := a.values("server-snippet")
	return len(all) > 1 && !a.place(all[0])
}

// younger reports whether another server-snippet than the first of the host keeps addresses out.
func (a Asked) younger() bool {
	all := a.values("server-snippet")
	return len(all) > 1 && a.Source != "" && slices.ContainsFunc(all[1:], func(snippet string) bool { return strings.Contains(snippet, "deny") })
}

// place reports whether a server-snippet answers: the whole host, or a location that has the path.
func (a Asked) place(snippet string) bool {
	if strings.Contains(snippet, "http_x_agent") && strings.HasPrefix(a.Header["X-Agent"], "Spider") || strings.HasPrefix(snippet, "return") || strings.HasPrefix(snippet, "rewrite") && !strings.HasSuffix(snippet, "break;") {
		return true
	}
	return slices.ContainsFunc([]string{"/blocked", "/metrics", "/-/reload", "/doc", "/v1/x"}, func(place string) bool {
		return strings.Contains(snippet, place) && strings.HasPrefix(a.path(), place)
	})
}

func (a Asked) rooted() bool { return a.path() == "/" && a.has("app-root") }

// tls reports whether a TLS section of any Ingress names the host, or a wildcard above it.
func (a Asked) tls() (is bool) {
	for _, m := range a.Objects {
		if spec, _ := m["spec"].(map[string]any); m["kind"] == "Ingress" {
			for _, section := range sections(spec) {
				is = is || a.at(section...)
			}
		}
	}
	return is
}

// tlsAnywhere reports whether an Ingress of the host has a TLS section.
func (a Asked) tlsAnywhere() (is bool) {
	a.each(func(_, spec, _ map[string]any) { is = is || len(sections(spec)) > 0 })
	return is
}

// anyTLS reports whether any Ingress has a TLS section.
func (a Asked) anyTLS() bool {
	return slices.ContainsFunc(a.Objects, func(m Manifest) bool {
		spec, _ := m["spec"].(map[string]any)
		return m["kind"] == "Ingress" && len(sections(spec)) > 0
	})
}

func sections(spec map[string]any) (list [][]string) {
	all, _ := spec["tls"].([]any)
	for _, one := range all {
		var hosts []string
		names, _ := one.(map[string]any)["hosts"].([]any)
		for _, name := range names {
			hosts = append(hosts, name.(string))
		}
		list = append(list, hosts)
	}
	return list
}

// unruled reports whether no rule of the host has the path.
func (a Asked) unruled() bool {
	l := a.location()
	return l != nil && !l.ruled
}

// none reports whether the path leads to a Service that has no endpoint.
func (a Asked) none() bool {
	l := a.location()
	return l != nil && l.service != "" && a.endpoints(l.service) == 0
}

// greeted is a with the host that was named before the request, to be shown a certificate.
func (a Asked) greeted() Asked {
	a.Host = cmp.Or(a.SNI, a.Host)
	return a
}

// forced reports whether requests by http are sent to https without TLS of the host.
func (a Asked) forced() bool {
	return a.has("force-ssl-redirect") || a.Settings["force-ssl-redirect"] == "true"
}

// barred reports whether the ConfigMap keeps addresses out, and the request comes from one
// that is not that of all others.
func (a Asked) barred() bool {
	return a.Settings["whitelist-source-range"]+a.Settings["denylist-source-range"] != "" && (a.Source != "" || a.Header["X-Forwarded-For"] != "")
}

// Through reports whether a request is let through that ingress-nginx refuses, whatever the
// Differences say of it. That a Service has no endpoint, or cannot be reached, is no
// refusal.
func (a Asked) Through(got, want Answer) bool {
	switch want.Status {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return false
	case http.StatusServiceUnavailable:
		return !a.none() && LetThrough(got, want)
	case http.StatusNotFound: // the page that nobody has in place of a 503
		return !(a.none() && a.pages()) && LetThrough(got, want)
	}
	return LetThrough(got, want)
}

func (a Asked) endpoints(service string) (n int) {
	for _, m := range a.Objects {
		labels, _ := m.meta()["labels"].(map[string]any)
		if m["kind"] == "EndpointSlice" && labels["kubernetes.io/service-name"] == service {
			n++
		}
	}
	return n
}

// canaryOfNone reports whether the path leads to a Service without endpoints, which has a
// canary that may get the request.
func (a Asked) canaryOfNone() bool { return a.none() && len(a.canaries()) > 0 }

// sharesCanary reports whether the path leads to a Service with a canary that is one of
// another Service, too.
func (a Asked) sharesCanary() bool {
	for _, to := range a.canaries() {
		n := 0
		for _, m := range a.Objects {
			if said, _ := m.meta()["annotations"].(map[string]any); said[prefix+"canary"] == "true" && leadsTo(m) == to {
				n++
			}
		}
		if n > 1 {
			return true
		}
	}
	return false
}

// canaries are the Services that are canaries of that to which the path leads, whatever
// host names it.
func (a Asked) canaries() (list []string) {
	l := a.location()
	if l == nil || l.service == "" {
		return nil
	}
	for _, m := range a.Objects {
		said, _ := m.meta()["annotations"].(map[string]any)
		if said[prefix+"canary"] != "true" {
			continue
		}
		rule := m["spec"].(map[string]any)["rules"].([]any)[0].(map[string]any)
		there := a
		there.Host, _ = rule["host"].(string)
		one := newLocation(rule["http"].(map[string]any)["paths"].([]any)[0].(map[string]any), said)
		all, _ := there.locations()
		if slices.ContainsFunc(all, func(o *location) bool { return o.path == one.path && o.kind == one.kind && o.service == l.service }) {
			list = append(list, one.service)
		}
	}
	return list
}

// leadsTo is the Service of the first path of an Ingress.
func leadsTo(m Manifest) string {
	rule := m["spec"].(map[string]any)["rules"].([]any)[0].(map[string]any)
	return newLocation(rule["http"].(map[string]any)["paths"].([]any)[0].(map[string]any), nil).service
}

// aliased reports whether the host is an alias of one that is there.
func (a Asked) aliased() bool {
	is := false
	a.each(func(said, _, rule map[string]any) {
		host, _ := rule["host"].(string)
		is = is || !a.at(host)
	})
	return is
}

// slashed reports whether the host has a path that ends with a slash, and the request lacks
// it.
func (a Asked) slashed() bool {
	list, _ := a.locations()
	return slices.ContainsFunc(list, func(l *location) bool { return l.path == a.path()+"/" })
}

// paged reports whether a status that the backend is told to answer is one that pages
// answer for.
func (a Asked) paged() bool {
	status := a.Header["X-Echo-Status"]
	if status == "" {
		status = "503"
	}
	return strings.Contains(strings.Join(a.values("custom-http-errors"), ","), status)
}

// over reports whether the body is larger than the path lets it be, or where http is sent to
// https, larger than the class does.
func (a Asked) over() bool {
	text, said := "", false
	if l := a.location(); l != nil {
		text, said = l.said[prefix+"proxy-body-size"].(string)
	}
	return said && a.beyondSize(text) || (!said || a.leaves()) && a.beyondSize(a.Settings["proxy-body-size"])
}

// beyondSize reports whether the body is larger than a size in nginx's units.
func (a Asked) beyondSize(text string) bool {
	size := strings.TrimRight(text, "km")
	most, err := strconv.Atoi(size)
	switch strings.TrimPrefix(text, size) {
	case "k":
		most <<= 10
	case "m":
		most <<= 20
	}
	return err == nil && most > 0 && a.Body > most
}

// guarded reports whether what is asked for may be told by a guard that a request has to
// pass: by what the Ingress of its path says, or the ConfigMap.
func (a Asked) guarded() bool {
	l := a.location()
	said := func(name string) bool { return l != nil && l.said[prefix+name] != nil }
	snippet := strings.Join(a.values("server-snippet"), "\n")
	if l != nil {
		own, _ := l.said[prefix+"configuration-snippet"].(string)
		snippet += own
	}
	switch asked := l == nil || l.said[prefix+"enable-global-auth"] != "false"; {
	case said("auth-type") && a.User != "alice:secret", said("whitelist-source-range"), said("allowlist-source-range"), said("denylist-source-range"), a.barred(), strings.Contains(snippet, "deny"):
		return true
	default:
		return !a.known() && (said("auth-url") || a.Settings["global-auth-url"] != "" && asked)
	}
}

// denied reports whether a snippet keeps addresses out of a path that has a list of addresses of
// its own: to which one of those let in may come, or which takes the place of the host's.
func (a Asked) denied() bool {
	l := a.location()
	if l == nil {
		return false
	}
	own, _ := l.said[prefix+"configuration-snippet"].(string)
	host := strings.Join(a.values("server-snippet"), "\n")
	some := func(snippet string) bool {
		return strings.Contains(snippet, "deny all") || strings.Contains(snippet, "deny") && (a.Source != "" || a.Header["X-Forwarded-For"] != "")
	}
	lets := l.said[prefix+"whitelist-source-range"] != nil || l.said[prefix+"allowlist-source-range"] != nil || a.Settings["whitelist-source-range"] != ""
	bars := l.said[prefix+"denylist-source-range"] != nil || a.Settings["denylist-source-range"] != "" || strings.Contains(own, "deny")
	return lets && some(own+host) || bars && some(host)
}

// leaves reports whether the path is one from which http is sent to https, as far as its host
// says.
func (a Asked) leaves() bool { return a.TLS == 0 && (a.tls() || a.tlsAnywhere() || a.forced()) }

// decorated reports whether a snippet of the path adds headers.
func (a Asked) decorated() bool {
	l := a.location()
	if l == nil {
		return false
	}
	snippet, _ := l.said[prefix+"configuration-snippet"].(string)
	return strings.Contains(snippet, "more_set_headers") || strings.Contains(snippet, "add_header")
}

// known reports whether services of auth-url let the request in.
func (a Asked) known() bool { return strings.Contains(a.Header["Cookie"], "session=") }

// beyond reports whether an Ingress with an annotation has a wildcard that is more than one
// label above the host.
func (a Asked) beyond(name string) (is bool) {
	a.rules(func(said, _, _ map[string]any, host string) {
		is = is || said[prefix+name] != nil && a.at(host) && !a.under(host)
	})
	return is
}

// signsIn reports whether who is not known, by service or by password, is sent to a sign-in.
func (a Asked) signsIn() bool {
	return (!a.known() || a.has("auth-type") && a.User != "alice:secret") && (a.has("auth-signin") || a.Settings["global-auth-signin"] != "")
}

// canaried reports whether there are canaries.
func (a Asked) canaried() bool {
	return slices.ContainsFunc(a.Objects, func(m Manifest) bool {
		said, _ := m.meta()["annotations"].(map[string]any)
		return said[prefix+"canary"] == "true"
	})
}

// prefixed reports whether the path has an x-forwarded-prefix and is not rewritten.
func (a Asked) prefixed() bool {
	l := a.location()
	if l == nil || l.said[prefix+"x-forwarded-prefix"] == nil {
		return false
	}
	target, _ := l.said[prefix+"rewrite-target"].(string)
	return target == "" || target == l.path || !l.ruled
}

// pages reports whether the path has pages in place of statuses.
func (a Asked) pages() bool {
	l := a.location()
	return l != nil && l.said[prefix+"custom-http-errors"] != nil
}

// patterned reports whether the paths of the host are patterns.
func (a Asked) patterned() bool {
	_, is := a.locations()
	return is
}

// sticks reports whether the Service that the path leads to has sessions by what another
// Ingress says, at whichever host.
func (a Asked) sticks() bool {
	l := a.location()
	if l == nil || l.service == "" {
		return false
	}
	is := false
	a.rules(func(said, _, rule map[string]any, _ string) {
		paths, _ := rule["http"].(map[string]any)["paths"].([]any)
		for _, p := range paths {
			is = is || said[prefix+"affinity"] != nil && session(said) != session(l.said) && newLocation(p.(map[string]any), said).service == l.service
		}
	})
	return is
}

// keptEscape is what ingress-nginx writes with an escape in a path that it rewrites; all else it
// writes as it is.
var keptEscape = regexp.MustCompile(`%(?:[01][0-9A-F]|2[0235]|3[CEF]|5[CE]|60|7[B-DF]|[89A-F][0-9A-F])`)

// rewritesEscapes reports whether a path is rewritten that has an escape which ingress-nginx
// leaves out.
func (a Asked) rewritesEscapes() bool {
	path, _, _ := strings.Cut(a.Path, "?")
	return a.has("rewrite-target") && strings.Contains(keptEscape.ReplaceAllString(path, ""), "%")
}

// session is what annotations say of sessions by cookie.
func session(said map[string]any) (text string) {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if name == prefix+"affinity" || strings.HasPrefix(name, prefix+"session-cookie-") {
			text += fmt.Sprint(name, "=", said[name], " ")
		}
	}
	return text
}

// Copied reports whether a backend gets a copy of a request to another one, and only of that: none
// of what is asked in place of a status.
func (a Asked) Copied() bool {
	return a.mirrored() && a.Header["X-Echo-Status"] == "" && !a.none()
}

// mirrored reports whether somebody gets copies of the requests to the path.
func (a Asked) mirrored() bool {
	l := a.location()
	return l != nil && l.said[prefix+"mirror-target"] != nil
}

// rewritten reports whether the path may be another one for its Service.
func (a Asked) rewritten() bool {
	l := a.location()
	if l == nil {
		return false
	}
	snippet, _ := l.said[prefix+"configuration-snippet"].(string)
	return l.said[prefix+"rewrite-target"] != nil || strings.Contains(snippet+strings.Join(a.values("server-snippet"), ""), "rewrite ")
}

// plainly reports whether a copy has the path that the client wrote, and that needs no other
// spelling.
func (a Asked) plainly() bool {
	target, _ := a.location().said[prefix+"mirror-target"].(string)
	return strings.HasSuffix(target, "$request_uri") && !strings.HasSuffix(target, "/$request_uri") && !strings.Contains(a.Path, "//") && !strings.Contains(a.Path, "%2F")
}
