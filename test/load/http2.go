package load

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Conn is an HTTP/2 connection, written frame by frame: a library would
// keep GOAWAY to itself. It has one stream at a time.
type http2Conn struct {
	worker *worker
	conn   net.Conn
	// answers gets what became of the open stream, lost why the connection is to
	// be left. Nothing blocks on them: both keep the first value.
	answers chan outcome
	lost    chan error

	mu      sync.Mutex // guards the fields below and writing to conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer // what encoder writes to
	stream  uint32       // the open or last stream
}

type outcome struct {
	answer answer
	err    error
}

func dialHTTP2(ctx context.Context, w *worker) (connection, error) {
	conn, err := w.connect(ctx, protocolHTTP2)
	if err != nil {
		return nil, err
	}
	c := &http2Conn{
		worker: w, conn: conn,
		answers: make(chan outcome, 1), lost: make(chan error, 1),
		framer: http2.NewFramer(conn, conn),
	}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(tableSize, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	c.encoder.SetMaxDynamicTableSize(0) // right whatever the peer's settings
	if err := c.hello(); err != nil {
		conn.Close()
		return nil, err
	}
	go c.read()
	return c, nil
}

// tableSize is HPACK's default, in bytes (RFC 9113, section 6.5.2).
const tableSize = 4096

func (c *http2Conn) hello() error {
	c.conn.SetWriteDeadline(time.Now().Add(c.worker.timeout()))
	defer c.conn.SetWriteDeadline(time.Time{})
	if _, err := c.conn.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	return c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
}

func (c *http2Conn) subject() (host, path string, judge Oracle) {
	host, path = c.worker.Next()
	return host, path, c.worker.Oracle
}

func (c *http2Conn) request(host, path string) (answer, error) {
	if err := c.send(host, path); err != nil {
		return answer{}, err
	}
	timer := time.NewTimer(c.worker.timeout())
	defer timer.Stop()
	select {
	case o := <-c.answers:
		return o.answer, o.err
	case <-timer.C:
		return answer{}, context.DeadlineExceeded
	}
}

// send opens the next stream.
func (c *http2Conn) send(host, path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block.Reset()
	for _, f := range [...]hpack.HeaderField{
		{Name: ":method", Value: http.MethodGet},
		{Name: ":scheme", Value: c.worker.scheme("http")},
		{Name: ":authority", Value: host},
		{Name: ":path", Value: path},
		{Name: "user-agent", Value: "load"},
	} {
		c.encoder.WriteField(f) // writes to memory
	}
	if c.stream == 0 {
		c.stream = 1
	} else {
		c.stream += 2
	}
	return c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: c.stream, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true,
	})
}

// read handles frames until the connection ends.
func (c *http2Conn) read() {
	var a answer
	for {
		frame, err := c.framer.ReadFrame()
		if err == nil {
			err = c.handle(frame, &a)
		}
		var reset http2.StreamError
		if errors.As(err, &reset) {
			c.deliver(outcome{err: err})
		} else if err != nil {
			c.deliver(outcome{err: err})
			c.leave(err)
			return
		}
	}
}

// handle collects the answer of the open stream in a. An error ends the stream
// if it is an http2.StreamError, else the connection.
func (c *http2Conn) handle(frame http2.Frame, a *answer) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.headers(f, a)
	case *http2.DataFrame:
		a.body = append(a.body, f.Data()[:min(len(f.Data()), bodyKept-len(a.body))]...)
		c.end(f.StreamEnded(), a)
		return c.open(f)
	case *http2.RSTStreamFrame:
		*a = answer{}
		return http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode}
	case *http2.GoAwayFrame:
		return c.goAway(f)
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.write((*http2.Framer).WriteSettingsAck)
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.write(func(w *http2.Framer) error { return w.WritePing(true, f.Data) })
		}
	}
	return nil
}

func (c *http2Conn) headers(f *http2.MetaHeadersFrame, a *answer) error {
	if a.status == 0 {
		status, err := strconv.Atoi(f.PseudoValue("status"))
		if err != nil {
			return err
		}
		if status < http.StatusOK {
			return nil // the answer is still to come
		}
		a.status, a.header = status, make(http.Header)
	}
	for _, field := range f.RegularFields() {
		a.header.Add(field.Name, strings.Clone(field.Value))
	}
	c.end(f.StreamEnded(), a)
	return nil
}

// end delivers the answer if it is whole.
func (c *http2Conn) end(whole bool, a *answer) {
	if whole {
		c.deliver(outcome{answer: *a})
		*a = answer{}
	}
}

// open gives back the flow control window that a frame took.
func (c *http2Conn) open(f *http2.DataFrame) error {
	if f.Length == 0 {
		return nil
	}
	return c.write(func(w *http2.Framer) error {
		if !f.StreamEnded() {
			if err := w.WriteWindowUpdate(f.StreamID, f.Length); err != nil {
				return err
			}
		}
		return w.WriteWindowUpdate(0, f.Length)
	})
}

// goAway leaves the connection when the open stream has its answer; at once if
// the peer will not answer it.
func (c *http2Conn) goAway(f *http2.GoAwayFrame) error {
	c.worker.recorder.goAways.Add(1)
	c.leave(errGoAway)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.LastStreamID < c.stream {
		c.deliver(outcome{err: errGoAway})
	}
	return nil
}

func (c *http2Conn) write(frame func(*http2.Framer) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return frame(c.framer)
}

func (c *http2Conn) deliver(o outcome) {
	select {
	case c.answers <- o:
	default:
	}
}

func (c *http2Conn) leave(err error) {
	select {
	case c.lost <- err:
	default:
	}
}

func (c *http2Conn) gone() <-chan error { return c.lost }

func (c *http2Conn) close() { c.conn.Close() }
