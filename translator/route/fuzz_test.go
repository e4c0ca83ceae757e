package route_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
)

// seeds for draws: nothing, and bytes of different kinds.
var seeds = []string{"", "\x00", strings.Repeat("\xff", 400), strings.Repeat("\x80\x00\x20", 200), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}

// world is a class with fragments that a fuzzer draws.
func world(data []byte) (*worlds.Fragments, *route.Class, []*route.Fragment) {
	g := worlds.NewFragments(worlds.Draws(data))
	class := &route.Class{Name: worlds.Class, Settings: policy.Defaults(), CatchAll: route.NotFound(),
		Order: []route.Order{route.ByElement, route.ByText, route.BySpecificity}[g.IntN(3)]}
	class.Settings.ServeUnprotected = g.IntN(2) == 0
	owners := []map[string]string{{}, {"host-ownership": "shared"}, {"host-owners": "a.test=other+shop, *.a.test=*, *.test=shop"}, {"host-owners": "*=other", "host-ownership": "shared"}}[g.IntN(4)]
	overrides, _ := policy.OfClass(object.Ref{}, owners)
	class.Settings = class.Settings.With(overrides)
	var list []*route.Fragment
	for range 1 + g.IntN(6) {
		list = append(list, g.Fragment())
	}
	return g, class, list
}

// claims are those of fragments to a name, whatever their order.
func claims(name string, list []*route.Fragment) route.Claims {
	of := route.Claims{Host: name}
	for _, f := range list {
		if (f.Host(name) != nil || name == route.Any && f.CatchAll != nil) && !f.Withheld {
			of.Fragments = append(of.Fragments, f)
		}
	}
	slices.SortStableFunc(of.Fragments, route.Older)
	return of
}

// tenure says whose a name is.
func tenure(name string, class *route.Class, list []*route.Fragment) route.Tenure {
	var above route.Claims
	if wildcard, ok := route.Wildcard(name); ok {
		above = claims(wildcard, list)
	}
	return class.Tenure(claims(name, list), above)
}

// merged is a host of fragments as translation makes it, whatever their order.
func merged(host string, class *route.Class, list []*route.Fragment) (*route.VirtualHost, []finding.Finding) {
	in := route.Input{Class: class, Own: tenure(host, class, list), Any: tenure(route.Any, class, list)}
	if wildcard, ok := route.Wildcard(host); ok {
		in.Wildcard = tenure(wildcard, class, list)
	}
	all := slices.SortedStableFunc(slices.Values(list), route.Older)
	for i, f := range all {
		all[i] = f.Resolved(func(name string) route.Tenure { return tenure(name, class, list) })
	}
	in.Canaries = class.Canaries(all)
	return route.Merge(host, in)
}

// FuzzMerge: the order in which fragments come has no influence; rules are tried in
// the order of the host; each one is served, or its owner is told why not. Nobody but the
// owner of the host decides what concerns all of it.
func FuzzMerge(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, class, list := world(data)
		for _, host := range worlds.Hosts {
			worlds.Shuffle(g, list)
			vh, found := merged(host, class, list)
			worlds.Shuffle(g, list)
			if again, foundAgain := merged(host, class, list); !reflect.DeepEqual(vh, again) || !reflect.DeepEqual(found, foundAgain) {
				t.Fatalf("%s: the order of fragments matters:\n%+v %v\n%+v %v", host, vh, found, again, foundAgain)
			}
			of := tenure(host, class, list)
			checkOwned(t, host, class, of, found, list)
			if vh != nil {
				checkServed(t, vh, found, of)
				checkSorted(t, vh, class, of)
				checkGuarded(t, vh, class, of)
			}
			if alone, ok := alone(host, of, list); ok {
				checkAlone(t, host, class, alone, list)
			}
		}
	})
}

