package route_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// moving is a host whose rule /a moves its requests, or all of them do if the server says so.
func moving(move *route.Move, regex, server bool) (*route.VirtualHost, []finding.Finding) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	from := fragment(object.KindIngress, "from", 0, route.ByElement, route.Match{Path: "/a"})
	others := fragment(object.KindIngress, "others", 1, route.ByElement, route.Match{Path: "/"}, route.Match{Path: "/b"}, route.Match{Path: "/b/c"},
		route.Match{Kind: route.Exact, Path: "/b/d"}, route.Match{Path: "/bc"}, route.Match{Kind: route.Exact, Path: "/e"})
	for _, f := range []*route.Fragment{from, others} {
		for i := range f.Hosts[0].Rules {
			rule := &f.Hosts[0].Rules[i]
			rule.Action = route.Action{Targets: []route.Target{{Backend: route.Backend{Namespace: "shop", Service: fmt.Sprint(f.Origin.Object.Name, i), Port: "80"}}}}
		}
	}
	others.Hosts[0].Server.Regex = regex
	denied := route.Action{Status: http.StatusForbidden}
	from.Hosts[0].Server.Places = []route.Place{{First: true, Match: route.Match{Kind: route.Exact, Path: "/a/y"}, Action: denied},
		{First: true, Match: route.Match{Kind: route.Regex, Path: "(?s:.*)(?:^/bx?/c)(?s:.*)"}, Action: denied}, {Match: route.Match{Kind: route.Regex, Path: "/b/cd(?s:.*)"}, Literal: "/b/cd", Action: denied}}
	if move != nil {
		when := route.Match{Kind: route.Regex, Path: "(?s:.*)(?:" + move.Pattern + ")(?s:.*)"}
		if server {
			from.Hosts[0].Server.Places = append(from.Hosts[0].Server.Places, route.Place{First: true, Once: true, Match: when, Action: route.Action{Move: move}})
		} else {
			from.Measures = &route.Measures{Before: []route.Conditional{{Match: when, Action: route.Action{Move: move}}}}
		}
	}
	return route.Merge("a.test", route.Input{Class: class, Own: owned(from, others)})
}

// TestMoves: who takes a path that has become another one is who would take that, asked anew, or
// it is closed and said.
func TestMoves(t *testing.T) {
	moves := []route.Rewrite{{`^/a/(.*)$`, `/\1`}, {`^/a/(.*)$`, `/b/\1`}, {`^/a/(.*)$`, `/new/\1`}, {`^/a(.*)`, `/b\1`}, {`^/a(/|$)(.*)`, `/\2`}, {`^/a(/|$)(.*)$`, `/b/\2`}, {`^/a/?(.*)$`, `/\1`},
		{`^/a/x$`, `/b/c/x`}, {`/x`, `/b/d`}, {`/x`, `/a/y`}, {`^/a/([a-z]+)/y$`, `/\1`}, {`^/a/([a-z]+)/y$`, `/b/\1/z`}, {`(?i)^/A/(.*)`, `/b/c/\1`}, {`^/a.*/(.*)$`, `/\1`}, {`^/e$`, `/b`},
		{`^/a(/.*)?$`, `/bc\1`}, {`^/a/(x|y)$`, `/new/\1`}, {`^/(a)/(b|e)$`, `/x\1/\2`}, {`^/a/(b|x)(/y)?`, `/b/c/\1\2`}, {`^/a/([^/]*)$`, `/b/c/\1/x`}, {`^/a/(b?)`, `/\1e`}, {`^/a(/[a-z]+)*$`, `/b\1`}}
	paths := []string{"/", "/a", "/a/", "/a/x", "/a/x/y", "/a/b", "/a/bc", "/a/b/c", "/a/b/d", "/a/b/cd", "/ab", "/a/a", "/a/a/x", "/a/bx/b/c", "/a/e", "/b", "/b/d", "/e", "/a/c", "/a/c/x", "/A/x", "/a/d", "/x", "/a/b%2Fc"}
	for i, regex := range []bool{false, false, true} {
		server := i == 1
		before, _ := moving(nil, regex, false)
		closed, taken := 0, 0
		for _, rewrite := range moves {
			move := &route.Move{Rewrite: rewrite, Field: "snippet", Text: "rewrite"}
			vh, found := moving(move, regex, server)
			shut := false
			for _, path := range paths {
				want := once(before, rewrite, path, server)
				got := route.Decide(vh, route.Request{Host: "a.test", Path: path}).Route
				if got.Status == http.StatusServiceUnavailable && want.moved {
					closed, shut = closed+1, true
					continue
				}
				name := got.Name[strings.LastIndex(got.Name, " to ")+1:]
				if name = strings.TrimPrefix(name, "to "); want.again || name != want.name {
					t.Errorf("patterns %t, server %t, %+v: %s is taken by %q, want %+v", regex, server, rewrite, path, got.Name, want)
				}
				if want.moved && len(got.Targets) > 0 {
					taken++
					if to := (route.Route{Planned: got.Planned}).Rewrite.Path(path); to != want.path {
						t.Errorf("%+v: %s becomes %s, want %s", rewrite, path, to, want.path)
					}
				}
			}
			told := false
			for _, f := range found {
				told = told || f.Code == finding.RewriteClosed
			}
			if shut && !told {
				t.Errorf("%+v: closed, and told nobody", rewrite)
			}
		}
		t.Logf("patterns %t, server %t: %d taken, %d closed", regex, server, taken, closed)
		if taken < 2*closed && !regex {
			t.Errorf("patterns %t, server %t: %d taken, %d closed", regex, server, taken, closed)
		}
	}
}

