// Package load keeps clients of an Envoy busy and judges every answer.
//
// It shows what a library hides: HTTP/1.1 is written by hand on a socket, and
// nothing is sent twice, so that a connection that is closed or reset under a
// request is a failure here, as it is for a client without retries. Every
// answer names its Service; an Oracle reports whether that Service was allowed.
//
// Start reading at Start; http1.go, http2.go and websocket.go hold one kind of
// client each, results.go what is counted, timeline.go the Oracle for a
// configuration that changes.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"legation.dev/test/echo"
)

// Kind is what a client speaks.
type Kind int

const (
	HTTP1     Kind = iota // HTTP/1.1 keep-alive on one socket
	HTTP2                 // HTTP/2 on one connection, with prior knowledge or by ALPN
	WebSocket             // one WebSocket; a request is a message and its echo
)

func (k Kind) String() string {
	return [...]string{"HTTP/1.1", "HTTP/2", "WebSocket"}[k]
}

// An Oracle judges answers. Its methods are called from many goroutines.
type Oracle interface {
	// Begin is called before the first byte of a request is written. What it
	// returns is handed to End.
	Begin(host, path string) any
	// End is called once for each Begin, when the answer is there; an error makes
	// it a failure. service is empty if the answer names none. Status 0 means
	// that no answer came; what End says to that is not looked at.
	End(token any, status int, service string) error
}

// Client is one client with one connection.
type Client struct {
	Name    string // for the examples of failures
	Kind    Kind
	Address string // of Envoy's listener, "127.0.0.1:10080"
	// TLS makes the client speak TLS: roots and server name are taken from it,
	// ALPN is set by kind. Nil is plain text.
	TLS *tls.Config
	// Next says what to ask for. A WebSocket asks for each connection, the
	// others for each request.
	Next   func() (host, path string)
	Oracle Oracle
	// Every is the time from the start of a request to the start of the next
	// one; 0 sends the next as soon as the last is answered.
	Every time.Duration
	// Timeout is how long an answer may take; 0 means 30 s.
	Timeout time.Duration
	// Once makes a connection for each request, as clients do that come and go.
	Once bool
	// Forgive, if set, reports whether a failure is none: what the test itself did
	// explains it. It is neither a request nor a failure then, but counted.
	Forgive func(*Failure) bool
}

const (
	defaultTimeout = 30 * time.Second
	// redialAfter is the least time between a failed dial and the next one.
	redialAfter = 50 * time.Millisecond
	// pollEvery is the pause between two looks of Await.
	pollEvery = 10 * time.Millisecond
)

// Load is a set of running clients.
type Load struct {
	recorder recorder
	wait     sync.WaitGroup
	ready    chan struct{}   // closed when each client had an answer
	turns    []atomic.Uint64 // by client: requests that are over
}

// Start runs the clients until ctx ends. The first requests of clients are
// spread evenly over the time between two requests.
func Start(ctx context.Context, clients ...Client) *Load {
	l := &Load{ready: make(chan struct{}), turns: make([]atomic.Uint64, len(clients))}
	l.recorder.clients = len(clients)
	var answered sync.WaitGroup
	for i, c := range clients {
		answered.Add(1)
		w := &worker{Client: c, recorder: &l.recorder, turns: &l.turns[i], answered: sync.OnceFunc(answered.Done)}
		w.start = time.Now().Add(c.Every * time.Duration(i) / time.Duration(len(clients)))
		l.wait.Go(func() {
			defer w.answered()
			w.run(ctx)
		})
	}
	go func() {
		answered.Wait()
		close(l.ready)
	}()
	return l
}

// Ready is closed when every client had its first answer (or failure).
func (l *Load) Ready() <-chan struct{} { return l.ready }

// Turns is how many requests of each client are over, whatever became of them.
func (l *Load) Turns() []uint64 {
	turns := make([]uint64, len(l.turns))
	for i := range l.turns {
		turns[i] = l.turns[i].Load()
	}
	return turns
}

// Results is what happened so far.
func (l *Load) Results() Results { return l.recorder.results() }

// Await waits until ok holds for the results, or fails when ctx ends before.
func (l *Load) Await(ctx context.Context, ok func(Results) bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		r := l.Results()
		if ok(r) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; so far %s", ctx.Err(), r)
		}
	}
}

// Wait waits for the end of all clients, after the end of the context, and
// returns what happened. A request that the end of the context cut off counts
// neither as a request nor as a failure.
func (l *Load) Wait() Results {
	l.wait.Wait()
	return l.recorder.results()
}

// worker is a running Client. One goroutine owns it.
type worker struct {
	Client
	recorder *recorder
	turns    *atomic.Uint64
	answered func()
	start    time.Time // when the next request begins
	dialled  time.Time // when the connection was
	answer   time.Time // the last good one on the connection
}

// connection is what each kind of client implements.
type connection interface {
	// subject is what the next request asks for, and who judges its answer.
	subject() (host, path string, judge Oracle)
	// request asks and returns the answer. An error ends the connection.
	request(host, path string) (answer, error)
	// gone gets a value when the peer ended the connection between two requests.
	gone() <-chan error
	close()
}

