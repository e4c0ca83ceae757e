//go:build real

package incluster

import (
	"errors"
	"io"
	"net"
	"sync"
)

// Wire passes connections on to an address that can be changed. It can be held
// up, as by a slow network, and cut. Its methods may be called from any goroutine.
type Wire struct {
	address string
	done    sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	open     *sync.Cond // of held
	listener net.Listener
	to       string
	held     bool
	closed   bool // or broken
	conns    map[net.Conn]struct{}
}

// NewWire listens at an address and passes on to another.
func NewWire(at, to string) (*Wire, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	w := &Wire{address: l.Addr().String(), listener: l, to: to, conns: map[net.Conn]struct{}{}}
	w.open = sync.NewCond(&w.mu)
	w.done.Go(func() { w.accept(l) })
	return w, nil
}

// Address is where it listens.
func (w *Wire) Address() string { return w.address }

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

// Break ends all connections and refuses further ones, until Mend: the port must not
// be one that the kernel gives to clients.
func (w *Wire) Break() error {
	w.mu.Lock()
	w.closed = true
	l := w.listener
	w.mu.Unlock()
	err := l.Close()
	w.Cut()
	return err
}

// Mend lets connections come about again.
func (w *Wire) Mend() error {
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener, w.closed = l, false
	w.done.Go(func() { w.accept(l) })
	return nil
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
	w.Release()
	err := w.Break()
	w.done.Wait()
	if errors.Is(err, net.ErrClosed) { // it was broken
		return nil
	}
	return err
}

func (w *Wire) accept(l net.Listener) {
	for {
		client, err := l.Accept()
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
	return !w.closed && w.to == to
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
