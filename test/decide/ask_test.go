//go:build real

package decide

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/translator/route"
)

// client has a connection to each listener. It belongs to one goroutine.
type client struct {
	http, https net.Conn
	readers     map[net.Conn]*bufio.Reader
}

// dial connects to an Envoy. Names of TLS play no part: the chain for clients that
// name none takes requests to all hosts.
func dial(t *testing.T, w *suite) *client {
	t.Helper()
	plain, err := net.Dial("tcp", w.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Dial("tcp", w.HTTPS, &tls.Config{InsecureSkipVerify: true}) // the certificate is made for nobody
	if err != nil {
		t.Fatal(err)
	}
	c := &client{http: plain, https: secure, readers: map[net.Conn]*bufio.Reader{}}
	for _, conn := range []net.Conn{c.http, c.https} {
		conn.SetDeadline(time.Now().Add(settleTimeout))
		c.readers[conn] = bufio.NewReader(conn)
	}
	return c
}

func (c *client) close() {
	c.http.Close()
	c.https.Close()
}

// ask sends a request, byte for byte as it is, and reads the answer.
func (c *client) ask(r route.Request) (*http.Response, error) {
	conn := c.http
	if r.Proto == "https" {
		conn = c.https
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n", r.Method, r.Path, r.Host)
	if err := r.Headers.Write(&text); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, text.String()+"\r\n"); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.readers[conn], &http.Request{Method: r.Method})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer, err
}
