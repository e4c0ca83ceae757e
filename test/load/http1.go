package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// bodyKept is how many bytes of a body an example shows.
const bodyKept = 256

// http1 is an HTTP/1.1 connection, written by hand.
type http1 struct {
	worker *worker
	conn   net.Conn
	reader *bufio.Reader // owned by the watching goroutine from watch until arrived has a value
	// arrived gets nil when the first byte of an answer is there, or the error
	// that ended the connection.
	arrived chan error
}

func dialHTTP1(ctx context.Context, w *worker) (connection, error) {
	conn, err := w.connect(ctx, protocolHTTP1)
	if err != nil {
		return nil, err
	}
	c := &http1{worker: w, conn: conn, reader: bufio.NewReader(conn), arrived: make(chan error, 1)}
	c.watch()
	return c, nil
}

// watch waits for the next byte, also between requests, so that a close is seen
// when it comes and not only by the next request. Its goroutine ends with the
// connection at the latest.
func (c *http1) watch() {
	go func() {
		_, err := c.reader.Peek(1)
		c.arrived <- err
	}()
}

func (c *http1) subject() (host, path string, judge Oracle) {
	host, path = c.worker.Next()
	return host, path, c.worker.Oracle
}

func (c *http1) request(host, path string) (answer, error) {
	c.conn.SetDeadline(time.Now().Add(c.worker.timeout()))
	defer c.conn.SetDeadline(time.Time{})
	_, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n\r\n", path, host)
	if err != nil {
		return answer{}, err
	}
	if err := <-c.arrived; err != nil {
		return answer{}, err
	}
	a, err := c.read()
	if err == nil && !a.closing {
		c.watch()
	}
	return a, err
}

func (c *http1) read() (answer, error) {
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return answer{}, err
	}
	body, err := readBody(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("body of an answer %s: %w", resp.Status, err)
	}
	if resp.Close {
		c.worker.recorder.connectionClose.Add(1)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, closing: resp.Close}, nil
}

// readBody reads to the end and returns the beginning.
func readBody(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	head, err := io.ReadAll(io.LimitReader(body, bodyKept))
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, body)
	return head, err
}

func (c *http1) gone() <-chan error { return c.arrived }

func (c *http1) close() { c.conn.Close() }
