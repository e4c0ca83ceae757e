//go:build real

package upstream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/xds/bootstrap"
)

var hangsFor = flag.Duration("hangs", 5*time.Second, "how long each half of a round of TestHangs lasts")

const (
	// offered is how many requests a second the Service that hangs is asked.
	offered = 500
	// most is its cap.
	most = 100
)

// mood is a server that answers, or accepts and never does.
type mood struct {
	hangs   atomic.Bool
	release chan struct{} // closed at the end
	address string
}

func newMood(t *testing.T) *mood {
	m := &mood{release: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(echo.HeaderService, "hangs")
		if m.hangs.Load() {
			select {
			case <-r.Context().Done():
			case <-m.release:
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(m.release) })
	m.address = strings.TrimPrefix(server.URL, "http://")
	return m
}

// clients asks a host so often a second, whatever becomes of the requests.
type clients struct {
	w       *suite
	stop    context.CancelFunc
	asking  sync.WaitGroup
	answers [600]atomic.Int64 // by status
	slow    atomic.Int64      // refusals that took longer than atOnce
}

// atOnce is how long a refusal may take on a machine that is busy with all this.
const atOnce = time.Second

func (w *suite) clients(host string) *clients {
	ctx, cancel := context.WithCancel(w.t.Context())
	c := &clients{w: w, stop: cancel}
	c.asking.Go(func() {
		tick := time.NewTicker(time.Second / offered)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.asking.Go(func() { c.ask(ctx, host) })
			case <-ctx.Done():
				return
			}
		}
	})
	return c
}

// ask asks once, on a connection of its own; it gives up with ctx.
func (c *clients) ask(ctx context.Context, host string) {
	conn, err := net.Dial("tcp", c.w.HTTP)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	began := time.Now()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return
	}
	io.Copy(io.Discard, resp.Body)
	c.answers[resp.StatusCode].Add(1)
	if resp.StatusCode == http.StatusServiceUnavailable && time.Since(began) > atOnce {
		c.slow.Add(1)
	}
}

func (c *clients) end() { c.stop(); c.asking.Wait() }

// neighbours asks other hosts for a while.
func (w *suite) neighbours() load.Results {
	var clients []load.Client
	for i := range 10 {
		clients = append(clients, load.Client{Name: fmt.Sprint(i), Kind: load.HTTP1, Address: w.HTTP, Every: 20 * time.Millisecond,
			Next: func() (string, string) { return "web.test", "/" }, Oracle: load.Services{"web.test": "web"}})
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), *hangsFor)
	defer cancel()
	running := load.Start(ctx, clients...)
	return running.Wait()
}

// TestHangs: one Service accepts and never answers, at 500 requests a second. What
// is beyond its cap is answered 503 at once, and says whose it is in the access log
// and the metrics; other hosts, probes and metrics do not notice. When the Service
// answers again, all is as before.
func TestHangs(t *testing.T) {
	const rounds, factor = 3, 2
	log := filepath.Join(t.TempDir(), "access.log")
	health := freeAddress(t)
	w := newSuite(t, inprocess.Options{Settings: map[string]string{"access-log": log}, Config: func(c *bootstrap.Config) { c.Health = health }})
	m := newMood(t)
	web := w.echoes("web", 1)[0]
	w.put(service("hangs", map[string]string{"max-connections": fmt.Sprint(most), "max-pending-requests": "1"}), endpoint("hangs", 0, m.address, ready), ingress("hangs.test", "hangs", nil),
		service("web", nil), endpoint("web", 0, web.Addr().String(), ready), ingress("web.test", "web", nil))
	w.settle()
	stopProbes := w.probe(health)
	quiet := false
	for range rounds {
		ratio := w.round(m)
		if quiet = quiet || ratio <= factor; quiet {
			break // a machine that is busy with other things makes a ratio of chance
		}
	}
	if !quiet {
		t.Errorf("in each of %d rounds other hosts were more than %d times as slow beside the Service that hangs", rounds, factor)
	}
	if probes, err := stopProbes(); err != nil || probes == 0 {
		t.Errorf("of %d probes: %v", probes, err)
	}
	w.named(log)
}

