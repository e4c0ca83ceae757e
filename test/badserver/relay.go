package badserver

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Relay stands between Envoy and a server and makes loopback a network: what is
// sent either way, ends of connections included, comes so much later.
type Relay struct {
	network, address string // of the server
	delay            time.Duration
	listener         net.Listener
	running          sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

// NewRelay listens on a free port of loopback, before a server at address of
// network ("tcp" or "unix"). Who calls it calls Close.
func NewRelay(network, address string, delay time.Duration) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{network: network, address: address, delay: delay, listener: l, conns: map[net.Conn]struct{}{}}
	r.running.Go(r.accept)
	return r, nil
}

// Address is where it listens.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// Close ends all connections and waits for that.
func (r *Relay) Close() {
	r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		c.Close()
	}
	r.conns = nil
	r.mu.Unlock()
	r.running.Wait()
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(r.network, r.address)
		if err != nil {
			client.Close() // as a server that has gone
			continue
		}
		if !r.open(client, server) {
			return
		}
		r.running.Go(func() { r.join(client, server) })
	}
}

func (r *Relay) open(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.conns == nil {
			c.Close()
		} else {
			r.conns[c] = struct{}{}
		}
	}
	return r.conns != nil
}

func (r *Relay) join(client, server net.Conn) {
	var ways sync.WaitGroup
	ways.Go(func() { r.carry(client, server) })
	ways.Go(func() { r.carry(server, client) })
	ways.Wait()
	client.Close()
	server.Close()
	r.mu.Lock()
	delete(r.conns, client)
	delete(r.conns, server)
	r.mu.Unlock()
}

// piece is what was read, and when it is to be passed on.
type piece struct {
	bytes []byte
	at    time.Time
	err   error // the end, or nil
}

// inFlight is how many pieces one way of a connection holds.
const inFlight = 64

// carry passes on what from sends, and then its end.
func (r *Relay) carry(to, from net.Conn) {
	pieces := make(chan piece, inFlight)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			pieces <- piece{buffer[:n], time.Now().Add(r.delay), err}
			if err != nil {
				return
			}
		}
	}()
	var failed error
	for p := range pieces { // to the end, so that the reader ends
		time.Sleep(time.Until(p.at)) // the delay of the network
		if _, err := to.Write(p.bytes); err != nil && failed == nil {
			failed = err
			from.Close()
		}
		if p.err != nil {
			end(to, p.err)
		}
	}
}

// end passes on the end of a connection: its sender may still read, or has reset it.
func end(to net.Conn, err error) {
	half, ok := to.(interface{ CloseWrite() error })
	if ok && errors.Is(err, io.EOF) {
		half.CloseWrite()
		return
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	to.Close()
}

// Pass copies both ways until both sides have ended, and closes them; the end of one is
// told to the other.
func Pass(client, server *net.TCPConn) {
	defer client.Close()
	defer server.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(client, server)
		client.CloseWrite()
	}()
	io.Copy(server, client)
	server.CloseWrite()
	<-back
}