// checkServed: each rule is a route, or a finding at its field.
func checkServed(t *testing.T, vh *route.VirtualHost, found []finding.Finding, of route.Tenure) {
	t.Helper()
	regex := isRegex(vh, of)
	for _, f := range of.Served {
		h := f.Host(vh.Host)
		if h == nil {
			continue
		}
		for _, r := range h.Rules {
			served := slices.ContainsFunc(vh.Routes, func(s route.Route) bool {
				return s.Name == r.Name && (regex || reflect.DeepEqual(s.Match, r.Match)) && !s.Plain
			})
			told := slices.ContainsFunc(found, func(p finding.Finding) bool {
				return p.Object == f.Origin.Object && p.Field == r.Field && (p.Code == finding.PathTaken || p.Code == finding.PathTwice || regex && p.Code == finding.BadPath)
			})
			if served == told {
				t.Errorf("%s %+v: served %t, told %t", r.Name, r.Match, served, told)
			}
		}
	}
}

// checkSorted: rules of the host itself are in its order; what BySpecificity leaves
// open is in the order of the owners. The last route takes what is left.
func checkSorted(t *testing.T, vh *route.VirtualHost, class *route.Class, of route.Tenure) {
	t.Helper()
	order := orderOf(vh, class, of)
	age := map[object.Ref]*route.Fragment{}
	for _, f := range of.Served {
		age[f.Origin.Object] = f
	}
	var rules []route.Route
	for _, r := range vh.Routes[:len(vh.Routes)-1] {
		if r.Deeper == "" && !r.Plain && !isGuard(r) && !byCanary(r) && !isMeasure(r) {
			rules = append(rules, r)
		}
	}
	for i := range max(len(rules), 1) - 1 {
		a, b := rules[i], rules[i+1]
		if order.Compare(a.Match, b.Match) > 0 && (order != route.BySpecificity || moreSpecific(b.Match, a.Match) || route.Older(age[a.From], age[b.From]) > 0) {
			t.Errorf("%s: %+v before %+v", vh.Host, a.Match, b.Match)
		}
	}
	if last := vh.Routes[len(vh.Routes)-1]; !reflect.DeepEqual(last.Match, route.Match{Path: "/"}) || last.Plain {
		t.Errorf("%s: the last route does not take what is left: %+v", vh.Host, last)
	}
}

// orderOf is the order of a host.
func orderOf(vh *route.VirtualHost, class *route.Class, of route.Tenure) route.Order {
	order := class.Order
	if isRegex(vh, of) {
		order = max(order, route.ByText)
	}
	for _, f := range of.Served {
		if f.Host(vh.Host) != nil && of.Owns(f) {
			order = max(order, f.Order)
		}
	}
	return order
}

// byCanary reports whether a route is there because a canary decides.
func byCanary(r route.Route) bool {
	return strings.Contains(r.Name, " by header ") || strings.Contains(r.Name, " by cookie ")
}

// isRegex reports whether the paths of a host are patterns.
func isRegex(vh *route.VirtualHost, of route.Tenure) bool {
	return slices.ContainsFunc(of.Served, func(f *route.Fragment) bool {
		h := f.Host(vh.Host)
		return h != nil && of.Owns(f) && h.Server.Regex
	})
}

// isMeasure reports whether a route is there because measures or places ask for it.
func isMeasure(r route.Route) bool {
	return strings.HasSuffix(r.Name, " if") || strings.HasSuffix(r.Name, " rewritten") || strings.Contains(r.Name, " location ") || strings.Contains(r.Name, " if to ")
}

// isGuard reports whether a route closes a place.
func isGuard(r route.Route) bool { return strings.Contains(r.Name, " closed ") }