// round is: the Service answers, then it hangs. It returns how much slower other
// hosts were then, at the 99th percentile.
func (w *suite) round(m *mood) float64 {
	w.t.Helper()
	const overflow = "cluster." + inprocess.Namespace + "/hangs/80.upstream_rq_pending_overflow"
	m.hangs.Store(false)
	c := w.clients("hangs.test")
	before := w.neighbours()
	if c.answers[http.StatusOK].Load() == 0 {
		w.t.Error("the Service that answers was never answered")
	}
	m.hangs.Store(true)
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	refused := uint64(c.answers[http.StatusServiceUnavailable].Load())
	if err := w.Envoy.WaitStat(ctx, overflow, envoy.AtLeast(refused+1)); err != nil {
		w.t.Fatal(err)
	}
	beside := w.neighbours() // as long as it takes
	active, err := w.Envoy.Stat(w.t.Context(), "cluster."+inprocess.Namespace+"/hangs/80.upstream_rq_active")
	if err != nil {
		w.t.Error(err)
	}
	c.end()
	w.t.Logf("before: %v\nbeside: %v\nthe Service that hangs: %d answered, %d refused, %d held", before, beside,
		c.answers[http.StatusOK].Load(), c.answers[http.StatusServiceUnavailable].Load(), active)
	for _, r := range []load.Results{before, beside} {
		if err := r.Disturbed(); err != nil {
			w.t.Error(err)
		}
	}
	workers, err := w.Envoy.Stat(w.t.Context(), "server.concurrency")
	if err != nil || active > most+workers { // workers that look in the same instant each let one in
		w.t.Errorf("the Service that hangs holds %d requests, its cap is %d (%v)", active, most, err)
	}
	if n, all := c.slow.Load(), c.answers[http.StatusServiceUnavailable].Load(); 100*n > all {
		w.t.Errorf("%d of %d refusals took longer than %v", n, all, atOnce)
	}
	return float64(beside.P99) / float64(max(before.P99, time.Millisecond))
}

// probe asks for readiness and liveness until it is stopped.
func (w *suite) probe(health string) (stop func() (int, error)) {
	ctx, cancel := context.WithCancel(w.t.Context())
	n, failed := 0, error(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		for pause(ctx, 50*time.Millisecond) {
			for _, path := range []string{"/ready", "/live"} {
				resp, err := client.Get("http://" + health + path)
				if err == nil {
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = errors.New(path + ": " + resp.Status)
					}
				}
				n++
				failed = errors.Join(failed, err)
			}
		}
	}()
	return func() (int, error) { cancel(); <-done; return n, failed }
}

// named looks for the Service in the access log: each refusal has the flag UO, and
// the name of cluster and route.
func (w *suite) named(log string) {
	w.t.Helper()
	if err := w.Envoy.Stop(); err != nil { // writes the rest of the log
		w.t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		w.t.Fatal(err)
	}
	refused := 0
	for line := range strings.Lines(string(text)) {
		var one struct {
			Status                int
			Flags, Cluster, Route string
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			w.t.Fatalf("%v: %s", err, line)
		}
		if one.Status != http.StatusServiceUnavailable {
			continue
		}
		refused++
		if one.Flags != "UO" || one.Cluster != inprocess.Namespace+"/hangs/80" || one.Route != inprocess.Namespace+"/hangs-test Prefix /" {
			w.t.Fatalf("a line of the access log does not say whose request was refused: %s", line)
		}
	}
	if refused == 0 {
		w.t.Error("no refusal is in the access log")
	}
}

// freeAddress is an address of loopback that is free, below the ports that the
// kernel gives to clients.
func freeAddress(t *testing.T) string {
	t.Helper()
	for port := 12000 + os.Getpid()%10000; port < 32000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
