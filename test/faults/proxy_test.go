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

	"k8s.io/client-go/rest"
)

// lateProxy stands before the API server, without TLS and with all rights. It can
// keep back the events of one kind's watches, while those of others come.
type lateProxy struct {
	resource string // "endpointslices"

	mu     sync.Mutex // guards passes
	passes chan struct{}
}

// newLateProxy starts one that ends with the test, and says where it is.
func newLateProxy(t *testing.T, resource string) (*lateProxy, *rest.Config) {
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
	p := &lateProxy{resource: resource, passes: make(chan struct{})}
	p.release()
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:      transport,
		FlushInterval:  -1, // each event at once
		ModifyResponse: p.watchOver,
	})
	t.Cleanup(server.Close)
	return p, &rest.Config{Host: server.URL}
}

// watchOver makes the answer to a watch of the kind one that can be kept back.
func (p *lateProxy) watchOver(r *http.Response) error {
	if q := r.Request.URL; q.Query().Get("watch") == "true" && path.Base(q.Path) == p.resource {
		r.Body = &late{ReadCloser: r.Body, proxy: p, request: r.Request}
	}
	return nil
}

// hold keeps events back from now on, until release.
func (p *lateProxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passes = make(chan struct{})
}

func (p *lateProxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.passes)
}

func (p *lateProxy) open() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passes
}

// late is the body of a watch, whose bytes wait until the proxy lets them pass.
type late struct {
	io.ReadCloser
	proxy   *lateProxy
	request *http.Request // its context ends with the watch
}

// Read implements io.Reader.
func (l *late) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	select {
	case <-l.proxy.open():
		return n, err
	case <-l.request.Context().Done():
		return 0, l.request.Context().Err()
	}
}
