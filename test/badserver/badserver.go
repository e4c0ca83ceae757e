// Package badserver is servers that do what a proxy would rather they did not: they
// close connections without notice, or do not answer. For tests.
//
// Start reading at Start; backlogged.go has an address that nobody answers.
package badserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Closes is when a server closes a connection, without notice. The zero Closes
// never does.
type Closes struct {
	Idle     time.Duration // after so long without a request; 0: never
	Age      time.Duration // so long after it was accepted, between two requests; 0: never
	Requests int           // after so many; 0: never
	// Announces is what each answer says of that, in whole seconds; 0: nothing.
	Announces time.Duration
}

// Server answers every request 200 with HTTP/1.1, until it closes the connection.
// It counts how often each path was executed. Its methods may be called from any
// goroutine.
type Server struct {
	closes   Closes
	service  string
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	executed map[string]int
	conns    map[net.Conn]struct{} // nil once the server has ended
	accepted int
}

// HeaderService names the Service in each answer, as that of package echo does.
const HeaderService = "X-Echo-Service"

// Start serves on a free port of loopback. Who calls it calls Close.
func Start(service string, c Closes) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{closes: c, service: service, listener: l, executed: map[string]int{}, conns: map[net.Conn]struct{}{}}
	s.running.Go(s.accept)
	return s, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Executed is how often a path was executed, by method and path with query.
func (s *Server) Executed(method, path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.executed[method+" "+path]
}

// Twice are the requests that were executed more than once, and how many were in
// all.
func (s *Server) Twice() (twice []string, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for request, n := range s.executed {
		all += n
		if n > 1 {
			twice = append(twice, request)
		}
	}
	return twice, all
}

// Accepted is how many connections were accepted.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Close ends the server and waits for it.
func (s *Server) Close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil || !s.open(conn) {
			return
		}
		s.running.Go(func() { s.serve(conn) })
	}
}

func (s *Server) open(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	s.accepted++
	return true
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	reader, since := bufio.NewReader(conn), time.Now()
	for n := 0; s.closes.Requests == 0 || n < s.closes.Requests; n++ {
		conn.SetReadDeadline(s.closes.deadline(since))
		if _, err := reader.Peek(1); err != nil {
			return
		}
		conn.SetReadDeadline(time.Time{})
		if s.answer(conn, reader) != nil {
			return
		}
	}
}

// deadline is when a connection is closed that gets no request before.
func (c Closes) deadline(since time.Time) (at time.Time) {
	if c.Idle > 0 {
		at = time.Now().Add(c.Idle)
	}
	if end := since.Add(c.Age); c.Age > 0 && (at.IsZero() || end.Before(at)) {
		at = end
	}
	return at
}

// answer reads one request, body and all, counts it, and answers.
func (s *Server) answer(conn net.Conn, reader *bufio.Reader) error {
	req, err := http.ReadRequest(reader)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return err
	}
	s.mu.Lock()
	s.executed[req.Method+" "+req.RequestURI]++
	s.mu.Unlock()
	announced := ""
	if s.closes.Announces > 0 {
		announced = fmt.Sprintf("Keep-Alive: timeout=%d\r\n", s.closes.Announces/time.Second)
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s: %s\r\n%sContent-Length: 2\r\n\r\nok", HeaderService, s.service, announced)
	return err
}