// answer is what came back. closing says that the peer wants or made an end of
// the connection with this answer.
type answer struct {
	status  int
	header  http.Header
	body    []byte // its beginning
	closing bool
}

// service is the Service that the answer names.
func (a answer) service() string { return a.header.Get(echo.HeaderService) }

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := w.dial(ctx)
		switch {
		case err == nil:
			w.use(ctx, conn)
			continue
		case !errors.Is(err, errJudged):
			w.failed(ctx, &Failure{Kind: kindOf(err, kindDial), Err: err.Error()})
		}
		w.start = later(w.start, time.Now().Add(redialAfter))
		w.rest(ctx, nil)
	}
}

// dial opens a connection and counts it.
func (w *worker) dial(ctx context.Context) (connection, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout())
	defer cancel()
	w.dialled, w.answer = time.Now(), time.Time{}
	switch w.Kind {
	case HTTP1:
		return dialHTTP1(ctx, w)
	case HTTP2:
		return dialHTTP2(ctx, w)
	default:
		return dialWebSocket(ctx, w)
	}
}

// use sends requests on conn until it or ctx ends.
func (w *worker) use(ctx context.Context, conn connection) {
	stop := context.AfterFunc(ctx, conn.close) // ends a request that is under way
	defer stop()
	defer conn.close()
	for {
		if !w.rest(ctx, conn.gone()) {
			if ctx.Err() == nil {
				w.recorder.closed.Add(1)
			}
			return
		}
		if !w.ask(ctx, conn) {
			return
		}
	}
}

// ask sends one request and records what became of it. It reports whether the
// connection can be used further.
func (w *worker) ask(ctx context.Context, conn connection) bool {
	host, path, judge := conn.subject()
	token := judge.Begin(host, path)
	begin := time.Now()
	a, err := conn.request(host, path)
	took := time.Since(begin)
	verdict := judge.End(token, a.status, a.service())
	w.turns.Add(1)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		w.broken(ctx, host, path, err)
		return false
	}
	w.recorder.latency.add(took)
	w.judged(ctx, verdict, host, path, a)
	if a.closing {
		w.recorder.closed.Add(1)
	}
	return !a.closing && !w.Once
}

// broken counts a request that got no answer, or half of one.
func (w *worker) broken(ctx context.Context, host, path string, err error) {
	kind := kindOf(err, kindBroken)
	if kind == kindReset || kind == kindClosed {
		w.recorder.closed.Add(1)
	}
	w.failed(ctx, &Failure{Host: host, Path: path, Kind: kind, Err: err.Error()})
}

// judged counts an answer; verdict is what the oracle said of it.
func (w *worker) judged(ctx context.Context, verdict error, host, path string, a answer) {
	if verdict == nil {
		w.answer = time.Now()
		w.recorder.requests.Add(1)
		w.answered()
		return
	}
	w.failed(ctx, &Failure{
		Host: host, Path: path, Kind: kindOfAnswer(a.status), Err: verdict.Error(),
		Status: a.status, Header: a.header, Body: string(a.body),
	})
}

// failed counts a failed request, unless it was the end of ctx that ended it.
func (w *worker) failed(ctx context.Context, f *Failure) {
	if ctx.Err() != nil {
		return
	}
	f.Client, f.At, f.Dialled, f.Answered = fmt.Sprintf("%s (%s)", w.Name, w.Kind), time.Now(), w.dialled, w.answer
	if w.Forgive != nil && w.Forgive(f) {
		w.recorder.forgiven.Add(1)
		w.answered()
		return
	}
	w.recorder.requests.Add(1)
	w.recorder.fail(f)
	w.answered()
}

// rest waits until the next request is due. It is false if ctx or the
// connection ended before.
func (w *worker) rest(ctx context.Context, gone <-chan error) bool {
	timer := time.NewTimer(time.Until(w.start))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-gone:
		return false
	case <-timer.C:
	}
	select {
	case <-gone: // both were there at once
		return false
	default:
	}
	w.start = later(w.start.Add(w.Every), time.Now())
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *worker) timeout() time.Duration {
	if w.Timeout == 0 {
		return defaultTimeout
	}
	return w.Timeout
}

// scheme is plain, or with an s if the client speaks TLS.
func (w *worker) scheme(plain string) string {
	if w.TLS == nil {
		return plain
	}
	return plain + "s"
}

// connect dials, with TLS if the client speaks it, and counts the dial.
func (w *worker) connect(ctx context.Context, protocol string) (net.Conn, error) {
	var d net.Dialer
	w.recorder.dials.Add(1)
	raw, err := d.DialContext(ctx, "tcp", w.Address)
	if err != nil || w.TLS == nil {
		return raw, err
	}
	config := w.TLS.Clone()
	config.NextProtos = []string{protocol}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &handshakeError{err}
	}
	if got := conn.ConnectionState().NegotiatedProtocol; protocol != protocolHTTP1 && got != protocol {
		raw.Close()
		return nil, &handshakeError{fmt.Errorf("ALPN chose %q instead of %q", got, protocol)}
	}
	return conn, nil
}

const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// handshakeError is a failed TLS handshake.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// errJudged says that the dial ended in an answer, which was counted.
var errJudged = errors.New("answered, not connected")
