// Package limits bounds what clients can have a gRPC server keep: connections and
// calls from one address, and requests that are under way.
//
// It knows HTTP/2 and how gRPC puts messages into it, and nothing of what they say.
//
// Start reading at Limiter; guard is one connection.
package limits

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// perAddress bounds the connections from one address: room for a fleet behind
	// one address (NAT), and less than 100 MB if they are opened in vain.
	perAddress = 1000
	// callsPerAddress bounds the calls from one address, since each has a window. An
	// Envoy has one, and for a moment two when it connects again.
	callsPerAddress = 2 * perAddress
)

// Config of a Limiter. All is required.
type Config struct {
	// Window is the flow-control window of a stream, in bytes: a larger request is a
	// large one. It must be static (grpc.StaticStreamWindowSize).
	Window int
	// Large is what large requests may take together while they are under way, in
	// bytes; LargeOfOne what those of one address may. No request may be larger.
	Large, LargeOfOne int64
	// Patience is how long a large request may take, from when it is let in until it is
	// taken in.
	Patience time.Duration
	// Turns is how many values Party.Turns has room for.
	Turns int
	// Refused hears of a connection or call that is one too many from its address.
	Refused func(net.Addr)
	Log     *slog.Logger
}

// Limiter is who is connected, by address. Its methods may be called from any
// goroutine.
type Limiter struct {
	Config
	large *semaphore.Weighted // bytes of large requests; see budgets
	waits sync.WaitGroup      // for what waits for room

	mu sync.Mutex // guards at and the counts in it
	at map[netip.Addr]*Party
}

// New makes a Limiter without clients.
func New(c Config) *Limiter {
	return &Limiter{Config: c, large: semaphore.NewWeighted(c.Large), at: map[netip.Addr]*Party{}}
}

// Wait waits until nothing of it runs, when all connections are closed.
func (c *Limiter) Wait() { c.waits.Wait() }

// Room reports whether so many bytes are left for large requests. Only tests ask.
func (c *Limiter) Room(bytes int64) bool {
	if !c.large.TryAcquire(bytes) {
		return false
	}
	c.large.Release(bytes)
	return true
}

// PartyAt is the clients of one address; nil if none is connected. Only tests ask.
func (c *Limiter) PartyAt(a netip.Addr) *Party {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[a]
}

// Party are the clients of one address.
type Party struct {
	// Turns holds a value for each of them whose turn it is to be read, or who waits
	// for that; Names counts what is kept of them. Both are kept by the holder of a Call.
	Turns chan struct{}
	Names atomic.Int64

	conns int // guarded by the Limiter's mutex
	calls atomic.Int64
	large *semaphore.Weighted // bytes of their large requests
}

// count adds to the calls of a Party, which may be nil.
func (p *Party) count(calls int64) {
	if p != nil {
		p.calls.Add(calls)
	}
}

func addressOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// enter counts a connection. Its Party is nil if there are too many.
func (c *Limiter) enter(a netip.Addr) *Party {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.at[a]
	if p == nil {
		p = &Party{Turns: make(chan struct{}, c.Turns), large: semaphore.NewWeighted(c.LargeOfOne)}
		c.at[a] = p
	}
	if p.conns >= perAddress {
		return nil
	}
	p.conns++
	return p
}

func (c *Limiter) leave(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.at[a]
	if p.conns--; p.conns == 0 {
		delete(c.at, a)
	}
}

// Listen wraps l and limits the open connections of each client address.
func (c *Limiter) Listen(l net.Listener) net.Listener { return listener{l, c} }

// listener accepts for a Limiter.
type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a := addressOf(conn.RemoteAddr())
		if p := l.limiter.enter(a); p != nil {
			return &member{Conn: conn, party: p, leave: func() { l.limiter.leave(a) }}, nil
		}
		l.limiter.Refused(conn.RemoteAddr())
		_ = conn.Close() // nothing was sent yet
	}
}

// member is a connection of a Limiter.
type member struct {
	net.Conn
	party *Party
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *member) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
