//go:build real

package shutdown

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// outcome is how a client's work ended.
type outcome struct {
	name string
	err  error // nil: all of it was done
	at   time.Time
}

// clients is clients that are at work.
type clients struct {
	address string        // of a listener
	tls     *tls.Config   // of clients of https; nil: http
	every   time.Duration // between two messages on a WebSocket
	leave   chan struct{} // closed: WebSockets are to leave; nil: they know when themselves
	begun   sync.WaitGroup
	done    chan outcome
	started int
}

func newClients(address string) *clients {
	return &clients{address: address, every: 100 * time.Millisecond, done: make(chan outcome, 1000)}
}

// add starts a client. work calls begun when Envoy has its request.
func (c *clients) add(name string, work func(begun func()) error) {
	c.started++
	c.begun.Add(1)
	begun := sync.OnceFunc(c.begun.Done)
	go func() {
		defer begun()
		err := work(begun)
		c.done <- outcome{name, err, time.Now()}
	}()
}

// outcomes waits for the end of all clients and says when the last one ended.
func (c *clients) outcomes(t *testing.T) (failed []outcome, last time.Time) {
	t.Helper()
	for range c.started {
		select {
		case o := <-c.done:
			if o.err != nil {
				failed = append(failed, o)
			}
			if o.at.After(last) {
				last = o.at
			}
		case <-time.After(patience):
			t.Fatal("a client does not end")
		}
	}
	return failed, last
}

// fresh is a client without connections to use again.
func fresh() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// ask sends a request and reads the answer whole; begun is called when it was
// sent.
func (c *clients) ask(method, path string, body io.Reader, begun func()) (string, error) {
	req, err := http.NewRequest(method, "http://"+c.address+path, body)
	if err != nil {
		return "", err
	}
	req.Host = host
	client := fresh()
	defer client.CloseIdleConnections()
	begun()
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %.100s", resp.Status, text)
	}
	return string(text), err
}

// slow adds a request that takes so long.
func (c *clients) slow(d time.Duration) {
	c.add("slow request", func(begun func()) error {
		_, err := c.ask(http.MethodGet, "/slow?delay="+d.String(), nil, begun)
		return err
	})
}

// events adds a stream of a line every 100 ms for so long.
func (c *clients) events(d time.Duration) {
	lines := int(d / (100 * time.Millisecond))
	c.add("event stream", func(begun func()) error {
		text, err := c.ask(http.MethodGet, fmt.Sprintf("/events?stream=%d&every=100ms", lines), nil, begun)
		if got := len(bytesLines(text)); err == nil && got != lines {
			err = fmt.Errorf("%d of %d lines", got, lines)
		}
		return err
	})
}

func bytesLines(text string) (lines []string) {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

// upload adds a request whose body takes so long to send.
func (c *clients) upload(d time.Duration) {
	c.add("upload", func(begun func()) error { return c.send(d, begun) })
}

// send is one such request, from its head to its answer.
func (c *clients) send(d time.Duration, begun func()) error {
	const pieces, piece = 50, 4096
	reader, writer := io.Pipe()
	go func() {
		defer writer.Close()
		tick := time.NewTicker(d / pieces)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			if _, err := writer.Write(make([]byte, piece)); err != nil {
				return
			}
			begun()
		}
	}()
	text, err := c.ask(http.MethodPost, "/upload", reader, func() {})
	reader.Close()
	if want := fmt.Sprintf(`"received":%d`, pieces*piece); err == nil && !strings.Contains(text, want) {
		err = fmt.Errorf("the server read %s, want %s", text, want)
	}
	return err
}

// webSocket adds one that sends messages and leaves after so long; 0 never.
func (c *clients) webSocket(d time.Duration) {
	c.add("WebSocket", func(begun func()) error { return c.session(d, begun) })
}

// sessionLimit bounds the life of a WebSocket.
const sessionLimit = 10 * time.Minute

// session is one WebSocket, from its handshake to the end by its client.
func (c *clients) session(d time.Duration, begun func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), sessionLimit)
	defer cancel()
	options, scheme := &websocket.DialOptions{Host: host}, "ws"
	if c.tls != nil {
		options.HTTPClient, scheme = &http.Client{Transport: &http.Transport{TLSClientConfig: c.tls}}, "wss"
	}
	conn, _, err := websocket.Dial(ctx, scheme+"://"+c.address+"/socket", options)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	return c.talk(ctx, conn, d, begun)
}

func (c *clients) talk(ctx context.Context, conn *websocket.Conn, d time.Duration, begun func()) error {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for end := time.Now().Add(d); d == 0 || time.Now().Before(end); {
		if err := conn.Write(ctx, websocket.MessageText, []byte("ping")); err != nil {
			return err
		}
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
		begun()
		select {
		case <-tick.C:
		case <-c.leave:
			return conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

// idle adds a client with an idle connection, on which it asked once. Its work
// is done when Envoy ends the connection in good order.
func (c *clients) idle() {
	c.add("idle connection", func(begun func()) error {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		reader := bufio.NewReader(conn)
		if _, err := askOn(conn, reader); err != nil {
			return err
		}
		begun()
		if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("ended by %w, not by FIN", err)
		}
		return nil
	})
}

// busy adds a client that asks every 50 ms on one connection until it is told to
// leave by `Connection: close`.
func (c *clients) busy() {
	c.add("busy connection", func(begun func()) error {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		reader := bufio.NewReader(conn)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			resp, err := askOn(conn, reader)
			if err != nil {
				return err
			}
			begun()
			if resp.Close {
				return nil
			}
			<-tick.C
		}
	})
}

// probes adds a client that asks for /ready every 20 ms on one connection, until
// Envoy ends it.
func (c *clients) probes() {
	c.add("prober", func(begun func()) error {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		reader := bufio.NewReader(conn)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ; ; <-tick.C {
			if _, err := fmt.Fprintf(conn, "GET /ready HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
				return nil
			}
			resp, err := http.ReadResponse(reader, nil)
			if err != nil {
				return nil
			}
			io.Copy(io.Discard, resp.Body)
			begun()
			if resp.Close {
				return errors.New("Envoy drains its listener for probes")
			}
		}
	})
}

// askOn sends a request on a connection and reads the answer.
func askOn(conn net.Conn, reader *bufio.Reader) (*http.Response, error) {
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	return resp, nil
}

// stays asks three times on one connection, which an Envoy that does not drain
// leaves open.
func (c *clients) stays() error {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	reader := bufio.NewReader(conn)
	for range 3 {
		resp, err := askOn(conn, reader)
		if err != nil {
			return err
		}
		if resp.Close {
			return errors.New("told to leave")
		}
	}
	return nil
}

// fetch gets a page; another status than 200 is an error.
func fetch(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := fresh()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %.200s", resp.Status, text)
	}
	return string(text), err
}
