//go:build real

package decide

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"legation.dev/inspect"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
)

var (
	requests = flag.Int("requests", 1000, "how many requests to compare")
	seed     = flag.Uint64("seed", 1, "of the worlds")
)

const (
	inWorld       = 25               // requests, before the next suite
	askers        = 2                // at a time: one for each core of a small machine
	settleTimeout = 30 * time.Second // for an Envoy that never takes a suite
	enough        = 10               // differences; the others would say the same
	many          = 20000            // requests, among which there are some of each kind, however rare
)

// TestDecide: of each request, Envoy takes the route that Decide names, and does what
// Decide allows.
func TestDecide(t *testing.T) {
	for i, c := range []struct {
		name     string
		settings map[string]string
	}{
		{"own ports", nil},
		{"port 443, unprotected, shared hosts", map[string]string{"external-https-port": "443", "serve-unprotected": "true", "host-ownership": "shared"}},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, newSuite(t, c.settings), rand.NewPCG(*seed, uint64(i)), *requests/2) })
	}
}

// compare draws worlds and asks each. What was compared is logged, so that a run
// whose draws miss a feature is seen.
func compare(t *testing.T, w *suite, src rand.Source, n int) {
	g := worlds.NewFragments(src)
	seen := tally{}
	for i := range max(n/inWorld, 1) {
		var list []input.Change
		for range 2 + g.IntN(5) {
			list = append(list, worlds.Carry(g.Fragment()))
		}
		if i%4 == 3 {
			list = ingresses(src.Uint64())
		}
		w.serve(t, list)
		if w.ask(t, g, seen); t.Failed() {
			t.Fatalf("in suite %d of -seed %d", i, *seed)
		}
	}
	for _, what := range []string{"to https", "redirect", "mirrored", "side", "cluster", "one of clusters", "status", "deeper", "by method", "by header", "by query", "regex", "exact"} {
		if seen[what] == 0 {
			t.Errorf("no request came to: %s", what)
		}
	}
	for _, what := range []string{"by canary", "canary by weight", "guard"} {
		if closes := !w.class.Settings.ServeUnprotected; seen[what] == 0 && n >= many && (closes || what != "guard") {
			t.Errorf("no request came to: %s", what)
		}
	}
	t.Logf("%d requests: %v", seen["all"], seen)
}

