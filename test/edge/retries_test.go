//go:build real

package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/translator/input"
)

// counting is a server that counts requests by method and path, and hangs up
// instead of answering.
type counting struct {
	address string
	mu      sync.Mutex // guards seen
	seen    map[string]int
}

func countAndHangUp(t *testing.T) *counting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{address: listener.Addr().String(), seen: map[string]int{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return c
}

// serve reads one request, body and all, and hangs up.
func (c *counting) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	io.Copy(io.Discard, req.Body)
	c.mu.Lock()
	c.seen[req.Method+" "+req.URL.Path]++
	c.mu.Unlock()
}

func (c *counting) count(method, path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[method+" "+path]
}

// body is the text of a request with a body of five bytes.
func body(method, host, path string, headers string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 5\r\n\r\nhello", method, path, host, headers)
}

// TestSentOnce: a request that may have been executed is sent once, whatever a client asks
// for, unless its method is idempotent; then, too, if the Ingress says so.
func TestSentOnce(t *testing.T) {
	w := newSuite(t)
	server := countAndHangUp(t)
	w.service("hangs-up", "", server.address)
	all := route{"/", input.PathPrefix, "hangs-up"}
	w.ingress("default", "default.test", false, all)
	w.annotated("idempotent", "idempotent.test", false, map[string]string{"retry-idempotent": "true", "retries": "3"}, all)
	w.annotated("once", "once.test", false, map[string]string{"retry-idempotent": "false"}, all)
	w.annotated("none", "none.test", false, map[string]string{"retry-idempotent": "true", "retries": "0"}, all)
	w.start(t)
	const greedy = "X-Envoy-Retry-On: reset,5xx\r\nX-Envoy-Max-Retries: 5\r\n"
	for i, c := range []struct {
		host, method, headers string
		want                  int
	}{
		{"default.test", "GET", "", 3}, {"default.test", "PUT", "", 3}, {"default.test", "POST", "", 1}, {"default.test", "POST", greedy, 1},
		{"once.test", "GET", "", 1}, {"once.test", "PUT", "", 1}, {"once.test", "POST", "", 1}, {"once.test", "GET", greedy, 1},
		{"idempotent.test", "GET", "", 4}, {"idempotent.test", "HEAD", "", 4}, {"idempotent.test", "OPTIONS", "", 4},
		{"idempotent.test", "PUT", "", 4}, {"idempotent.test", "DELETE", "", 4},
		{"idempotent.test", "POST", "", 1}, {"idempotent.test", "PATCH", "", 1}, {"idempotent.test", "LINK", "", 1}, {"idempotent.test", "POST", greedy, 1},
		{"none.test", "GET", "", 1}, {"none.test", "POST", "", 1},
	} {
		path := fmt.Sprintf("/%d", i)
		resp, _ := ask(t, w.http, body(c.method, c.host, path, c.headers))
		if got := server.count(c.method, path); got != c.want || resp.StatusCode != http.StatusBadGateway {
			t.Errorf("%s %s (%q): sent %d times, answered %d; want %d, 502", c.host, c.method, c.headers, got, resp.StatusCode, c.want)
		}
	}
}

// TestRetriedElsewhere: with one dead endpoint of two no request fails, POST
// included, and each is executed once.
func TestRetriedElsewhere(t *testing.T) {
	const requests = 40
	w := newSuite(t)
	alive := w.echo(t, "half", "")
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.service("half", "", alive.Addr().String(), dead.Addr().String())
	dead.Close() // its port refuses
	all := route{"/", input.PathPrefix, "half"}
	w.ingress("default", "default.test", false, all)
	w.annotated("idempotent", "idempotent.test", false, map[string]string{"retry-idempotent": "true"}, all)
	w.start(t)
	for i := range requests {
		host := []string{"default.test", "idempotent.test"}[i%2]
		if resp, _ := ask(t, w.http, body("POST", host, "/", "")); resp.StatusCode != http.StatusOK {
			t.Errorf("POST to %s: %d", host, resp.StatusCode)
		}
	}
	if got := alive.Requests(); got != requests {
		t.Errorf("%d requests were executed %d times", requests, got)
	}
}

// early is when a timer of Envoy may go off at the earliest: its clock is read
// once for each turn of its event loop.
func early(d time.Duration) time.Duration { return d * 9 / 10 }

