//go:build real

package upstream

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"legation.dev/test/badserver"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
)

var lifetimesFor = flag.Duration("lifetimes", 30*time.Second, "how long TestLifetimes asks servers that close first")

// closer is a kind of server that closes connections first.
type closer struct {
	name  string
	start func(*testing.T) *backend
	// settings with which nothing fails.
	settings map[string]string
	// edge is after how long without a request the server closes; 0 for one that
	// is asked without a pause.
	edge time.Duration
	// before and after the edge pauses are drawn: the server's clock has an error.
	before, after time.Duration
}

// near is how far from the edge pauses are where the server keeps time well.
const near = 8 * time.Millisecond

func preset(name string) map[string]string { return map[string]string{"upstream-preset": name} }

var closers = []closer{
	{"2s-idle", closing(badserver.Closes{Idle: 2 * time.Second}), preset("gunicorn"), 2 * time.Second, near, near / 4},
	{"5s-idle", closing(badserver.Closes{Idle: 5 * time.Second}), preset("uvicorn"), 5 * time.Second, near, near / 4},
	{"100-requests", closing(badserver.Closes{Requests: 100}), map[string]string{"upstream-max-requests": "98"}, 0, 0, 0},
	{"3s-age", closing(badserver.Closes{Age: 3 * time.Second}), map[string]string{"upstream-max-lifetime": "2s"}, 0, 0, 0},
	{"gunicorn", python("gunicorn", "--worker-class", "gthread", "--threads", "4", "--bind", "unix:SOCKET", "--log-level", "warning", "app:wsgi"),
		preset("gunicorn"), 2 * time.Second, near, 3 * near},
	{"uvicorn", python("uvicorn", "--uds", "SOCKET", "--log-level", "warning", "app:asgi"), preset("uvicorn"), 5 * time.Second, near, near},
	{"hypercorn", python("hypercorn", "--bind", "unix:SOCKET", "--log-level", "warning", "app:asgi"), preset("uvicorn"), 5 * time.Second, near, near},
	{"node", node, preset("node"), 6 * time.Second, near, near},
}

// envoysOwn are the settings that Envoy has by itself.
var envoysOwn = map[string]string{"upstream-idle-timeout": "1h", "upstream-max-requests": "off", "upstream-max-lifetime": "off"}

// lanes is how many clients ask a server in each way: each has a cluster of its
// own, so that the connection behind Envoy rests exactly as long as the client.
const lanes = 24

// tally is what the lanes of one server met in one way.
type tally struct {
	mu                   sync.Mutex // guards the fields below
	gets, posts, answers int
	failures             map[string]int
}

func (t *tally) note(method, failure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if method == http.MethodGet {
		t.gets++
	} else {
		t.posts++
	}
	if failure == "" {
		t.answers++
		return
	}
	t.failures[failure]++
}

func (t *tally) failed() int { return t.gets + t.posts - t.answers }

func (t *tally) String() string {
	all := t.gets + t.posts
	return fmt.Sprintf("%d of %d failed (%.2f %%; %d GET, %d POST) %v", t.failed(), all, 100*float64(t.failed())/float64(max(1, all)), t.gets, t.posts, t.failures)
}

// lane is one client.
type lane struct {
	w     *suite
	c     closer
	host  string
	n     int
	tally *tally
}

// arena is all servers, each asked in two ways.
type arena struct {
	*suite
	lanes        []*lane
	ours, envoys map[string]*tally // by the name of a closer
	backends     map[string]*backend
}

func newArena(t *testing.T) *arena {
	a := &arena{suite: newSuite(t, inprocess.Options{}), ours: map[string]*tally{}, envoys: map[string]*tally{}, backends: map[string]*backend{}}
	var objects []input.Object
	for _, c := range closers {
		b := c.start(t)
		if b == nil {
			continue
		}
		a.backends[c.name] = b
		objects = append(objects, a.add(c, "ours", a.ours, c.settings)...)
		objects = append(objects, a.add(c, "envoys", a.envoys, envoysOwn)...)
	}
	a.put(objects...)
	a.settle()
	if p := a.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	return a
}

// add makes the lanes of a server, and the objects for them.
func (a *arena) add(c closer, way string, tallies map[string]*tally, settings map[string]string) (objects []input.Object) {
	tallies[c.name] = &tally{failures: map[string]int{}}
	for n := range lanes {
		name := fmt.Sprintf("%s-%s-%d", c.name, way, n)
		objects = append(objects, service(name, settings), endpoint(name, 0, a.backends[c.name].relay.Address(), ready), ingress(name+".test", name, nil))
		a.lanes = append(a.lanes, &lane{a.suite, c, name + ".test", n, tallies[c.name]})
	}
	return objects
}

