package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// webSocket is a WebSocket to an echo server. The oracle judges its handshake;
// what follows belongs to the Service that answered that.
type webSocket struct {
	worker     *worker
	host, path string
	conn       *websocket.Conn
	messages   chan []byte
	lost       chan error
	done       chan struct{} // closed by close
	once       sync.Once     // close is called by the worker and by the end of its context
	sent       int           // messages so far
}

func dialWebSocket(ctx context.Context, w *worker) (connection, error) {
	host, path := w.Next()
	token := w.Oracle.Begin(host, path)
	transport := w.transport()
	defer transport.CloseIdleConnections() // there is one if the answer was no upgrade
	conn, resp, err := websocket.Dial(ctx, w.scheme("ws")+"://"+host+path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: noRedirects},
	})
	if resp == nil {
		return nil, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if err != nil {
		a.body, _ = readBody(resp.Body) // Dial has kept the beginning
	}
	w.judged(ctx, w.Oracle.End(token, a.status, a.service()), host, path, a)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJudged, err)
	}
	c := &webSocket{
		worker: w, host: host, path: path, conn: conn,
		messages: make(chan []byte), lost: make(chan error, 1), done: make(chan struct{}),
	}
	go c.read()
	return c, nil
}

// transport makes one connection, as the other kinds do.
func (w *worker) transport() *http.Transport {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return w.connect(ctx, protocolHTTP1) }
	return &http.Transport{DialContext: dial, DialTLSContext: dial, DisableCompression: true}
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// read hands on what comes until the connection ends.
func (c *webSocket) read() {
	for {
		_, message, err := c.conn.Read(context.Background())
		if err != nil {
			c.lost <- err
			return
		}
		select {
		case c.messages <- message:
		case <-c.done:
			return
		}
	}
}

func (c *webSocket) subject() (host, path string, judge Oracle) { return c.host, c.path, anyEcho{} }

// request sends a message and waits for its echo.
func (c *webSocket) request(_, _ string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.worker.timeout())
	defer cancel()
	c.sent++
	want := fmt.Sprintf("%s %d", c.worker.Name, c.sent)
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
		return answer{}, err
	}
	select {
	case got := <-c.messages:
		if string(got) != want {
			return answer{}, fmt.Errorf("echo of %q is %.100q", want, got)
		}
		return answer{status: http.StatusSwitchingProtocols}, nil
	case err := <-c.lost:
		return answer{}, err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (c *webSocket) gone() <-chan error { return c.lost }

func (c *webSocket) close() {
	c.once.Do(func() { close(c.done) })
	c.conn.CloseNow()
}

// anyEcho is the oracle of messages: request has compared them already.
type anyEcho struct{}

func (anyEcho) Begin(_, _ string) any            { return nil }
func (anyEcho) End(_ any, _ int, _ string) error { return nil }