// TestTimeouts: each limit ends what it is for, at its time, and nothing else.
func TestTimeouts(t *testing.T) {
	w := newSuite(t)
	server := w.echo(t, "web", "")
	all := route{"/", input.PathPrefix, "web"}
	for name, settings := range map[string]map[string]string{
		"request": {"request-timeout": "300ms"},
		"try":     {"per-try-timeout": "300ms", "retry-idempotent": "true", "retries": "1"},
		"stream":  {"max-stream-duration": "1s"},
	} {
		w.annotated(name, name+".test", false, settings, all)
	}
	w.start(t)
	for _, c := range []struct {
		host, path   string
		status, sent int
		at           time.Duration
	}{
		{"request.test", "/?delay=1ms", 200, 1, 0},
		{"request.test", "/?delay=20s", 504, 1, 300 * time.Millisecond},
		{"try.test", "/?delay=20s", 504, 2, 600 * time.Millisecond},
		{"stream.test", "/?delay=20s", 504, 1, time.Second},
	} {
		before, began := server.Requests(), time.Now()
		resp, _ := ask(t, w.http, get(c.host, c.path))
		took := time.Since(began)
		if sent := int(server.Requests() - before); resp.StatusCode != c.status || sent != c.sent || took < early(c.at) || took > c.at+10*time.Second {
			t.Errorf("%s%s: %d after %v, sent %d times; want %d after %v, %d times", c.host, c.path, resp.StatusCode, took, sent, c.status, c.at, c.sent)
		}
	}
}

// TestMaxStreamDuration: a WebSocket ends at its hard end, not with the limit
// for a request.
func TestMaxStreamDuration(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	all := route{"/", input.PathPrefix, "web"}
	w.annotated("stream", "stream.test", false, map[string]string{"request-timeout": "200ms", "max-stream-duration": "1s"}, all)
	w.start(t)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	began := time.Now()
	io.WriteString(conn, get("stream.test", "/", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	io.Copy(io.Discard, reader) // until Envoy ends it
	if took := time.Since(began); took < early(time.Second) || took > 11*time.Second {
		t.Errorf("the WebSocket lasted %v, want 1 s", took)
	}
}

// restless is a server that closes a connection 300 ms after its last answer, and counts
// how often each request was executed.
type restless struct {
	address string
	mu      sync.Mutex // guards seen
	seen    map[string]int
}

func startRestless(t *testing.T) *restless {
	r := &restless{seen: map[string]int{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen[request.Method+" "+request.URL.Path]++
	}))
	server.Config.IdleTimeout = restlessTime
	server.Start()
	t.Cleanup(server.Close)
	r.address = server.Listener.Addr().String()
	return r
}

const restlessTime = 300 * time.Millisecond

// TestServerThatCloses: with no preset, requests that arrive just as the server closes are
// tried again, and no POST is executed twice. Each client has a Service of its own, so that
// its connection rests as long as the client does.
func TestServerThatCloses(t *testing.T) {
	w := newSuite(t)
	a, b := startRestless(t), startRestless(t)
	cases := []struct {
		name, method string
		servers      []string
		most         int // that may fail
	}{
		{"two", http.MethodGet, []string{a.address, b.address}, 0},
		{"one", http.MethodGet, []string{a.address}, 1},
		{"post", http.MethodPost, []string{a.address}, clientsEach * requestsEach},
	}
	for _, c := range cases {
		for i := range clientsEach {
			name := fmt.Sprintf("%s-%d", c.name, i)
			w.service(name, "", c.servers...)
			w.ingress(name, name+".test", false, route{"/", input.PathPrefix, name})
		}
	}
	w.start(t)
	failed := make([]atomic.Int64, len(cases))
	var all sync.WaitGroup
	for i, c := range cases {
		for j := range clientsEach {
			all.Go(func() { failed[i].Add(w.paced(t, c.method, fmt.Sprintf("%s-%d.test", c.name, j))) })
		}
	}
	all.Wait()
	for i, c := range cases {
		n := int(failed[i].Load())
		t.Logf("%s: %d of %d failed", c.name, n, clientsEach*requestsEach)
		if n > c.most {
			t.Errorf("%s: %d of %d failed, want at most %d", c.name, n, clientsEach*requestsEach, c.most)
		}
	}
	for request, n := range a.seen {
		if n > 1 && strings.HasPrefix(request, http.MethodPost) {
			t.Errorf("%s was executed %d times", request, n)
		}
	}
}

const clientsEach, requestsEach = 25, 40

// paced sends requests as the server closes, and counts those that fail.
func (w *suite) paced(t *testing.T, method, host string) (failed int64) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(restlessTime)
	defer tick.Stop()
	for i := range requestsEach {
		request, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d/%s/%d", w.http, host, i), nil)
		if err != nil {
			t.Error(err)
			return failed
		}
		request.Host = host
		resp, err := client.Do(request)
		if err != nil || resp.StatusCode != http.StatusOK {
			failed++
		}
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		<-tick.C
	}
	return failed
}
