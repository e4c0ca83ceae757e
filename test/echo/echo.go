// Package echo is the backend of tests and of the demo: a server that names its
// Service in each answer and tells what it received.
//
// Each server is one instance (a pod) on an address of its own; Address hands
// out loopback addresses, so that many instances share one port as pods do. It
// speaks HTTP/1.1, HTTP/2 without TLS, and WebSocket. How it ends is the
// caller's choice: StopAccepting, Shutdown or Kill.
//
// Start reading at Start; answer.go holds what a request is answered.
package echo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Server is one running instance. Its methods may be called from any goroutine.
type Server struct {
	service, instance string
	addr              netip.AddrPort
	listener          net.Listener
	http              *http.Server

	mu       sync.Mutex // guards the fields below
	requests map[string]uint64
	conns    map[*net.TCPConn]struct{} // also those of WebSockets, which http.Server forgets

	done chan struct{} // closed when nothing is accepted any more
}

// Start serves as an instance of service on addr ("127.64.0.1:8080"; port 0
// takes a free one). The instance is named by its address. Whoever calls Start
// calls Kill, or Shutdown if no WebSocket is open.
func Start(service, addr string) (*Server, error) { return StartAs(service, "", addr) }

// StartAs is Start with a name for the instance, such as that of its pod.
func StartAs(service, instance, addr string) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("an instance of Service %s: %w", service, err)
	}
	s := &Server{
		service: service, instance: cmp.Or(instance, listener.Addr().String()),
		addr:     listener.Addr().(*net.TCPAddr).AddrPort(),
		listener: listener,
		requests: make(map[string]uint64),
		conns:    make(map[*net.TCPConn]struct{}),
		done:     make(chan struct{}),
	}
	s.http = s.httpServer()
	go func() {
		s.http.Serve(&tracker{Listener: listener, server: s}) // its error is that the listener was closed
		close(s.done)
	}()
	return s, nil
}

// httpServer has no timeouts: idle connections stay until Envoy or the caller
// ends them, so that no close of ours races with a request.
func (s *Server) httpServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   http.HandlerFunc(s.answer),
		Protocols: &protocols,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
}

// Service is the name of the Service that each answer carries.
func (s *Server) Service() string { return s.service }

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Count is the number of requests for path (without query) so far.
func (s *Server) Count(path string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

// Requests is the number of all requests so far.
func (s *Server) Requests() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n uint64
	for _, k := range s.requests {
		n += k
	}
	return n
}

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// StopAccepting refuses new connections; open ones are served on. Kill must
// still follow.
func (s *Server) StopAccepting() {
	s.listener.Close()
	<-s.done
}

// Shutdown refuses new connections, closes idle ones and lets running requests
// finish. WebSockets are not waited for and stay open. The error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	<-s.done
	return err
}

// Kill ends the server as a crash does: every connection is reset, whatever is
// in flight.
func (s *Server) Kill() {
	s.StopAccepting()
	s.mu.Lock()
	for conn := range s.conns {
		conn.SetLinger(0) // a reset, not an orderly end
	}
	s.mu.Unlock()
	for _, conn := range s.open() {
		conn.Close()
	}
	s.http.Close()
}

// open returns the open connections, in no order.
func (s *Server) open() []net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]net.Conn, 0, len(s.conns))
	for conn := range s.conns {
		all = append(all, conn)
	}
	return all
}

// tracker is the listener of a server; it records open connections.
type tracker struct {
	net.Listener
	server *Server
}

func (t *tracker) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	t.server.mu.Lock()
	t.server.conns[tcp] = struct{}{}
	t.server.mu.Unlock()
	return &tracked{TCPConn: tcp, server: t.server}, nil
}

// Close lets http.Server end with the listener closed by StopAccepting.
func (t *tracker) Close() error {
	if err := t.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

type tracked struct {
	*net.TCPConn
	server *Server
}

func (c *tracked) Close() error {
	c.server.mu.Lock()
	delete(c.server.conns, c.TCPConn)
	c.server.mu.Unlock()
	return c.TCPConn.Close()
}

// Address is the loopback address of instance n, from 127.64.0.1 on; never one
// that ends in 0 or 255. n is from 0 to 16 million.
func Address(n int) netip.Addr {
	const perNet = 254
	net, host := n/perNet, n%perNet+1
	return netip.AddrFrom4([4]byte{127, byte(64 + net>>8), byte(net), byte(host)})
}

// maxDelay bounds what a request may ask for, so that a typing error does not
// hold a test for ever.
const maxDelay = 10 * time.Minute
