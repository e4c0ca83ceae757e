//go:build real

package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"legation.dev/xds/bootstrap"
)

// helloOf is the ClientHello that begins a handshake.
func helloOf(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go tls.Client(theirs, &tls.Config{ServerName: "web.test"}).HandshakeContext(t.Context())
	hello := make([]byte, 4096)
	n, err := ours.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}

// trickle sends a request's headers, a byte each second.
func trickle(c net.Conn) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.test\r\nX-Slow: "); err != nil {
		return err
	}
	go func() {
		for tick := time.NewTicker(time.Second); ; <-tick.C {
			if _, err := io.WriteString(c, "x"); err != nil {
				tick.Stop()
				return
			}
		}
	}()
	return nil
}

// answered asks once, and waits for the whole answer; the connection stays.
func answered(c net.Conn) error {
	if _, err := io.WriteString(c, get("web.test", "/", "Connection: keep-alive")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 4096))
	return err
}

// idler is a client that takes a connection and does nothing with it.
type idler struct {
	tls bool // on the listener with TLS
	do  func(net.Conn) error
}

func idlers(t *testing.T) map[string]idler {
	hello := helloOf(t)
	write := func(text string) func(net.Conn) error {
		return func(c net.Conn) error { _, err := io.WriteString(c, text); return err }
	}
	return map[string]idler{
		"says nothing":           {false, write("")},
		"half of a ClientHello":  {true, write(string(hello[:len(hello)/2]))},
		"half of a handshake":    {true, write(string(hello))},
		"headers that never end": {false, trickle},
		"silent after a request": {false, answered},
		"no stream of HTTP/2":    {false, write(http2.ClientPreface + emptySettings)},
		"HEADERS without an end": {false, write(http2.ClientPreface + emptySettings + openHeaders)},
	}
}

// emptySettings is a SETTINGS frame of HTTP/2 that sets nothing.
const emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// openHeaders is a HEADERS frame of HTTP/2 without END_HEADERS: a method, and a
// CONTINUATION that never comes.
const openHeaders = "\x00\x00\x01\x01\x01\x00\x00\x00\x01\x82"

// TestConnectionsTaken: clients that take every connection and do nothing with it cannot keep
// others out, in an Envoy without a limit of memory, too.
func TestConnectionsTaken(t *testing.T) {
	const limit = 60
	for name, idler := range idlers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(c *bootstrap.Config) { c.MaxConnections = limit })
			address := s.HTTP
			if idler.tls {
				address = s.HTTPS
			}
			for range limit {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				if err := idler.do(c); err != nil {
					t.Fatal(err)
				}
			}
			begun := time.Now()
			s.taken(t, limit)
			s.refused(t)
			s.answered(t)
			took := time.Since(begun)
			t.Logf("answered after %s", took.Round(10*time.Millisecond))
			if took > 15*time.Second {
				t.Errorf("one more client is answered after %s", took)
			}
		})
	}
}

// refused waits until one more client is closed without an answer. A connection may count
// twice for a moment, where TLS begins, so that one more is answered before all are taken.
func (s *started) refused(t *testing.T) {
	t.Helper()
	if err := s.Await(s.ctx, func() error {
		if got, _ := s.status(t, "GET", s.HTTP, "/"); got != 0 {
			return fmt.Errorf("all are taken, and one more client is answered %d", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// taken waits until clients have so many connections.
func (s *started) taken(t *testing.T, n uint64) {
	t.Helper()
	if err := s.Await(s.ctx, func() error {
		stats, err := s.Envoy.Stats(s.ctx, `^listener\.https?\.downstream_(pre_)?cx_active$`)
		if err != nil {
			return err
		}
		var sum uint64
		for _, active := range stats {
			sum += active
		}
		if sum != n {
			return fmt.Errorf("%d connections, want %d", sum, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// answered waits until a new client is.
func (s *started) answered(t *testing.T) {
	t.Helper()
	if err := s.Await(s.ctx, func() error {
		if got, err := s.status(t, "GET", s.HTTP, "/"); got == 0 {
			return errors.New(err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestHandshakesEnd: half a handshake is ended in time, however many connections are free.
func TestHandshakesEnd(t *testing.T) {
	t.Parallel()
	s := start(t, func(*bootstrap.Config) {})
	all, ended := idlers(t), make(chan error, 2)
	for _, name := range []string{"half of a ClientHello", "half of a handshake"} {
		c, err := net.Dial("tcp", s.HTTPS)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := all[name].do(c); err != nil {
			t.Fatal(err)
		}
		go func() {
			c.SetReadDeadline(time.Now().Add(time.Minute)) // 15 s are meant, and an idle connection has an hour
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				ended <- fmt.Errorf("%s is still open after a minute", name)
				return
			}
			ended <- nil
		}()
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
