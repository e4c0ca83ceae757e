//go:build real

package faults

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// delayingProxy stands before the API server, without TLS and with all rights,
// and passes on the events of a kind's watches late.
func delayingProxy(t *testing.T, resource string, delay time.Duration) *rest.Config {
	t.Helper()
	config := k.REST()
	to, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1, // each event at once
		ModifyResponse: func(r *http.Response) error {
			if q := r.Request.URL; q.Query().Get("watch") == "true" && path.Base(q.Path) == resource {
				r.Body = newLate(r.Body, delay)
			}
			return nil
		},
	})
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// late is a body whose bytes are there a while after they have come.
type late struct {
	body   io.ReadCloser
	chunks chan chunk
	closed chan struct{}
	once   sync.Once
	chunk  chunk // that is being read; its rest
}

type chunk struct {
	bytes []byte
	err   error
	due   time.Time
}

// lateChunks is how many reads can be on their way.
const lateChunks = 4096

func newLate(body io.ReadCloser, delay time.Duration) *late {
	l := &late{body: body, chunks: make(chan chunk, lateChunks), closed: make(chan struct{})}
	go l.fill(delay) // until the body ends, which Close makes it do
	return l
}

func (l *late) fill(delay time.Duration) {
	for {
		p := make([]byte, 16*1024)
		n, err := l.body.Read(p)
		select {
		case l.chunks <- chunk{p[:n], err, time.Now().Add(delay)}:
		case <-l.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (l *late) Read(p []byte) (int, error) {
	for len(l.chunk.bytes) == 0 {
		if l.chunk.err != nil {
			return 0, l.chunk.err
		}
		select {
		case l.chunk = <-l.chunks:
		case <-l.closed:
			return 0, io.ErrClosedPipe
		}
		select {
		case <-time.After(time.Until(l.chunk.due)):
		case <-l.closed:
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, l.chunk.bytes)
	l.chunk.bytes = l.chunk.bytes[n:]
	return n, nil
}

// Close implements io.Closer.
func (l *late) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.body.Close()
}
