//go:build real

package nginx

import (
	"slices"
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
// request, or a wildcard above it, in their rules or aliases, and with the rule.
func (a Asked) each(do func(said, spec, rule map[string]any)) {
	for _, m := range a.Objects {
		if m["kind"] != "Ingress" {
			continue
		}
		said, _ := m.meta()["annotations"].(map[string]any)
		spec := m["spec"].(map[string]any)
		rules, _ := spec["rules"].([]any)
		for _, r := range rules {
			rule := r.(map[string]any)
			host, _ := rule["host"].(string)
			alias, _ := said[prefix+"server-alias"].(string)
			if a.at(host) && (a.named(host) || !a.exact()) || a.www() && a.named("www."+host) || alias != "" && a.at(strings.Split(alias, ",")...) {
				do(said, spec, rule)
			}
		}
	}
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

// at reports whether the request is to one of these hosts.
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

// together reports whether one Ingress of the host has one of some annotations, and one of
// others.
func (a Asked) together(some []string, others ...string) (is bool) {
	a.each(func(said, _, _ map[string]any) {
		of := func(name string) bool { return said[prefix+name] != nil }
		is = is || slices.ContainsFunc(some, of) && slices.ContainsFunc(others, of)
	})
	return is
}

// path is what rules are compared with.
func (a Asked) path() string {
	path, _, _ := strings.Cut(a.Path, "?")
	return strings.NewReplacer("%2F", "/", "//", "/").Replace(path)
}

func (a Asked) www() bool { return strings.HasPrefix(strings.ToLower(a.Host), "www.") }

// deep reports whether a wildcard of example.test does not cover the host.
func (a Asked) deep() bool { return strings.Count(a.Host, ".") > 2 }

// snipped reports whether a location of a server-snippet answers.
func (a Asked) snipped() bool {
	for _, text := range a.values("server-snippet") {
		for _, place := range []string{"/blocked", "/metrics", "/-/reload"} {
			if strings.Contains(text, place) && strings.HasPrefix(a.path(), place) {
				return true
			}
		}
	}
	return false
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

// lendsTLS reports whether an Ingress of the host has a TLS section, and none names it.
func (a Asked) lendsTLS() bool { return a.tlsAnywhere() && !a.tls() }

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

// rules calls with path, type and Service of each rule of the host.
func (a Asked) rules(do func(path, kind, service string, said map[string]any)) {
	a.each(func(said, _, rule map[string]any) {
		paths, _ := rule["http"].(map[string]any)["paths"].([]any)
		for _, p := range paths {
			p := p.(map[string]any)
			path, _ := p["path"].(string)
			kind, _ := p["pathType"].(string)
			service, _ := p["backend"].(map[string]any)["service"].(map[string]any)
			name, _ := service["name"].(string)
			do(path, kind, name, said)
		}
	})
}

// unruled reports whether no rule of the host has the path, as far as that can be said
// without its regular expressions.
func (a Asked) unruled() bool {
	is := true
	a.rules(func(path, kind, _ string, _ map[string]any) {
		below := strings.HasPrefix(a.path(), strings.TrimSuffix(path, "/")+"/")
		if a.path() == path || kind != "Exact" && below {
			is = false
		}
	})
	return is
}

// none reports whether the longest rule of the host that the path begins with leads to a
// Service that has no endpoint.
func (a Asked) none() (is bool) {
	longest := -1
	a.rules(func(path, _, service string, _ map[string]any) {
		if len(path) > longest && strings.HasPrefix(strings.ToLower(a.path()), strings.ToLower(strings.TrimSuffix(path, "/"))) {
			longest, is = len(path), a.endpoints(service) == 0
		}
	})
	return is
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

// canaryOfNone reports whether the path leads to a Service without endpoints, and there
// are canaries, which act on all paths that lead to it.
func (a Asked) canaryOfNone() bool {
	canaries := false
	for _, m := range a.Objects {
		said, _ := m.meta()["annotations"].(map[string]any)
		_, byHeader := said[prefix+"canary-by-header"]
		_, byCookie := said[prefix+"canary-by-cookie"]
		canaries = canaries || said[prefix+"canary-weight"] == "100" || byHeader && a.Header["X-Canary"] != "" || byCookie && a.Header["Cookie"] != ""
	}
	return canaries && a.none()
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

// noRoot reports whether the host is in regex mode, and has the path / of type Exact only.
func (a Asked) noRoot() bool {
	exact, prefix, pattern := false, false, a.has("use-regex", "rewrite-target")
	a.rules(func(path, kind, _ string, _ map[string]any) {
		exact = exact || path == "/" && kind == "Exact"
		prefix = prefix || path == "/" && kind != "Exact"
	})
	return pattern && exact && !prefix
}
