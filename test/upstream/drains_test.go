//go:build real

package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"legation.dev/test/badserver"
	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
)

// lasts is how long what is on an endpoint goes on after it begins to leave;
// outlasts is longer than its cluster stays in TestRouteLeaves.
const (
	lasts    = 5 * time.Second
	outlasts = 8 * time.Second
)

// held is what is on a server: a request, a stream and a WebSocket.
type held struct {
	lasts  time.Duration
	ended  chan error // one for the request, one for the stream
	socket *websocket.Conn
}

// hold brings a request that takes so long, a stream that takes as long, and a
// WebSocket to the very server, through Envoy.
func (w *suite) hold(host string, server *echo.Server, lasts time.Duration) *held {
	w.t.Helper()
	h := &held{ended: make(chan error, 2), lasts: lasts}
	w.holdRequest(h, host, server)
	w.holdStream(h, host, server)
	w.holdSocket(h, host, server)
	return h
}

// tries is how often a server is asked for until it is the one that answers; two
// in turn give each its turn, whichever worker of Envoy is met.
const tries = 200

func (w *suite) holdRequest(h *held, host string, server *echo.Server) {
	w.t.Helper()
	for i := range tries {
		path := fmt.Sprintf("/held-%d", i)
		done := make(chan error, 1)
		go func() {
			a, err := w.ask(host, path+"?delay="+h.lasts.String())
			if err == nil {
				_, err = a.whole()
			}
			if err == nil && a.StatusCode != 200 {
				err = errors.New(a.Status)
			}
			done <- err
		}()
		if w.reached(path, server) {
			go func() { h.ended <- <-done }()
			return
		}
		w.t.Cleanup(func() { <-done })
	}
	w.t.Fatalf("no request reached %s", server.Addr())
}

// reached reports whether the next server that a path reaches is this one.
func (w *suite) reached(path string, server *echo.Server) bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	here := false
	err := w.Await(ctx, func() error {
		for _, s := range w.servers {
			if s.Count(path) > 0 {
				here = s == server
				return nil
			}
		}
		return fmt.Errorf("%s reached no server", path)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return here
}

func (w *suite) holdStream(h *held, host string, server *echo.Server) {
	w.t.Helper()
	const lines = 10
	for range tries {
		a, err := w.ask(host, fmt.Sprintf("/stream?stream=%d&every=%v", lines, h.lasts/lines))
		if err != nil {
			w.t.Fatal(err)
		}
		if a.instance != server.Addr().String() {
			continue
		}
		go func() {
			text, err := a.whole()
			if got := strings.Count(text, "\n"); err == nil && got != lines {
				err = fmt.Errorf("the stream ended after %d lines of %d", got, lines)
			}
			h.ended <- err
		}()
		return
	}
	w.t.Fatalf("no stream reached %s", server.Addr())
}

func (w *suite) holdSocket(h *held, host string, server *echo.Server) {
	w.t.Helper()
	for range tries {
		ctx, cancel := context.WithTimeout(w.t.Context(), hang)
		conn, resp, err := websocket.Dial(ctx, "ws://"+w.HTTP+"/socket", &websocket.DialOptions{Host: host})
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { conn.CloseNow() })
		if resp.Header.Get(echo.HeaderInstance) == server.Addr().String() {
			h.socket = conn
			return
		}
	}
	w.t.Fatalf("no WebSocket reached %s", server.Addr())
}