// ask draws requests and compares the answers, a few at a time.
func (w *suite) ask(t *testing.T, g *worlds.Fragments, seen tally) {
	t.Helper()
	list := make(chan route.Request, inWorld)
	for range inWorld {
		list <- g.Request(w.fragments)
	}
	close(list)
	var mu sync.Mutex // guards seen, failed and due
	failed, due := 0, 0
	var group sync.WaitGroup
	for range askers {
		c := dial(t, w)
		group.Go(func() {
			defer c.close()
			for r := range list {
				what, err := w.compare(c, r)
				mu.Lock()
				seen.add(what)
				due += arrivals(what)
				if err != nil && failed < enough {
					failed++
					t.Errorf("%s %s %s%s %v: %v", r.Method, r.Proto, r.Host, r.Path, r.Headers, err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	w.arrive(t, due)
}

// arrivals are how often backends are called for a request: by Decide's word.
func arrivals(d route.Decision) int {
	if d.Route == nil || len(d.Route.Targets) == 0 {
		return 0
	}
	return 1 + len(d.Route.Calls)
}

// arrive waits until backends were called so often: mirrors are, too.
func (w *suite) arrive(t *testing.T, due int) {
	t.Helper()
	timeout := time.After(settleTimeout)
	for i := range due {
		select {
		case <-w.arrived:
		case <-timeout:
			t.Fatalf("%d requests arrived, want %d", i, due)
		}
	}
	if len(w.arrived) > 0 {
		t.Errorf("%d requests too many arrived", len(w.arrived))
	}
}

// compare asks both for one request.
func (w *suite) compare(c *client, r route.Request) (route.Decision, error) {
	host, ok := route.FindHost(r.Host, func(name string) bool { return w.hosts[name] != nil })
	if !ok {
		return route.Decision{}, fmt.Errorf("no virtual host")
	}
	d := route.Decide(w.hosts[host], r)
	answer, err := c.ask(r)
	if err != nil {
		return d, err
	}
	if d.Route == nil || answer.Header.Get(routeHeader) != d.Route.Name || !slices.Contains(d.Allowed, outcome(answer)) || !sided(d.Route, answer) {
		return d, fmt.Errorf("%s: Envoy: %d, %v\nDecide allows %+v\n%s", host, answer.StatusCode, answer.Header, d.Allowed, reasons(w.hosts[host], d))
	}
	return d, w.why(r, answer)
}

// why compares what `legation why` says of a request with what came.
func (w *suite) why(r route.Request, answer *http.Response) error {
	at, err := (&url.URL{Scheme: r.Proto, Host: r.Host}).Parse(r.Path)
	if err != nil {
		return fmt.Errorf("nobody can ask why: %w", err)
	}
	list := inspect.Asks(w.made, inspect.Question{Method: r.Method, URL: at, Headers: r.Headers}, inprocess.Class, time.Now())
	if len(list) != 1 {
		return fmt.Errorf("legation why has %d answers", len(list))
	}
	came := outcome(answer)
	if !slices.ContainsFunc(list[0].Answers, func(a inspect.Answer) bool {
		return a.Status == came.Status && a.Location == came.Location && a.Cluster == came.Cluster && (a.Cluster == "" || len(a.Endpoints) > 0)
	}) {
		return fmt.Errorf("Envoy: %+v\nlegation why %s allows %+v, by %s of %s", came, at, list[0].Answers, list[0].Rule, list[0].Object)
	}
	return nil
}

// reasons tells of each route why it is not taken, or that it is.
func reasons(vh *route.VirtualHost, d route.Decision) (text string) {
	lost := d.Lost
	for i := range vh.Routes {
		why := "taken"
		if r := &vh.Routes[i]; r != d.Route {
			why, lost = lost[0].Why, lost[1:]
		}
		text += fmt.Sprintf("%q %+v: %s\n", vh.Routes[i].Name, vh.Routes[i].Match, why)
	}
	return text
}

// sided reports whether an answer has the header that one of the targets with its
// cluster sets.
func sided(r *route.Route, answer *http.Response) bool {
	value := answer.Header.Get(worlds.SideHeader)
	return len(r.Targets) == 0 && value == "" || slices.ContainsFunc(r.Targets, func(t route.Target) bool {
		return t.Backend.Cluster() == answer.Header.Get(clusterHeader) && (t.Headers == nil && value == "" ||
			t.Headers != nil && value == t.Headers.Response.Set[0].Value)
	})
}

// outcome is what happened. All backends answer 200.
func outcome(r *http.Response) route.Outcome {
	if cluster := r.Header.Get(clusterHeader); cluster != "" && r.StatusCode == http.StatusOK {
		return route.Outcome{Cluster: cluster}
	}
	return route.Outcome{Status: uint32(r.StatusCode), Location: r.Header.Get("Location")}
}

// tally counts decisions of each kind.
type tally map[string]int

func (n tally) add(d route.Decision) {
	n["all"]++
	if d.Route == nil {
		return
	}
	m := d.Route.Match
	for what, is := range map[string]bool{
		"to https": d.Route.Plain, "redirect": d.Route.Redirect != nil && !d.Route.Plain,
		"mirrored": len(d.Route.Calls) > 0, "side": len(d.Route.Targets) > 0 && d.Route.Targets[0].Headers != nil, "by canary": strings.Contains(d.Route.Name, "canary by "),
		"canary by weight": len(d.Allowed) == 2 && d.Route.Targets[0].Weight+d.Route.Targets[1].Weight == 100, "guard": strings.Contains(d.Route.Name, " closed "), "cluster": len(d.Allowed) == 1 && d.Allowed[0].Cluster != "", "one of clusters": len(d.Allowed) > 1,
		"status": d.Allowed[0].Status != 0 && d.Route.Redirect == nil, "deeper": d.Route.Deeper != "", "by method": m.Method != "",
		"by header": len(m.Headers) > 0, "by query": len(m.Query) > 0, "regex": m.Kind == route.Regex, "exact": m.Kind == route.Exact,
	} {
		if is {
			n[what]++
		}
	}
}

// String lists the counts in order of their names.
func (n tally) String() (text string) {
	for _, what := range slices.Sorted(maps.Keys(n)) {
		text += what + " " + strconv.Itoa(n[what]) + ", "
	}
	return text
}