// answer is who takes a path.
type answer struct {
	moved, again bool // again: it would be moved a second time
	path, name   string
}

// once asks as nginx does: whoever has the path, and who has the new one. What a server says is
// said once.
func once(vh *route.VirtualHost, rewrite route.Rewrite, path string, server bool) answer {
	has := func(path string) (string, bool) {
		taken := route.Decide(vh, route.Request{Host: "a.test", Path: path}).Route.Name
		when := route.Route{Match: route.Match{Kind: route.Regex, Path: "(?s:.*)(?:" + rewrite.Pattern + ")(?s:.*)"}}
		matches := route.Decide(&route.VirtualHost{Routes: []route.Route{when}}, route.Request{Path: path}).Route != nil
		return taken, matches && (server || strings.HasPrefix(taken, "from"))
	}
	taken, moves := has(path)
	if !moves {
		return answer{name: taken, path: path}
	}
	path = rewrite.Path(path)
	taken, again := has(path)
	return answer{moved: true, again: again && !server, name: taken, path: path}
}

// TestMovesAreBounded: each rule may lead to each other one, and what a host has for that is bounded:
// beyond it is closed.
func TestMovesAreBounded(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	const rules = 400
	var matches []route.Match
	for i := range rules {
		matches = append(matches, route.Match{Path: fmt.Sprint("/a/", i)})
	}
	f := fragment(object.KindIngress, "from", 0, route.ByElement, matches...)
	for i := range f.Hosts[0].Rules {
		f.Hosts[0].Rules[i].Action = route.Action{Status: http.StatusOK}
	}
	move := &route.Move{Rewrite: route.Rewrite{Pattern: "/z", To: "/b"}, Field: "snippet", Text: "rewrite"}
	f.Measures = &route.Measures{Before: []route.Conditional{{Match: route.Match{Kind: route.Regex, Path: "(?s:.*)(?:/z)(?s:.*)"}, Action: route.Action{Move: move}}}}
	vh, found := route.Merge("a.test", route.Input{Class: class, Own: owned(f)})
	statuses := map[uint32]int{}
	for _, r := range vh.Routes {
		if strings.Contains(r.Name, " if") {
			statuses[r.Status]++
		}
	}
	if statuses[http.StatusNotFound] != 256 || statuses[http.StatusServiceUnavailable] != rules-256 {
		t.Errorf("answers of paths that become others are %v", statuses)
	}
	if len(found) == 0 || found[0].Code != finding.RewriteClosed || !strings.Contains(fmt.Sprint(found), "more than 256 routes") {
		t.Errorf("found %v", found)
	}
}
