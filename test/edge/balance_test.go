//go:build real

package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/translator/input"
)

// busy is how many of the pods had requests.
func busy(all []*echo.Server) (n int) {
	for _, p := range all {
		if p.Requests() > 0 {
			n++
		}
	}
	return n
}

// TestRingHash: requests with the same key go to one endpoint, those with
// different keys to several; a request without the key is answered.
func TestRingHash(t *testing.T) {
	const requests, endpoints = 24, 6 // all by chance at one: once in 10^18 runs
	w := newSuite(t)
	same, different := map[string][]*echo.Server{}, map[string][]*echo.Server{}
	for name, by := range map[string]string{"header": "header:X-User", "cookie": "cookie:session", "address": "address"} {
		for kind, list := range map[string]map[string][]*echo.Server{"same": same, "different": different} {
			service := name + "-" + kind
			w.annotatedService(service, "", map[string]string{"load-balancing": "ring-hash", "hash-by": by})
			list[name] = pods(t, service, endpoints)
			for i, p := range list[name] {
				w.slice(service, i, p, true, true, false)
			}
			w.ingress(service, service+".test", false, route{"/", input.PathPrefix, service})
		}
	}
	w.start(t)
	send := func(name, kind string, i int) {
		from, headers := "127.0.0.1", []string{"Accept: */*"}
		switch name {
		case "header":
			headers = append(headers, fmt.Sprintf("X-User: u%d", i))
		case "cookie":
			headers = append(headers, fmt.Sprintf("Cookie: a=%p; session=u%d", t, i))
		case "address":
			from = fmt.Sprintf("127.0.0.%d", 10+i)
		}
		if resp, _ := askFrom(t, from, w.http, get(name+"-"+kind+".test", "/", headers...)); resp.StatusCode != http.StatusOK {
			t.Errorf("%s, %s: %d", name, kind, resp.StatusCode)
		}
	}
	for name := range same {
		for i := range requests {
			send(name, "same", 7)
			send(name, "different", i)
		}
		if one, some := busy(same[name]), busy(different[name]); one != 1 || some < 2 {
			t.Errorf("%s: one key went to %d endpoints, %d keys to %d", name, one, requests, some)
		}
	}
	if resp, _ := ask(t, w.http, get("cookie-same.test", "/")); resp.StatusCode != http.StatusOK {
		t.Errorf("without the cookie: %d", resp.StatusCode)
	}
}

