//go:build real

package ecds

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"legation.dev/test/load"
)

// either is the oracle of hosts that exist throughout: one of its two Services
// answers, whatever is changed.
type either struct{}

func (either) Begin(host, _ string) any { return host }

func (either) End(token any, status int, service string) error {
	host := token.(string)
	if (status == nethttp.StatusOK || status == nethttp.StatusSwitchingProtocols) && slices.Contains(servicesOf(host), service) {
		return nil
	}
	return fmt.Errorf("%d from %q, for host %s", status, service, host)
}

// crowd are the clients of a walk, in groups that are promised different things.
type crowd struct {
	// still keep connections to chains that never change: nothing ends them.
	still *load.Load
	// driven keep connections that are drained again and again: they are told in
	// time, so that no request fails. WebSockets are cut.
	driven *load.Load
	// passing make a connection for each request.
	passing *load.Load
	end     context.CancelFunc
}

// every is how often a client asks.
const every = 150 * time.Millisecond

func (w *suite) crowd(d *door) *crowd {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	w.t.Cleanup(cancel)
	var still, driven, passing []load.Client
	for i, host := range steady {
		still = append(still, w.client(load.HTTP1, host), w.client(load.HTTP2, host), w.client(load.WebSocket, host))
		for _, host := range []string{plain[i], moved[i]} {
			for _, kind := range []load.Kind{load.HTTP1, load.HTTP2, load.WebSocket} {
				driven = append(driven, d.watched(d.drainable(w.client(kind, host))))
			}
		}
		for _, host := range []string{host, plain[i], moved[i]} {
			for _, kind := range []load.Kind{load.HTTP1, load.HTTP2} {
				c := d.watched(w.client(kind, host))
				c.Once = true
				passing = append(passing, c)
			}
		}
	}
	c := &crowd{still: load.Start(ctx, still...), driven: load.Start(ctx, driven...), passing: load.Start(ctx, passing...), end: cancel}
	for _, l := range []*load.Load{c.still, c.driven, c.passing} {
		select {
		case <-l.Ready():
		case <-time.After(hang):
			w.t.Fatalf("clients are not served: %s", l.Results())
		}
	}
	return c
}

// judge ends the clients and says what they met.
func (c *crowd) judge(w *walk) {
	w.t.Helper()
	c.end()
	still, driven, passing := c.still.Wait(), c.driven.Wait(), c.passing.Wait()
	w.t.Logf("connections that nothing ends: %s", still)
	w.t.Logf("connections that are drained: %s; %d ends forgiven, %d of them since the machine stood still", driven, driven.Forgiven, w.door.stalled.Load())
	w.t.Logf("a connection for each request: %s; %d forgiven at a shut door", passing, passing.Forgiven)
	if err := still.Disturbed(); err != nil {
		w.t.Error(err)
	}
	for _, r := range []load.Results{driven, passing} {
		for _, f := range r.Examples {
			w.t.Error(f)
		}
	}
}

// failed is how many requests failed so far.
func (c *crowd) failed() (n uint64) {
	for _, l := range []*load.Load{c.still, c.driven, c.passing} {
		n += l.Results().Failed
	}
	return n
}

// client asks for a host that exists throughout.
func (w *suite) client(kind load.Kind, host string) load.Client {
	c := load.Client{Name: host, Kind: kind, Address: w.HTTP, Oracle: either{}, Every: every,
		Next: func() (string, string) { return host, "/" }}
	if !slices.Contains(plain, host) {
		c.Address, c.TLS = w.HTTPS, w.config(host)
	}
	return c
}

// drainable is a client whose connection ends at the end of a drain. A WebSocket
// cannot be told to leave before. Others are: only if they had no answer for half of
// the shortest notice, since this machine stood still, they are forgiven.
func (d *door) drainable(c load.Client) load.Client {
	c.Forgive = func(f *load.Failure) bool {
		switch {
		case !ended(f) || f.Answered.IsZero():
			return false
		case c.Kind == load.WebSocket:
			return true
		case f.At.Sub(f.Answered) < shortestNotice/2:
			return false
		}
		d.stalled.Add(1)
		return true
	}
	return c
}

// shortestNotice is the least time between the first word to a client and the end of
// its connection, in any configuration here: drain-upgrades: close.
const shortestNotice = time.Second

// ended reports whether a connection was all that failed: no answer was wrong.
func ended(f *load.Failure) bool {
	return f.Status == 0 && slices.Contains([]string{"refused", "reset", "closed"}, f.Kind)
}

// door is the port of listener http, which the walk takes away and puts back.
type door struct {
	address string
	stalled atomic.Int64 // connections that ended because this machine stood still

	mu     sync.Mutex // guards the fields below
	shut   bool
	times  int       // how often it was shut
	opened time.Time // the last time
}

// watched forgives a client that it finds the door shut: its connection is refused, or
// reset if nobody had accepted it yet. Whoever is accepted has to be answered.
func (d *door) watched(c load.Client) load.Client {
	if c.Address != d.address {
		return c
	}
	other := c.Forgive
	c.Forgive = func(f *load.Failure) bool {
		return ended(f) && f.Kind != "closed" && f.Answered.IsZero() && d.shutSince(f.Dialled) || other != nil && other(f)
	}
	return c
}

func (d *door) shutSince(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut || d.opened.After(t)
}

// shutting is called before listener http goes.
func (d *door) shutting() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	d.times++
}

// opening is called when listener http was put back. The door is open when Envoy has
// the listener, and answers there for a while: what answers at first may be the one
// that goes. It stays shut if it was shut again.
func (d *door) opening(ctx context.Context, s *server) {
	d.mu.Lock()
	mine := d.times
	d.mu.Unlock()
	if s.listen(ctx) != nil {
		return
	}
	for answers := 0; answers < enough; answers++ {
		if status, _ := ask(ctx, d.address, plain[0], nil); status == 0 {
			answers = 0
		}
		if ctx.Err() != nil {
			return
		}
		time.Sleep(retryAfter)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == mine {
		d.shut, d.opened = false, time.Now()
	}
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// retryAfter is the pause between two looks whether somebody answers.
const retryAfter = 2 * time.Millisecond

// ask makes a connection for one request. Status 0 is no answer; the error says why.
func ask(ctx context.Context, address, host string, config *tls.Config) (int, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	client := &nethttp.Client{Transport: &nethttp.Transport{DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true}, Timeout: hang}
	url := "http://" + host + "/"
	if config != nil {
		url = "https://" + host + "/"
	}
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}
