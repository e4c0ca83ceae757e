//go:build real

package nginx

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// location is one of nginx: a rule of a host, or what takes the paths that no rule has.
type location struct {
	path, kind, service string
	said                map[string]any // annotations of the Ingress that it is of
	ruled               bool
	// rest: it is of an Ingress without rules, which has / before rules without a host.
	rest bool
}

// locations are those of the host, as ingress-nginx makes them, and whether they are
// patterns. There are none if nobody has the host.
func (a Asked) locations() (list []*location, patterns bool) {
	a.each(func(said, spec, rule map[string]any) {
		if said[prefix+"canary"] == "true" {
			return
		}
		if len(list) == 0 {
			list = []*location{{path: "/", kind: "Prefix", said: said, service: leads(spec["defaultBackend"]), rest: spec["rules"] == nil}}
		}
		paths, _ := rule["http"].(map[string]any)["paths"].([]any)
		for _, p := range paths {
			list = with(list, newLocation(p.(map[string]any), said))
		}
	})
	for _, l := range list {
		patterns = patterns || l.patterns()
	}
	return list, patterns
}

func newLocation(p, said map[string]any) *location {
	l := &location{said: said, ruled: true}
	l.path, _ = p["path"].(string)
	if l.kind, _ = p["pathType"].(string); l.kind != "Exact" {
		l.kind = "Prefix"
	}
	l.service, l.path = leads(p["backend"]), cmp.Or(l.path, "/")
	return l
}

// leads is the Service of a backend.
func leads(backend any) string {
	b, _ := backend.(map[string]any)
	service, _ := b["service"].(map[string]any)
	name, _ := service["name"].(string)
	return name
}

// with are locations and one more, unless its path is taken: of those with the path the
// first one is looked at.
func with(list []*location, l *location) []*location {
	i := slices.IndexFunc(list, func(other *location) bool { return other.path == l.path })
	switch {
	case i < 0 || list[i].kind != l.kind:
		return append(list, l)
	case !list[i].ruled && !list[i].rest:
		list[i] = l
	}
	return list
}

// location is the one that takes the request in the end; nil if nobody has the host. A rewrite
// of the server, or one with last, has nginx look for it anew.
func (a Asked) location() *location {
	path := a.path()
	if snippets := a.values("server-snippet"); len(snippets) > 0 {
		path = moved(snippets[0], "(?:break|last)", path)
	}
	l := a.locationOf(path)
	for range 10 { // nginx gives up then, too
		if l == nil {
			return nil
		}
		snippet, _ := l.said[prefix+"configuration-snippet"].(string)
		next := moved(snippet, "last", path)
		if next == path {
			return l
		}
		path, l = next, a.locationOf(next)
	}
	return l
}

// moved is the path that rewrites of a snippet with one of some flags make of one.
func moved(snippet, flags, path string) string {
	for _, r := range regexp.MustCompile(`rewrite (\S+) (\S+) `+flags+`;`).FindAllStringSubmatch(snippet, -1) {
		if re := regexp.MustCompile(r[1]); re.MatchString(path) {
			to := regexp.MustCompile(`\$(\d)`).ReplaceAllString(r[2], "$${$1}") // as package regexp has groups
			return string(re.ExpandString(nil, to, path, re.FindStringSubmatchIndex(path)))
		}
	}
	return path
}

// locationOf is the location of a path.
func (a Asked) locationOf(path string) *location {
	list, patterns := a.locations()
	if patterns {
		slices.SortStableFunc(list, func(a, b *location) int {
			return cmp.Or(cmp.Compare(len(b.path), len(a.path)), strings.Compare(b.path, a.path))
		})
		for _, l := range list {
			if re, err := regexp.Compile("(?i)^" + l.pattern(list)); err == nil && re.MatchString(path) {
				return l
			}
		}
		return nil
	}
	var taken *location
	for _, l := range list {
		switch bare := strings.TrimSuffix(l.path, "/"); {
		case l.kind == "Exact" && path == l.path:
			return l
		case l.kind == "Exact", path != bare && !strings.HasPrefix(path, bare+"/"):
		case taken == nil || len(l.path) > len(taken.path):
			taken = l
		}
	}
	return taken
}

// pattern is that of a location, given all of its host. A prefix that only others make a
// pattern of has what is below it, if there is a location of type Exact beside it.
func (l *location) pattern(all []*location) string {
	if l.kind == "Exact" || l.path == "/" || l.patterns() || !slices.ContainsFunc(all, func(o *location) bool { return o.path == l.path && o.kind == "Exact" }) {
		return l.path
	}
	return strings.TrimSuffix(l.path, "/") + "/"
}

// patterns reports whether a location makes patterns of all of its host.
func (l *location) patterns() bool {
	target, _ := l.said[prefix+"rewrite-target"].(string)
	return l.said[prefix+"use-regex"] == "true" || target != "" && target != l.path
}
