package server

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"legation.dev/xds/identity"
)

const (
	// perAddress bounds the connections from one address: room for a fleet behind
	// one address (NAT), and less than 100 MB for whoever opens them in vain.
	perAddress = 1000
	// callsPerAddress bounds the calls from one address, since each has a window. An
	// Envoy has one, and for a moment two when it connects again.
	callsPerAddress = 2 * perAddress
	// helloPerAddress is how many of the helloTokens the streams of one address may
	// have: who opens stream after stream stands in a queue of its own.
	helloPerAddress = helloTokens / 2
)

// crowd is who is connected, by address. Its methods may be called from any
// goroutine.
type crowd struct {
	gate *identity.Gate

	mu sync.Mutex // guards at and the counts in it
	at map[netip.Addr]*party
}

// party are the clients of one address.
type party struct {
	conns int // guarded by the crowd's mutex
	calls atomic.Int64
	names atomic.Int64        // kept for their streams; see delta.Conn.Held
	hello chan struct{}       // holds a value for each helloToken that they have or wait for
	large *semaphore.Weighted // bytes of their large requests
}

// count adds to the calls of a party, which may be nil.
func (p *party) count(calls int64) {
	if p != nil {
		p.calls.Add(calls)
	}
}

func newCrowd(g *identity.Gate) *crowd { return &crowd{gate: g, at: map[netip.Addr]*party{}} }

func addressOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// enter counts a connection. Its party is nil if there are too many.
func (c *crowd) enter(a netip.Addr) *party {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.at[a]
	if p == nil {
		p = &party{hello: make(chan struct{}, helloPerAddress), large: semaphore.NewWeighted(largePerAddress)}
		c.at[a] = p
	}
	if p.conns >= perAddress {
		return nil
	}
	p.conns++
	return p
}

func (c *crowd) leave(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.at[a]
	if p.conns--; p.conns == 0 {
		delete(c.at, a)
	}
}

// listener accepts for a crowd.
type listener struct {
	net.Listener
	crowd *crowd
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a := addressOf(conn.RemoteAddr())
		if p := l.crowd.enter(a); p != nil {
			return &member{Conn: conn, party: p, leave: func() { l.crowd.leave(a) }}, nil
		}
		l.crowd.gate.Crowded(conn.RemoteAddr())
		_ = conn.Close() // nothing was sent yet
	}
}

// member is a connection of a crowd.
type member struct {
	net.Conn
	party *party
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *member) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