// checkGuarded: what a fragment guards is closed, unless the class serves it. Before
// a guard stand only rules that the order prefers.
func checkGuarded(t *testing.T, vh *route.VirtualHost, class *route.Class, of route.Tenure) {
	t.Helper()
	order := orderOf(vh, class, of)
	for _, f := range of.Served {
		whole := (len(f.Guards) > 0 || f.Host(vh.Host) != nil && len(f.Host(vh.Host).Server.Guards) > 0) && !of.Owns(f) || slices.ContainsFunc(f.Guards, func(g route.Guard) bool { return g.Match.Path == "" }) || reached(vh.Host, f, of)
		for _, r := range vh.Routes {
			if r.From == f.Origin.Object && r.Deeper == "" && whole && !class.Settings.ServeUnprotected && r.Status != 503 {
				t.Errorf("%s is open", r.Name)
			}
		}
		for _, g := range f.Guards {
			if whole || f.Host(vh.Host) == nil || class.Settings.ServeUnprotected {
				continue
			}
			i := slices.IndexFunc(vh.Routes, func(r route.Route) bool {
				m := g.Match
				m.Kind, m.Path = r.Match.Kind, r.Match.Path // which are another pattern, perhaps
				return r.Name == f.Origin.Object.Key()+" closed "+g.Match.Path && r.Deeper == "" && reflect.DeepEqual(r.Match, m) && r.Status == 503
			})
			if i < 0 {
				t.Fatalf("%s: %+v is open", vh.Host, g.Match)
			}
			for _, r := range vh.Routes[:i] {
				if g := vh.Routes[i]; r.Deeper == "" && !r.Plain && !isGuard(r) && !byCanary(r) && !isMeasure(r) &&
					(order.Compare(r.Match, g.Match) >= 0 || order == route.BySpecificity && !moreSpecific(r.Match, g.Match)) {
					t.Errorf("%s: %+v is before the guard of %+v", vh.Host, r.Match, g.Match)
				}
			}
		}
	}
}

// reached reports whether a guard of another fragment with the same host closes all of f.
func reached(host string, f *route.Fragment, of route.Tenure) bool {
	return slices.ContainsFunc(of.Served, func(other *route.Fragment) bool {
		return other.Host(host) != nil && f.Host(host) != nil && !other.Withheld && slices.ContainsFunc(other.Guards, func(g route.Guard) bool {
			near := other.Origin.Object.Namespace == f.Origin.Object.Namespace
			return g.Match.Path == "" && (g.Reach == route.OfHost && of.Owns(other) || g.Reach != route.OfObject && near)
		})
	})
}

// moreSpecific is the rule of Gateway API, told anew.
func moreSpecific(a, b route.Match) bool {
	rank := func(m route.Match) []int {
		exact, path, method := 0, len(m.Path), 0
		if m.Kind == route.Exact {
			exact = 1
		}
		if m.Kind == route.Prefix {
			path = len(strings.TrimRight(m.Path, "/"))
		}
		if m.Method != "" {
			method = 1
		}
		return []int{exact, path, method, len(m.Headers), len(m.Query)}
	}
	return slices.Compare(rank(a), rank(b)) > 0
}

// FuzzDecide: the first route that takes a request decides, as a reading of each
// match as one pattern says; each of the others says why it does not.
func FuzzDecide(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, class, list := world(data)
		r := g.Request(list)
		host, ok := route.FindHost(r.Host, func(name string) bool { vh, _ := merged(name, class, list); return vh != nil })
		if !ok {
			t.Fatalf("%q: nobody takes it, not even %s", r.Host, route.Any)
		}
		vh, _ := merged(host, class, list)
		d := route.Decide(vh, r)
		i := slices.IndexFunc(vh.Routes, func(s route.Route) bool { return takes(s, r) })
		if (d.Route == nil) != (i < 0) || i >= 0 && d.Route != &vh.Routes[i] {
			t.Fatalf("%+v: route %d of %+v, but Decide says %+v", r, i, vh.Routes, d.Route)
		}
		lost := len(vh.Routes)
		if d.Route != nil {
			lost--
		}
		if len(d.Lost) != lost || slices.ContainsFunc(d.Lost, func(l route.Loss) bool { return l.Why == "" }) || len(d.Allowed) == 0 {
			t.Errorf("%d routes, but %q and %+v", len(vh.Routes), d.Lost, d.Allowed)
		}
		checkMeasured(t, vh.Host, d.Route, r, tenure(host, class, list))
	})
}