// TestOutliers: an endpoint that fails one request after the other is left out.
func TestOutliers(t *testing.T) {
	const most, inARow = 200, 20 // in turn with the bad endpoint, no two in a row are answered
	w := newSuite(t)
	good, err := echo.Start("web", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(good.Kill)
	bad := countAndHangUp(t)
	w.annotatedService("web", "", map[string]string{"outlier-errors": "2"}, good.Addr().String(), bad.address)
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	answered := 0
	for range most {
		resp, _ := ask(t, w.http, get("web.test", "/"))
		if resp.StatusCode != http.StatusOK {
			answered = 0
		} else if answered++; answered == inARow {
			break
		}
	}
	if answered < inARow || bad.count("GET", "/") < 2 {
		t.Errorf("%d in a row were answered, the bad endpoint had %d", answered, bad.count("GET", "/"))
	}
}

// TestHealthChecks: an endpoint that says it is not well gets no request, from
// the first one on; the check names the Service.
func TestHealthChecks(t *testing.T) {
	const requests = 20
	var checks, misled atomic.Int32
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && r.Host == "web.shop" {
			checks.Add(1)
		} else {
			misled.Add(1)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(sick.Close)
	w := newSuite(t)
	good, err := echo.Start("web", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(good.Kill)
	w.annotatedService("web", "", map[string]string{"health-check-path": "/healthz"}, good.Addr().String(), strings.TrimPrefix(sick.URL, "http://"))
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for range requests {
		if resp, _ := ask(t, w.http, get("web.test", "/")); resp.StatusCode != http.StatusOK {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
	if checks.Load() == 0 || misled.Load() > 0 {
		t.Errorf("the sick endpoint was checked %d times and had %d requests", checks.Load(), misled.Load())
	}
}

// hanging is the address of a server that never answers: the kernel accepts, nobody reads.
func hanging(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// TestCap: a Service that never answers holds as many requests as it may, and as
// many wait as may; all others are answered 503 at once, and another Service does
// not notice.
func TestCap(t *testing.T) {
	const most, refused = 5, 3
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	hangs := hanging(t)
	w := newSuite(t)
	w.settings["connection-budget"], w.settings["service-share"] = "10", "50"
	w.annotatedService("hangs", "", map[string]string{"max-connections": "10", "max-pending-requests": "1"}, hangs)
	w.echo(t, "web", "")
	w.ingress("hangs", "hangs.test", false, route{"/", input.PathPrefix, "hangs"})
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	// Workers of Envoy that look at the limit in the same instant each let one
	// request wait (seen: two where one may).
	workers, err := w.envoy.Stat(ctx, "server.concurrency")
	if err != nil {
		t.Fatal(err)
	}
	more := int(workers) + refused
	answers := make(chan int, most+more)
	for i := range most { // one after the other: while a connection comes about, its request waits
		w.sendOnly(t, "hangs.test", answers)
		if err := w.envoy.WaitStat(ctx, "cluster.shop/hangs/80.upstream_rq_active", envoy.AtLeast(uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	for range more {
		w.sendOnly(t, "hangs.test", answers)
	}
	for range refused {
		select {
		case status := <-answers:
			if status != http.StatusServiceUnavailable {
				t.Errorf("beyond the cap: %d", status)
			}
		case <-ctx.Done():
			t.Fatal("beyond the cap requests wait")
		}
	}
	if resp, _ := ask(t, w.http, get("web.test", "/")); resp.StatusCode != http.StatusOK {
		t.Errorf("the other Service: %d", resp.StatusCode)
	}
}

// sendOnly sends a request whose status goes to answers if it ever comes; it ends
// with the test.
func (w *suite) sendOnly(t *testing.T, host string, answers chan<- int) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, get(host, "/")); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			answers <- resp.StatusCode
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
}

// TestNamespaceConnections: Services of a namespace that all hang have what the namespace may
// have and no more, however many they are; one of another namespace is served beside them.
func TestNamespaceConnections(t *testing.T) {
	const services, each = 4, 2
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	hangs := hanging(t)
	w := newSuite(t)
	w.settings["namespace-connections"] = fmt.Sprint(services * each)
	for i := range services {
		name := fmt.Sprintf("hangs%d", i)
		w.annotatedService(name, "", map[string]string{"max-pending-requests": "1"}, hangs)
		w.ingress(name, name+".test", false, route{"/", input.PathPrefix, name})
	}
	w.elsewhere("other", func() {
		w.echo(t, "web", "")
		w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	})
	w.start(t)
	workers, err := w.envoy.Stat(ctx, "server.concurrency") // see TestCap
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, services*(each+int(workers)+1))
	for i := range services {
		host, cluster := fmt.Sprintf("hangs%d.test", i), fmt.Sprintf("cluster.shop/hangs%d/80.", i)
		for n := range each {
			w.sendOnly(t, host, answers)
			if err := w.envoy.WaitStat(ctx, cluster+"upstream_rq_active", envoy.AtLeast(uint64(n+1))); err != nil {
				t.Fatal(err)
			}
		}
		for range int(workers) + 1 {
			w.sendOnly(t, host, answers)
		}
		select {
		case status := <-answers:
			if status != http.StatusServiceUnavailable {
				t.Errorf("beyond the part of a Service: %d", status)
			}
		case <-ctx.Done():
			t.Fatal("beyond the part of a Service requests wait")
		}
		// A worker that has none to an endpoint opens one all the same.
		if open, err := w.envoy.Stat(ctx, cluster+"upstream_cx_active"); err != nil || open > each+workers {
			t.Errorf("%s has %d connections (%v), want %d, and one for each worker", cluster, open, err, each)
		}
	}
	if resp, _ := ask(t, w.http, get("web.test", "/")); resp.StatusCode != http.StatusOK {
		t.Errorf("a Service of another namespace: %d", resp.StatusCode)
	}
}

// elsewhere puts what add adds into another namespace.
func (w *suite) elsewhere(namespace string, add func()) {
	before := len(w.changes)
	add()
	list := w.changes[before:]
	w.changes = w.changes[:before:before]
	for _, c := range list {
		switch o := c.Object.(type) {
		case *input.Ingress:
			o.Namespace = namespace
			w.put(input.Seal(o))
		case *input.Service:
			o.Namespace = namespace
			w.put(input.Seal(o))
		case *input.Slice:
			o.Namespace = namespace
			w.put(input.Seal(o))
		}
	}
}