// finish waits for the end of the request and the stream, and then talks on the
// WebSocket: nothing was cut.
func (h *held) finish(t *testing.T) {
	t.Helper()
	for range cap(h.ended) {
		select {
		case err := <-h.ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(hang):
			t.Fatal("what was held does not end")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := h.socket.Write(ctx, websocket.MessageText, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, back, err := h.socket.Read(ctx); err != nil || string(back) != "still here" {
		t.Errorf("the WebSocket said %q, %v", back, err)
	}
}

// quiet waits until no new request reaches a server: Envoy's workers follow what
// its main thread has acknowledged. Then it sends so many more, and counts.
func (w *suite) quiet(host string, server *echo.Server) {
	w.t.Helper()
	const inARow, more = 20, 200
	elsewhere := 0
	for i := 0; elsewhere < inARow; i++ {
		if i == 10*tries {
			w.t.Fatalf("new requests go on to %s", server.Addr())
		}
		elsewhere++
		if w.answered(host).instance == server.Addr().String() {
			elsewhere = 0
		}
	}
	before := server.Requests()
	for range more {
		w.answered(host)
	}
	if got := server.Requests() - before; got != 0 {
		w.t.Errorf("%d of %d new requests reached the server that is leaving", got, more)
	}
}

// answered sends a request, which must be answered 200.
func (w *suite) answered(host string) answer {
	w.t.Helper()
	a, err := w.ask(host, "/", "Connection: close")
	if err == nil {
		_, err = a.whole()
	}
	if err != nil || a.StatusCode != 200 {
		w.t.Fatalf("%s: %v %v", host, a.Response, err)
	}
	return a
}

// web is a Service with two servers behind the host web.test, under load.
func web(t *testing.T) (w *suite, servers []*echo.Server, running *load.Load) {
	w = newSuite(t, inprocess.Options{Settings: map[string]string{"drain-duration": "5s"}})
	w.servers = w.echoes("web", 2)
	w.put(service("web", nil), ingress("web.test", "web", nil))
	for i, s := range w.servers {
		w.put(endpoint("web", i, s.Addr().String(), ready))
	}
	w.settle()
	var clients []load.Client
	for i := range 4 {
		clients = append(clients, load.Client{Name: fmt.Sprint(i), Kind: load.HTTP1, Address: w.HTTP, Every: 20 * time.Millisecond,
			Next: func() (string, string) { return "web.test", "/load" }, Oracle: load.Services{"web.test": "web"}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	running = load.Start(ctx, clients...)
	t.Cleanup(func() {
		cancel()
		results := running.Wait()
		t.Log(results)
		if err := results.Disturbed(); err != nil {
			t.Error(err)
		}
	})
	<-running.Ready()
	return w, w.servers, running
}

// TestEndpointLeaves: what is on an endpoint that begins to terminate, or is gone
// at once, goes on to its end; nothing new arrives there, and nobody else notices.
func TestEndpointLeaves(t *testing.T) {
	for name, how := range map[string][]state{"terminating, then gone": {terminating, gone}, "gone at once": {gone}} {
		t.Run(name, func(t *testing.T) {
			w, servers, _ := web(t)
			leaving := servers[0]
			h := w.hold("web.test", leaving, lasts)
			w.put(endpoint("web", 0, leaving.Addr().String(), how[0]))
			w.settle()
			w.quiet("web.test", leaving)
			if len(how) > 1 { // the pod is listed until its work is done, the WebSocket stays
				h.socket.SetReadLimit(1 << 10)
				w.put(endpoint("web", 0, leaving.Addr().String(), how[1]))
				w.settle()
			}
			h.finish(t)
		})
	}
}

// TestAllTerminate: a Service whose endpoints all terminate still answers, and
// what is on them goes on.
func TestAllTerminate(t *testing.T) {
	w, servers, running := web(t)
	h := w.hold("web.test", servers[0], lasts)
	for i, s := range servers {
		w.put(endpoint("web", i, s.Addr().String(), terminating))
	}
	w.settle()
	const more = 200
	before := running.Results().Requests
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := running.Await(ctx, func(r load.Results) bool { return r.Requests >= before+more }); err != nil {
		t.Fatal(err)
	}
	h.finish(t)
}

// TestRouteLeaves: what is on a server goes on to its end when the path that led
// there leads elsewhere, and the cluster and its Service are gone.
func TestRouteLeaves(t *testing.T) {
	w, servers, _ := web(t)
	h := w.hold("web.test", servers[0], outlasts)
	other := w.echoes("web", 1)[0] // another Service whose servers say the same name
	w.put(service("other", nil), endpoint("other", 0, other.Addr().String(), ready), ingress("web.test", "other", nil))
	w.settle()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := w.Envoy.WaitStat(ctx, "cluster_manager.cluster_removed", envoy.AtLeast(1)); err != nil {
		t.Fatal(err)
	}
	w.quiet("web.test", servers[0])
	h.finish(t)
}

// TestDrainDuration: a request whose connection does not come about is tried again
// at another endpoint of its cluster, also when the route is gone meanwhile: the
// cluster lasts for drain-duration. With one that is shorter than the connection
// takes it fails.
func TestDrainDuration(t *testing.T) {
	const requests = 6 // half of them wait: as many as may be tried again at once
	connect := map[string]string{"upstream-connect-timeout": "12s"}
	short := map[string]string{"upstream-connect-timeout": "12s", "drain-duration": "5s"}
	w := newSuite(t, inprocess.Options{Settings: map[string]string{"drain-duration": "1m"}})
	silent, end, err := badserver.Backlogged()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	for name, settings := range map[string]map[string]string{"long": connect, "short": short} {
		alive := w.echoes(name, 1)[0]
		w.put(service(name, settings), endpoint(name, 0, silent, ready), endpoint(name, 1, alive.Addr().String(), ready),
			ingress(name+".test", name, nil))
	}
	other := w.echoes("other", 1)[0]
	w.put(service("other", nil), endpoint("other", 0, other.Addr().String(), ready))
	w.settle()

	var asking sync.WaitGroup
	var mu sync.Mutex // guards failed
	failed := map[string]int{}
	for _, name := range []string{"long", "short"} {
		for range requests {
			asking.Go(func() {
				a, err := w.ask(name+".test", "/")
				if err != nil || a.StatusCode != 200 || a.Header.Get(echo.HeaderService) != name {
					mu.Lock()
					failed[name]++
					mu.Unlock()
				}
			})
		}
	}
	w.waits("long", "short")
	w.put(ingress("long.test", "other", nil), ingress("short.test", "other", nil))
	w.settle()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := w.Envoy.WaitStat(ctx, "cluster_manager.cluster_removed", envoy.AtLeast(1)); err != nil {
		t.Fatal(err)
	}
	asking.Wait()
	t.Logf("of %d requests each, some of which waited for a connection: failed %v", requests, failed)
	if failed["long"] > 0 || failed["short"] == 0 {
		t.Errorf("failed: %v; want some of those whose cluster was gone, and none of the others", failed)
	}
}

// waits waits until each of these Services has a request that waits for a
// connection.
func (w *suite) waits(services ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	for _, s := range services {
		if err := w.Envoy.WaitStat(ctx, "cluster."+inprocess.Namespace+"/"+s+"/80.upstream_rq_pending_active", envoy.AtLeast(1)); err != nil {
			w.t.Fatal(err)
		}
	}
}
