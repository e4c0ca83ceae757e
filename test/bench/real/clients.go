package real

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/test/envoy"
)

// client is a connection that stays: who closes it, or leaves a request unanswered, has
// touched it.
type client struct {
	net.Conn
	reader  *bufio.Reader
	request []byte
}

func newClient(conn net.Conn, request []byte) *client {
	return &client{Conn: conn, reader: bufio.NewReader(conn), request: request}
}

// get asks a host for its path /.
func get(host string) []byte { return fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host) }

// ask wants a 200 on the connection, which stays open.
func (c *client) ask() error {
	resp, err := c.answer()
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.Close {
		return fmt.Errorf("%s, connection ends: %t", resp.Status, resp.Close)
	}
	c.request = withCookie(c.request, resp)
	return nil
}

// answer is that to the request; its body was read.
func (c *client) answer() (*http.Response, error) {
	if _, err := c.Write(c.request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// dialTLS connects to a host. What it presents is not verified but returned: it is one
// of ours, or the default certificate.
func (s *Side) dialTLS(host string) (*tls.Conn, []byte, error) {
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: hang}, "tcp", fmt.Sprintf("127.0.0.1:%d", s.https), config)
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.ConnectionState().PeerCertificates[0].Raw, nil
}

func leafOf(p world.Pair) []byte {
	block, _ := pem.Decode(p.Certificate)
	return block.Bytes
}

// awaitCertificate waits until a host presents a certificate, or no more does. A handshake
// may fail meanwhile: Envoy has a chain before it has its certificate.
func (s *Side) awaitCertificate(ctx context.Context, host string, leaf []byte, presented bool) error {
	return until(ctx, "the certificate of "+host, func() (bool, error) {
		conn, got, err := s.dialTLS(host)
		if err != nil {
			return false, nil
		}
		return bytes.Equal(got, leaf) == presented, conn.Close()
	})
}

// Others opens a connection to each of the first n hosts.
func (s *Side) Others(n int) (*Others, error) {
	o := &Others{}
	for i := range n {
		conn, _, err := s.dialTLS(Host(i))
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.clients = append(o.clients, newClient(conn, get(Host(i))))
	}
	_, err := o.Touched()
	return o, err
}

// Others are clients of hosts that do not change.
type Others struct{ clients []*client }

// Touched asks on each connection, and returns how many of them had an error or are
// told to end.
func (o *Others) Touched() (n int, err error) {
	for _, c := range o.clients {
		if e := c.ask(); e != nil {
			n, err = n+1, e
		}
	}
	return n, err
}

// Close ends them.
func (o *Others) Close() error {
	var errs []error
	for _, c := range o.clients {
		errs = append(errs, c.Conn.Close())
	}
	return errors.Join(errs...)
}

// Requests makes n requests over HTTP without TLS on each of some connections, each after
// the answer to the one before, and returns what Envoy's workers used for one.
func (s *Side) Requests(connections, n int) (perRequest, error) {
	return price(s.envoy, s.plainAddress(), func(i int) []byte { return get(Host(i)) }, connections, n)
}

// plainAddress is where Envoy listens for HTTP without TLS.
func (s *Side) plainAddress() string { return fmt.Sprintf("127.0.0.1:%d", s.http) }

// perRequest is CPU of workers.
type perRequest = time.Duration

// price makes n requests on each of some connections, of which the i-th asks what request
// says, and returns what the workers of an Envoy used for one.
func price(e *envoy.Envoy, address string, request func(i int) []byte, connections, n int) (perRequest, error) {
	clients := make([]*client, connections)
	for i := range clients {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		clients[i] = newClient(conn, request(i))
		if err := clients[i].ask(); err != nil { // a connection to the backend, too
			return 0, err
		}
	}
	before, err := proc.ThreadsOf(e.PID(), workers)
	if err != nil {
		return 0, err
	}
	failed := make(chan error, connections)
	for _, c := range clients {
		go func() {
			var err error
			for i := 0; i < n && err == nil; i++ {
				err = c.ask()
			}
			failed <- err
		}()
	}
	var errs []error
	for range clients {
		errs = append(errs, <-failed)
	}
	after, err := proc.ThreadsOf(e.PID(), workers)
	return (after.Workers - before.Workers) / time.Duration(connections*n), errors.Join(append(errs, err)...)
}