// checkMeasured: a request that goes to a target is one that neither the object of the route nor
// an owner of the host refuses by a condition, and its path is rewritten by the first pattern of
// the object that it has.
func checkMeasured(t *testing.T, host string, taken *route.Route, r route.Request, of route.Tenure) {
	t.Helper()
	if taken == nil || len(taken.Targets) == 0 || taken.Deeper != "" {
		return
	}
	for _, f := range of.Served {
		own, at := f.Origin.Object == taken.From, f.Host(host)
		solver := strings.HasPrefix(r.Path, route.ACME)
		if own && refused(f.Measures, r) || at != nil && of.Owns(f) && refused(at.Server.Measures, r) && !solver {
			t.Errorf("%s: %s takes %+v, which %s refuses", host, taken.Name, r, f.Origin.Object)
		}
		if !own || f.Measures == nil {
			continue
		}
		path, _, _ := strings.Cut(r.Path, "?")
		i := slices.IndexFunc(f.Measures.Rewrites, func(w route.Rewrite) bool { return regexp.MustCompile(w.Pattern).MatchString(path) })
		if (i >= 0) != (taken.Rewrite != nil) || i >= 0 && *taken.Rewrite != f.Measures.Rewrites[i] {
			t.Errorf("%s: %s takes %s, rewritten by %+v of %+v", host, taken.Name, path, taken.Rewrite, f.Measures.Rewrites)
		}
	}
}

// refused reports whether the first condition that a request meets refuses it.
func refused(m *route.Measures, r route.Request) bool {
	if m == nil {
		return false
	}
	for _, c := range m.Before {
		if c.Match.Path == "" {
			c.Match.Path = "/"
		}
		if takes(route.Route{Match: c.Match}, r) {
			return c.Action.Redirect == nil && c.Action.Status >= 400
		}
	}
	return false
}

// takes tells anew what a route takes: as patterns over the texts of a request.
func takes(s route.Route, r route.Request) bool {
	path := regexp.MustCompile(`[?].*`).ReplaceAllString(r.Path, "")
	authority := regexp.MustCompile(`\.(:[0-9]*)?$`).ReplaceAllString(r.Host, "$1")
	pattern := "^" + regexp.QuoteMeta(s.Match.Path) + "$"
	switch s.Match.Kind {
	case route.Prefix:
		pattern = "^" + regexp.QuoteMeta(strings.TrimRight(s.Match.Path, "/")) + "(/.*)?$"
	case route.Regex:
		pattern = "^(" + s.Match.Path + ")$"
	}
	ok := regexp.MustCompile(pattern).MatchString(path) && (s.Match.Method == "" || s.Match.Method == r.Method)
	if s.Plain {
		ok = ok && r.Proto == "http" && !regexp.MustCompile("^"+regexp.QuoteMeta(route.ACME)).MatchString(r.Path)
	}
	if s.Deeper != "" {
		ok = ok && !regexp.MustCompile(`(?i)^[^.]+`+regexp.QuoteMeta(s.Deeper[1:])+`(:[0-9]+)?$`).MatchString(authority)
	}
	for _, h := range s.Match.Headers {
		texts := map[string][]string{"host": {authority}, ":path": {r.Path}, ":method": {r.Method}}[h.Name]
		if texts = append(texts, r.Headers.Values(h.Name)...); (h.Not || h.Absent) && len(texts) == 0 {
			texts = []string{""}
		}
		ok = ok && h.Not != slices.ContainsFunc(texts, func(text string) bool { return valueTaken(h, text) })
	}
	for _, q := range s.Match.Query {
		found := regexp.MustCompile(`[?&]` + q.Name + `(=[^&]*|&|$)`).FindString(r.Path)
		ok = ok && found != "" && valueTaken(q, strings.Trim(regexp.MustCompile(`^[^=]*=?`).ReplaceAllString(found, ""), "&"))
	}
	return ok
}

func valueTaken(v route.ValueMatch, text string) bool {
	if v.Regex {
		return regexp.MustCompile("^(" + v.Value + ")$").MatchString(text)
	}
	return v.Value == text
}
