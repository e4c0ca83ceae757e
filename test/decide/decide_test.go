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
		{"access by the class", map[string]string{"allowed-addresses": "127.0.0.0/30", "denied-addresses": "127.0.0.3", "max-request-body": "1Ki", "requests-per-second": "1000", "global-auth-url": "SERVICE"}},
		{"compatible", map[string]string{"compatibility": "ingress-nginx"}},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, newSuite(t, c.settings), rand.NewPCG(*seed, uint64(i)), *requests/3) })
	}
}

// compare draws worlds and asks each. What was compared is logged, so that a run
// whose draws miss a feature is seen.
func compare(t *testing.T, w *suite, src rand.Source, n int) {
	g := worlds.NewFragments(src)
	g.Groups = groups(w.access.service)
	seen := tally{}
	for i := range max(n/inWorld, 1) {
		var list []input.Change
		for range 2 + g.IntN(5) {
			f := g.Fragment()
			asksForCertificates(g, f)
			list = append(list, worlds.Carry(f))
		}
		if i%4 == 3 {
			list = ingresses(src.Uint64(), g)
		}
		w.serve(t, list)
		if w.ask(t, g, seen); t.Failed() {
			t.Fatalf("in suite %d of -seed %d", i, *seed)
		}
	}
	for _, what := range []string{"to https", "redirect", "cluster", "one of clusters", "status", "deeper", "by method", "by header", "by query", "regex", "exact",
		"refused by address", "refused by client certificate", "condition", "place"} {
		if seen[what] == 0 {
			t.Errorf("no request came to: %s", what)
		}
	}
	for _, what := range []string{"by canary", "canary by weight", "guard", "mirrored", "preflight", "refused by authorization", "refused by body", "refused by password", "refused by password or authorization", "refused by rate", "rewritten", "said", "side", "text"} {
		if closes := !w.class.Settings.ServeUnprotected; seen[what] == 0 && n >= many && (closes || what != "guard") {
			t.Errorf("no request came to: %s", what)
		}
	}
	t.Logf("%d requests: %v", seen["all"], seen)
}

