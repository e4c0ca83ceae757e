package clients

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/wire"
	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// envoy is one stream. Its goroutine owns conn and hello; what others read is
// guarded.
type envoy struct {
	clients *Clients
	conn    *wire.Conn
	first   bool // it keeps clients.held
	fresh   bool // it loads, so it asks for what follows from what it got
	closing atomic.Bool
	asked   [snapshot.NumTypes]bool

	mu       sync.Mutex // guards arrivals, and clients.held if first
	arrivals []arrival
}

// arrival is a resource that came.
type arrival struct {
	id int32 // in clients.index
	at time.Duration
}

// greeting is what an Envoy sends when its stream is open.
type greeting func(e *envoy, node []byte) error

// open connects the i-th Envoy and lets it run.
func (c *Clients) open(i int, hello greeting) (*envoy, error) {
	conn, err := c.connect(i)
	if err != nil {
		return nil, err
	}
	e := &envoy{clients: c, conn: conn, first: i == 0}
	n, err := node(c.target.Fleet, i)
	if err == nil {
		err = hello(e, n)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("Envoy %d: %w", i, err)
	}
	c.wait.Go(e.run)
	return e, nil
}

// connect connects the i-th Envoy. With TLS it has an address of its own, as on nodes:
// what one address may have is limited then.
func (c *Clients) connect(i int) (*wire.Conn, error) {
	var d net.Dialer
	if c.tls != nil {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
	}
	raw, err := d.Dial("tcp", c.target.Address)
	if err != nil {
		return nil, err
	}
	if c.tls == nil {
		return wire.Open(raw, c.target.Address)
	}
	conn, _, err := c.tls.ClientHandshake(context.Background(), identity.ServerName, raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return wire.Open(conn, c.target.Address)
}

// loadFresh asks for clusters; the rest follows.
func loadFresh(e *envoy, node []byte) error {
	e.fresh = true
	e.asked[snapshot.Cluster] = true
	return e.conn.Send(append(node, wire.Ask(snapshot.Cluster.URL(), none)...))
}

func none(func(string) bool) {}

// reconnect sends requests that are encoded already.
func reconnect(requests [][]byte) greeting {
	return func(e *envoy, node []byte) error {
		for i, r := range requests {
			if i == 0 {
				r = slices.Concat(node, r)
			}
			if err := e.conn.Send(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func (e *envoy) close() {
	e.closing.Store(true)
	e.conn.Close()
}

func (e *envoy) run() {
	if err := e.receive(); !e.closing.Load() {
		e.clients.totals.fail(fmt.Errorf("a stream ended: %w", err))
	}
}

func (e *envoy) receive() error {
	var r wire.Response
	for {
		message, err := e.conn.Next()
		if err != nil {
			return err
		}
		at := proc.Now()
		r.Read(message)
		t, ok := snapshot.TypeOf(string(r.URL))
		if !ok {
			return fmt.Errorf("response of type %q", r.URL)
		}
		if err := e.conn.Send(wire.ACK(&r)); err != nil {
			return err
		}
		e.count(&r, len(message))
		e.take(t, &r, at)
		if e.fresh {
			if err := e.follow(t, &r); err != nil {
				return err
			}
		}
	}
}

func (e *envoy) count(r *wire.Response, bytes int) {
	t := &e.clients.totals
	t.responses.Add(1)
	t.resources.Add(int64(len(r.Resources)))
	t.removed.Add(int64(len(r.Removed)))
	t.bytes.Add(int64(bytes))
}

// take notes what came and when.
func (e *envoy) take(t snapshot.Type, r *wire.Response, at time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.first {
		e.clients.held.apply(t, r)
	}
	if e.fresh {
		return // the index is not there yet
	}
	for _, res := range r.Resources {
		if id, ok := e.clients.index[t][string(wire.NameOf(res))]; ok {
			e.arrivals = append(e.arrivals, arrival{id, at})
			e.clients.totals.arrivals.Add(1)
		}
	}
}

// follow asks for what a fresh Envoy asks for next: the endpoints of each new
// cluster; when all are there, listeners; then HTTP configurations, scopes, routes and secrets; and virtual
// hosts when the route configuration is there.
func (e *envoy) follow(t snapshot.Type, r *wire.Response) error {
	if t == snapshot.Cluster && len(r.Resources) > 0 {
		names := func(yield func(string) bool) {
			for _, res := range r.Resources {
				if !yield(string(wire.NameOf(res))) {
					return
				}
			}
		}
		return e.conn.Send(wire.Ask(snapshot.Endpoints.URL(), names))
	}
	target := e.clients.target
	switch {
	case t == snapshot.Endpoints && len(e.clients.held[t]) == target.Expect[t]:
		return e.ask(snapshot.Listener, none)
	case t == snapshot.Listener:
		if err := e.ask(snapshot.ScopedRoute, none); err != nil {
			return err
		}
		return e.askNamed(snapshot.RouteConfiguration, snapshot.ExtensionConfig, snapshot.Secret)
	case t == snapshot.RouteConfiguration:
		return e.ask(snapshot.VirtualHost, none)
	}
	return nil
}

func (e *envoy) askNamed(types ...snapshot.Type) error {
	for _, t := range types {
		if names := e.clients.target.Named[t]; len(names) > 0 {
			if err := e.ask(t, slices.Values(names)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask is the first request of a type; it is sent once.
func (e *envoy) ask(t snapshot.Type, names iter.Seq[string]) error {
	if e.asked[t] {
		return nil
	}
	e.asked[t] = true
	return e.conn.Send(wire.Ask(t.URL(), names))
}

// loaded reports whether the first Envoy has everything.
func (e *envoy) loaded() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t, n := range e.clients.target.Expect {
		if len(e.clients.held[t]) < n {
			return false
		}
	}
	return true
}

// counts is what the first Envoy has, for an error.
func (e *envoy) counts() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var parts []string
	for t := range snapshot.Types() {
		parts = append(parts, fmt.Sprintf("%v %d of %d", t, len(e.clients.held[t]), e.clients.target.Expect[t]))
	}
	return strings.Join(parts, ", ")
}

func (e *envoy) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arrivals = e.arrivals[:0]
}