// TestLifetimes: servers that close connections first, each without notice, are
// asked just then, by GET and POST: with the settings for them nothing fails, and
// no POST is executed twice. What fails with Envoy's own settings, in the same run,
// is shown beside it.
//
// A margin of half a second is none on a machine that stands still for longer: such
// a run is made again.
func TestLifetimes(t *testing.T) {
	const runs, stall = 3, 200 * time.Millisecond
	for i := range runs {
		a := newArena(t)
		longest := watchStalls(t)
		a.run()
		stood := longest()
		a.show()
		if a.failed() == 0 || i == runs-1 || stood < stall && a.watchdog() == 0 {
			a.check()
			return
		}
		t.Logf("this machine stood still for %v; once more", stood)
	}
}

// watchStalls measures the longest time for which this process was not run.
func watchStalls(t *testing.T) (longest func() time.Duration) {
	const every = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var most time.Duration
	done := make(chan struct{})
	go func() {
		defer close(done)
		for before := time.Now(); pause(ctx, every); before = time.Now() {
			most = max(most, time.Since(before)-every)
		}
	}()
	return func() time.Duration { cancel(); <-done; return most }
}

// watchdog is how often Envoy itself found a thread of its own standing still.
func (a *arena) watchdog() uint64 {
	stats, err := a.Envoy.Stats(a.t.Context(), "watchdog_miss$")
	if err != nil {
		a.t.Fatal(err)
	}
	var n uint64
	for _, value := range stats {
		n += value
	}
	return n
}

// run lets all lanes ask.
func (a *arena) run() {
	ctx, cancel := context.WithTimeout(a.t.Context(), *lifetimesFor)
	defer cancel()
	var asking sync.WaitGroup
	for _, l := range a.lanes {
		asking.Go(func() { l.run(ctx) })
	}
	asking.Wait()
}

// failed is how many requests failed with the settings for the servers.
func (a *arena) failed() (n int) {
	for _, t := range a.ours {
		n += t.failed()
	}
	return n
}

// show prints what each server met.
func (a *arena) show() {
	requests, failed := 0, 0
	for _, c := range closers {
		b := a.backends[c.name]
		if b == nil {
			continue
		}
		executed, twice := b.twice()
		a.t.Logf("%-12s with %v: %v\n%12s with Envoy's own: %v; the server executed %d, %d POSTs of them twice",
			c.name, c.settings, a.ours[c.name], "", a.envoys[c.name], executed, twice)
		requests, failed = requests+a.envoys[c.name].gets+a.envoys[c.name].posts, failed+a.envoys[c.name].failed()
	}
	a.t.Logf("with Envoy's own settings %d of %d failed, %.2f %%", failed, requests, 100*float64(failed)/float64(requests))
	if failed == 0 {
		a.t.Error("nothing failed with Envoy's own settings: the servers were not asked at their edges")
	}
}

// check fails the test if anything failed, or if a POST was executed twice.
func (a *arena) check() {
	for name, b := range a.backends {
		ours, envoys := a.ours[name], a.envoys[name]
		if ours.failed() > 0 || ours.answers == 0 {
			a.t.Errorf("%s: %v", name, ours)
		}
		if executed, twice := b.twice(); twice > 0 || executed < ours.answers+envoys.answers {
			a.t.Errorf("%s executed %d requests, %d POSTs of them twice", name, executed, twice)
		}
	}
}

// run asks until ctx ends, by GET and POST in turn.
func (l *lane) run(ctx context.Context) {
	if !pause(ctx, max(l.c.edge, time.Second)*time.Duration(l.n)/lanes) { // not all at once
		return
	}
	conn := l.w.dial()
	defer func() { conn.Close() }()
	reader := bufio.NewReader(conn)
	for i := 0; ctx.Err() == nil; i++ {
		method := []string{http.MethodGet, http.MethodPost}[i%2]
		conn.SetDeadline(time.Now().Add(hang))
		failure := exchange(conn, reader, method, l.host, fmt.Sprintf("/%s/%d", l.host, i))
		l.tally.note(method, failure)
		if failure == broken {
			conn.Close()
			conn = l.w.dial()
			reader.Reset(conn)
		}
		if l.c.edge > 0 && !pause(ctx, l.think(i)) {
			return
		}
	}
}

// think is how long the client rests: swept over the edge, each lane elsewhere.
func (l *lane) think(i int) time.Duration {
	const steps = 16
	return l.c.edge - l.c.before + (l.c.before+l.c.after)*time.Duration((i*7+l.n*5)%steps)/steps
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// broken is a failure without an answer.
const broken = "connection ended"

// exchange asks once and says what failed; empty if nothing did.
func exchange(conn io.Writer, reader *bufio.Reader, method, host, path string) string {
	body := ""
	if method == http.MethodPost {
		body = "hello"
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, host, len(body), body); err != nil {
		return broken
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		return broken
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return broken
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return ""
}
