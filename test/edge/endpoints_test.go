//go:build real

package edge

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/load"
	"legation.dev/translator/input"
)

// pods starts n servers of a Service without objects.
func pods(t *testing.T, service string, n int) (list []*echo.Server) {
	t.Helper()
	for range n {
		s, err := echo.Start(service, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		list = append(list, s)
	}
	return list
}

// slice adds the EndpointSlice of one pod.
func (w *suite) slice(service string, n int, pod *echo.Server, ready, serving, terminating bool) {
	w.put(input.Seal(&input.Slice{Meta: meta(fmt.Sprintf("%s-%d", service, n)), Service: service, AddressType: "IPv4",
		Ports:     []input.SlicePort{{Name: "http", Port: int32(pod.Addr().Port())}},
		Endpoints: []input.Endpoint{{Addresses: []string{pod.Addr().Addr().String()}, Ready: ready, Serving: serving, Terminating: terminating}}}))
}

// TestTerminating: a terminating pod that serves is asked only when there is no
// other (R21, R22); one that does not serve is never asked.
func TestTerminating(t *testing.T) {
	w := newSuite(t)
	w.service("some", "")
	w.service("last", "")
	some, last := pods(t, "some", 3), pods(t, "last", 2)
	w.slice("some", 0, some[0], true, true, false)
	w.slice("some", 1, some[1], false, true, true)
	w.slice("some", 2, some[2], false, false, false)
	w.slice("last", 0, last[0], false, true, true)
	w.slice("last", 1, last[1], false, false, true)
	w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "some"}, route{"/last", input.PathPrefix, "last"})
	w.start(t)
	const requests = 30
	for range requests {
		for path, service := range map[string]string{"/": "some", "/last": "last"} {
			if resp, _ := ask(t, w.http, get("shop.example.com", path)); resp.StatusCode != 200 || resp.Header.Get(echo.HeaderService) != service {
				t.Errorf("%s: got %d of %q", path, resp.StatusCode, resp.Header.Get(echo.HeaderService))
			}
		}
	}
	for name, c := range map[string]struct {
		pod  *echo.Server
		want uint64
	}{
		"ready": {some[0], requests}, "terminating beside a ready one": {some[1], 0}, "not ready": {some[2], 0},
		"terminating, the last one": {last[0], requests}, "terminating, not serving": {last[1], 0},
	} {
		if got := c.pod.Requests(); got != c.want {
			t.Errorf("the pod that is %s got %d requests, want %d", name, got, c.want)
		}
	}
}

// firstEnvoys and firstRequests are how many Envoys TestFirstPicks starts, and how many
// requests each gets.
var (
	firstEnvoys   = flag.Int("first-envoys", 8, "how many Envoys TestFirstPicks starts, one after the other")
	firstRequests = flag.Int("first-requests", 1, "how many requests each of them gets")
)

// TestFirstPicks: Envoys that start with the same list of endpoints do not all
// begin with the same one, nor go on alike, and together they spread what comes first (R23).
func TestFirstPicks(t *testing.T) {
	const endpoints = 10
	w := newSuite(t)
	w.service("web", "")
	all := pods(t, "web", endpoints)
	for i, p := range all {
		w.slice("web", i, p, true, true, false)
	}
	w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "web"})
	picks := make([]map[string]int, *firstRequests)
	for range *firstEnvoys {
		w.start(t)
		w.pick(t, all, picks)
		if err := w.envoy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	// By chance 8 Envoys are all alike, or 13 of 20, less often than once in 10^6 runs.
	most, bound := 0, max(*firstEnvoys*3/5, 7)
	for i, at := range picks {
		for address, n := range at {
			if most = max(most, n); n > bound {
				t.Errorf("request %d of %d of %d Envoys went to %s", i+1, n, *firstEnvoys, address)
			}
		}
	}
	counts, each := requestsOf(all), *firstEnvoys**firstRequests/endpoints
	t.Logf("at most %d of %d Envoys picked the same endpoint for the same request; of all requests endpoints got %v", most, *firstEnvoys, counts)
	for address, n := range counts {
		if each >= 100 && (int(n) < each*9/10 || int(n) > each*11/10) {
			t.Errorf("%s got %d requests, want %d more or less a tenth", address, n, each)
		}
	}
}

// pick sends an Envoy requests, one after the other, and counts for each in turn which
// endpoint it went to.
func (w *suite) pick(t *testing.T, all []*echo.Server, picks []map[string]int) {
	t.Helper()
	for i := range picks {
		if picks[i] == nil {
			picks[i] = map[string]int{}
		}
		before := requestsOf(all)
		ask(t, w.http, get("shop.example.com", "/"))
		for address, n := range requestsOf(all) {
			if n > before[address] {
				picks[i][address]++
			}
		}
	}
}