// ask draws requests and compares the answers, a few at a time.
func (w *suite) ask(t *testing.T, g *worlds.Fragments, seen tally) {
	t.Helper()
	list := make(chan request, inWorld)
	for range inWorld {
		list <- asked(g, g.Request(w.fragments))
	}
	close(list)
	var mu sync.Mutex // guards seen, failed and due
	failed, due := 0, 0
	var group sync.WaitGroup
	for range askers {
		c := &client{w, map[line]*conn{}}
		group.Go(func() {
			defer c.close()
			for r := range list {
				what, err := w.compare(c, r)
				mu.Lock()
				seen.add(what)
				due += what.arrivals()
				if err != nil && failed < enough {
					failed++
					t.Errorf("%s %s %s%s %v, %d bytes, from %s, certificate %q: %v", r.Method, r.Proto, r.Host, r.Path, r.Headers, r.body, r.from, r.certificate, err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	w.arrive(t, due)
}

// result is what came of a request: what Decide says, and who refused it, if anybody did.
type result struct {
	route.Decision
	refused string
}

// arrivals are how often backends are called for a request: by Decide's word.
func (d result) arrivals() int {
	if d.Route == nil || len(d.Route.Targets) == 0 || d.refused != "" {
		return 0
	}
	return 1 + len(d.Route.Calls)
}

// arrive waits until backends were called so often: mirrors are, too.
func (w *suite) arrive(t *testing.T, due int) {
	t.Helper()
	if slices.ContainsFunc(w.fragments, limited) { // a mirror may be one too many
		w.world.Add(1)
		for len(w.arrived) > 0 {
			<-w.arrived
		}
		return
	}
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

// limited reports whether clusters of an object take few requests at a time.
func limited(f *route.Fragment) bool { return f.Policy.FieldOf("max-pending-requests") != "" }

// compare asks both for one request.
func (w *suite) compare(c *client, r request) (d result, err error) {
	host, ok := route.FindHost(r.Host, func(name string) bool { return w.hosts[name] != nil })
	if !ok {
		return d, fmt.Errorf("no virtual host")
	}
	vh := w.hosts[host]
	d.Decision = route.Decide(vh, r.Request)
	answer, err := c.ask(r, lineOf(r, vh.Clients))
	if err != nil {
		return d, err
	}
	if d.refused, err = w.why(r, vh, answer); err != nil {
		return d, err
	}
	named := answer.Header.Get(routeHeader)
	if d.refused != "" && (named == "" || d.Route != nil && named == d.Route.Name || strings.HasPrefix(named, "clients ")) {
		return d, nil
	}
	if d.refused != "" || d.Route == nil || named != d.Route.Name || !slices.Contains(d.Allowed, outcome(answer)) || !sided(d.Route, answer) || !measured(d.Route, r.Path, answer) {
		return d, fmt.Errorf("%s: Envoy: %d, %v\nDecide allows %+v\n%s", host, answer.StatusCode, answer.Header, d.Allowed, reasons(vh, d.Decision))
	}
	return d, nil
}

// why compares what `legation why` says of a request with what came, with the address of the
// client and the length of its body and without, and returns who has refused it.
func (w *suite) why(r request, vh *route.VirtualHost, answer *http.Response) (refused string, err error) {
	at, err := (&url.URL{Scheme: r.Proto, Host: r.Host}).Parse(r.Path)
	if err != nil {
		return "", fmt.Errorf("nobody can ask why: %w", err)
	}
	sized := r.Headers.Clone()
	sized.Set("Content-Length", strconv.Itoa(r.body))
	for _, q := range []inspect.Question{{Method: r.Method, URL: at, Headers: r.Headers}, {Method: r.Method, URL: at, Headers: sized, From: r.from}} {
		list := inspect.Asks(w.made, q, inprocess.Class, time.Now())
		if len(list) != 1 {
			return "", fmt.Errorf("legation why has %d answers", len(list))
		}
		came, ok := outcome(answer), false
		for _, a := range list[0].Answers {
			if refused, ok = r.refuses(a, vh.Clients, q, came); ok {
				break
			}
		}
		if !ok {
			return "", fmt.Errorf("Envoy: %+v by %q\nlegation why %s from %s allows %+v, by %s of %s", came, answer.Header.Get(routeHeader), at, q.From, list[0].Answers, list[0].Rule, list[0].Object)
		}
	}
	return refused, nil
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

// measured reports whether an answer has what measures add to it, and a backend was asked for the
// path that they make of the one that was sent.
func measured(r *route.Route, sent string, answer *http.Response) bool {
	path, query, asks := strings.Cut(sent, "?")
	if r.Rewrite != nil {
		path = r.Rewrite.Path(path)
	}
	if asks {
		path += "?" + query
	}
	var said []string
	switch {
	case r.Preflight != nil:
		said = saidOf(r.Preflight.Headers, answer.StatusCode)
	case r.Measures != nil:
		said = saidOf(r.Measures.Headers.Response, answer.StatusCode)
	}
	return slices.Equal(answer.Header.Values(worlds.SaidHeader), said) && (len(r.Targets) == 0 || answer.Header.Get(seenHeader) == path)
}

// saidOf are the values of worlds.SaidHeader that a change leaves.
func saidOf(c route.HeaderChange, status int) (list []string) {
	for i, h := range slices.Concat(c.Set, c.Add) {
		switch {
		case h.Name != worlds.SaidHeader || h.Ordinary && !slices.Contains(ordinary, status):
		case i < len(c.Set):
			list = []string{h.Value}
		default:
			list = append(list, h.Value)
		}
	}
	return list
}

// ordinary are the statuses with which nginx adds headers: those of ngx_http_headers_module.
var ordinary = []int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}

// outcome is what happened. All backends answer 200.
func outcome(r *http.Response) route.Outcome {
	if cluster := r.Header.Get(clusterHeader); cluster != "" && r.StatusCode == http.StatusOK {
		return route.Outcome{Cluster: cluster}
	}
	return route.Outcome{Status: uint32(r.StatusCode), Location: r.Header.Get("Location")}
}

// tally counts decisions of each kind.
type tally map[string]int

func (n tally) add(d result) {
	n["all"]++
	if d.refused != "" {
		n["refused by "+d.refused]++
	}
	if d.Route == nil {
		return
	}
	m := d.Route.Match
	for what, is := range map[string]bool{
		"to https": d.Route.Plain, "redirect": d.Route.Redirect != nil && !d.Route.Plain,
		"mirrored": len(d.Route.Calls) > 0, "side": len(d.Route.Targets) > 0 && d.Route.Targets[0].Headers != nil, "by canary": strings.Contains(d.Route.Name, "canary by "),
		"canary by weight": len(d.Allowed) == 2 && d.Route.Targets[0].Weight+d.Route.Targets[1].Weight == 100, "guard": strings.Contains(d.Route.Name, " closed "), "cluster": len(d.Allowed) == 1 && d.Allowed[0].Cluster != "", "one of clusters": len(d.Allowed) > 1,
		"status": d.Allowed[0].Status != 0 && d.Route.Redirect == nil, "deeper": d.Route.Deeper != "", "by method": m.Method != "",
		"preflight": d.Route.Preflight != nil,
		"condition": strings.HasSuffix(d.Route.Name, " if"), "place": strings.Contains(d.Route.Name, " location "), "rewritten": d.Route.Rewrite != nil,
		"text": d.Route.Body != "", "said": d.Route.Measures != nil && len(saidOf(d.Route.Measures.Headers.Response, http.StatusOK)) > 0,
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
