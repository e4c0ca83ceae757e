//go:build real

package cluster

import (
	"errors"
	"io"
	"net"
	"sync"
)

// Wire passes connections on to an address that can be changed. It can be held
// up, as by a slow network, and cut. Its methods may be called from any goroutine.
type Wire struct {
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	open   *sync.Cond // of held
	to     string
	held   bool
	broken bool
	closed bool
	conns  map[net.Conn]struct{}
}

// NewWire listens at an address and passes on to another.
func NewWire(at, to string) (*Wire, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	w := &Wire{listener: l, to: to, conns: map[net.Conn]struct{}{}}
	w.open = sync.NewCond(&w.mu)
	w.done.Go(w.accept)
	return w, nil
}

// Address is where it listens.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// Lead passes further connections on to another address, and cuts those there are.
func (w *Wire) Lead(to string) {
	w.mu.Lock()
	w.to = to
	w.mu.Unlock()
	w.Cut()
}

func (w *Wire) leads() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to
}

// Cut ends all connections. Further ones come about.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close() // it may be closed already
	}
}

// Break ends all connections, and further ones as soon as they come about, until
// Mend.
func (w *Wire) Break() {
	w.mu.Lock()
	w.broken = true
	w.mu.Unlock()
	w.Cut()
}

// Mend lets connections come about again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = false
}

// Hold keeps back what comes from the server, until Release.
func (w *Wire) Hold() { w.hold(true) }

// Release passes on what was kept back.
func (w *Wire) Release() { w.hold(false) }

func (w *Wire) hold(held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = held
	w.open.Broadcast()
}

// Close ends all connections and refuses further ones.
func (w *Wire) Close() error {
	w.mu.Lock()
	w.closed, w.held = true, false
	w.open.Broadcast()
	w.mu.Unlock()
	err := w.listener.Close()
	w.Cut()
	w.done.Wait()
	return err
}

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return // it was closed
		}
		w.done.Go(func() { w.pass(client) })
	}
}

// pass serves one connection to its end.
func (w *Wire) pass(client net.Conn) {
	to := w.leads()
	server, err := net.Dial("tcp", to)
	if err != nil {
		_ = client.Close() // refused, as good as one can
		return
	}
	if w.add(to, client, server) {
		var both sync.WaitGroup
		both.Go(func() { w.copy(server, client) })
		both.Go(func() { w.copy(client, gate{server, w}) })
		both.Wait()
	}
	w.remove(client, server)
}

// add makes connections cuttable. It is false if they are not wanted any more.
func (w *Wire) add(to string, conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = struct{}{}
	}
	return !w.closed && !w.broken && w.to == to
}

func (w *Wire) remove(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // it may be closed already
		delete(w.conns, c)
	}
}

// copy passes bytes on until one side ends, and ends the other.
func (w *Wire) copy(to net.Conn, from io.ReadCloser) {
	_, err := io.Copy(to, from)
	if err == nil {
		if half, ok := to.(*net.TCPConn); ok {
			err = half.CloseWrite()
		}
	}
	if err != nil {
		_ = errors.Join(to.Close(), from.Close()) // whoever ended first is no matter
	}
}

// gate is what comes from a server; it opens when the Wire is not held.
type gate struct {
	net.Conn
	wire *Wire
}

// Read implements io.Reader.
func (g gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.wire.mu.Lock()
	defer g.wire.mu.Unlock()
	for g.wire.held {
		g.wire.open.Wait()
	}
	return n, err
}
