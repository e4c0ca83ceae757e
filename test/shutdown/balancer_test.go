//go:build real

package shutdown

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"legation.dev/test/badserver"
)

// probeEvery is how often a balancer looks at an Envoy: the least that one in
// front of Envoys does in earnest is 1 s, --min-drain is that in these tests.
const probeEvery = 100 * time.Millisecond

// balancer passes TCP connections on to Envoys that are ready, in turn. It does
// not touch those that are open.
type balancer struct {
	targets []*target
	turn    atomic.Uint64
	open    sync.WaitGroup // connections and probes
	closed  atomic.Int64   // connections that were closed, since no Envoy was ready
}

// target is one Envoy.
type target struct {
	host   string // address of its listeners
	probes string // URL that reports whether it is ready
	ready  atomic.Bool
}

// balance starts a balancer of the Envoys of these classes. The addresses are
// those that clients dial for http and https.
func (w *suite) balance(t *testing.T, classes ...string) (b *balancer, httpAt, httpsAt string) {
	t.Helper()
	b = &balancer{}
	ctx, cancel := context.WithCancel(context.Background())
	for _, class := range classes {
		one := &target{host: w.address[class], probes: "http://" + net.JoinHostPort(w.address[class], port(probesPort)) + "/ready"}
		b.targets = append(b.targets, one)
		b.open.Go(func() { one.probe(ctx) })
	}
	var listeners []net.Listener
	for _, p := range []int{httpPort, httpsPort} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		b.open.Go(func() { b.accept(l, port(p)) })
	}
	t.Cleanup(func() {
		cancel()
		for _, l := range listeners {
			l.Close()
		}
		b.open.Wait()
	})
	return b, listeners[0].Addr().String(), listeners[1].Addr().String()
}

// silentProbes is how many probes in a row may have no answer, as balancers have it.
const silentProbes = 3

// probe looks until ctx ends. An answer counts at once, and so does that nobody listens.
func (o *target) probe(ctx context.Context) {
	silent := 0
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.probes, nil)
		if err != nil {
			return
		}
		resp, err := client.Do(req)
		if silent++; err == nil {
			silent = 0
			o.ready.Store(resp.StatusCode == http.StatusOK)
			resp.Body.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) || silent >= silentProbes {
			o.ready.Store(false)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *balancer) accept(l net.Listener, port string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		b.open.Go(func() { b.pass(conn.(*net.TCPConn), port) })
	}
}

// pass leads a client to an Envoy.
func (b *balancer) pass(client *net.TCPConn, port string) {
	server := b.dial(port)
	if server == nil {
		b.closed.Add(1)
		client.Close()
		return
	}
	badserver.Pass(client, server)
}

// dial opens a connection to the next Envoy that is ready; nil if none is.
func (b *balancer) dial(port string) *net.TCPConn {
	turn := b.turn.Add(1) // once: others take their turns meanwhile
	for i := range b.targets {
		one := b.targets[(turn+uint64(i))%uint64(len(b.targets))]
		if !one.ready.Load() {
			continue
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort(one.host, port)); err == nil {
			return conn.(*net.TCPConn)
		}
	}
	return nil
}
