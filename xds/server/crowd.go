package server

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"google.golang.org/grpc/peer"

	"legation.dev/xds/identity"
)

const (
	// perAddress bounds the connections from one address: room for a fleet behind
	// one address (NAT), and less than 100 MB for whoever opens them in vain.
	perAddress = 1000
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
	conns int
	hello chan struct{} // holds a value for each helloToken that they have or wait for
}

func newCrowd(g *identity.Gate) *crowd { return &crowd{gate: g, at: map[netip.Addr]*party{}} }

// partyOf is that of a call; nil if it has none, as without TLS.
func (c *crowd) partyOf(ctx context.Context) *party {
	p, ok := peer.FromContext(ctx)
	if c == nil || !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[addressOf(p.Addr)]
}

func addressOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// enter counts a connection; it is false if there are too many.
func (c *crowd) enter(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.at[a]
	if p == nil {
		p = &party{hello: make(chan struct{}, helloPerAddress)}
		c.at[a] = p
	}
	if p.conns >= perAddress {
		return false
	}
	p.conns++
	return true
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
		if l.crowd.enter(a) {
			return &member{Conn: conn, leave: func() { l.crowd.leave(a) }}, nil
		}
		l.crowd.gate.Crowded(conn.RemoteAddr())
		_ = conn.Close() // nothing was sent yet
	}
}

// member is a connection of a crowd.
type member struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *member) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