// requestsOf is how many requests pods had, by address.
func requestsOf(all []*echo.Server) map[string]uint64 {
	counts := map[string]uint64{}
	for _, p := range all {
		counts[p.Addr().String()] = p.Requests()
	}
	return counts
}

// TestDeadNode: of twelve endpoints the three of a node refuse, and eight clients come at
// once. About every two hundredth request meets all three; one of a dozen does, if chance
// has them beside each other in the order of the endpoints. No other fails: retries that
// wait do not use up what may be retried at once, by which a fifth failed.
func TestDeadNode(t *testing.T) {
	const requests = 1200
	if n := newSuite(t).deadNode(t, 8, requests, nil); n > requests/10 {
		t.Errorf("%d of %d requests failed", n, requests)
	}
}

// TestDeadNodeLeastRequest: who prefers endpoints with few requests under way does not prefer
// those that refuse: at most one of two hundred requests fails.
func TestDeadNodeLeastRequest(t *testing.T) {
	const requests = 1200
	for _, clients := range []int{1, 2, 8} {
		if n := newSuite(t).deadNode(t, clients, requests, map[string]string{"load-balancing": "least-request"}); n > requests/200 {
			t.Errorf("%d of %d requests of %d clients failed", n, requests, clients)
		}
	}
}

// TestRefusersReturn: of few endpoints none is left out for what it refused, so that requests
// are answered as long as one takes connections: a single one that returns, and one that
// returned before all others went.
func TestRefusersReturn(t *testing.T) {
	for n := 1; n <= 3; n++ {
		w := newSuite(t)
		w.annotatedService("web", "", map[string]string{"load-balancing": "least-request"})
		list := pods(t, "web", n)
		for i, p := range list {
			w.slice("web", i, p, true, true, false)
		}
		w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "web"})
		w.start(t)
		list[0].Kill()
		if failed, want := w.failing(20), 20*(1/n); failed != want {
			t.Errorf("one of %d refuses: %d of 20 requests failed, want %d", n, failed, want)
		}
		again, err := echo.Start("web", list[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(again.Kill)
		for _, p := range list[1:] {
			p.Kill()
		}
		if failed := w.failing(60); failed > 6 { // three draws may meet two that refuse
			t.Errorf("all of %d but the one that refused before: %d of 60 requests failed", n, failed)
		}
	}
}

// failing is how many of so many requests fail, one after the other.
func (w *suite) failing(requests int) (failed int) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range requests {
		failed += w.fails(&client)
	}
	return failed
}

// deadNode is how many of the requests of some clients fail while the three endpoints of a
// node refuse, of twelve.
func (w *suite) deadNode(t *testing.T, clients, requests int, settings map[string]string) int {
	w.annotatedService("web", "", settings)
	for i, p := range pods(t, "web", 12) {
		w.slice("web", i, p, true, true, false)
		if i < 3 {
			p.Kill()
		}
	}
	w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	var failed atomic.Int64
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for range requests / clients {
				failed.Add(int64(w.fails(&client)))
			}
		})
	}
	running.Wait()
	return int(failed.Load())
}

// fails is 1 if a request is not answered by an endpoint.
func (w *suite) fails(client *http.Client) int {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", w.http), nil)
	if err != nil {
		return 1
	}
	req.Host = "shop.example.com"
	resp, err := client.Do(req)
	if err != nil {
		return 1
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

// TestWebSockets: 2,000 WebSockets of one Service stay open at once, and requests
// beside them are answered. Envoy's own default would leave the 1,025th without
// an answer.
func TestWebSockets(t *testing.T) {
	const sockets = 2000
	w := newSuite(t)
	w.echo(t, "web", "")
	w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	var clients []load.Client
	for i := range sockets {
		clients = append(clients, load.Client{Name: strconv.Itoa(i), Kind: load.WebSocket,
			Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(w.http)), Every: 3 * time.Second, Timeout: time.Minute,
			Next:   func() (string, string) { return "shop.example.com", "/" },
			Oracle: load.Services{"shop.example.com": "web"}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := load.Start(ctx, clients...)
	<-running.Ready() // each had an answer, and keeps its connection
	if resp, _ := ask(t, w.http, get("shop.example.com", "/")); resp.StatusCode != 200 {
		t.Errorf("beside the WebSockets: got %d", resp.StatusCode)
	}
	cancel()
	results := running.Wait()
	t.Log(results)
	if err := results.Disturbed(); err != nil {
		t.Error(err)
	}
}
