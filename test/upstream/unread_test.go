//go:build real

package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"legation.dev/test/inprocess"
)

// TestUnreadBodies: a server ends a connection, without a word, after a request whose body
// its application did not read, and whatever is sent there next fails. With a connection
// for each request nobody else's request does. That with the body may: the server resets
// its connection while it is still being sent.
func TestUnreadBodies(t *testing.T) {
	const requests = 150
	b := python("gunicorn", "--worker-class", "gthread", "--threads", "4", "--bind", "unix:SOCKET", "--log-level", "warning", "app:wsgi")(t)
	w := newSuite(t, inprocess.Options{})
	for name, settings := range map[string]map[string]string{"preset": preset("gunicorn"), "one": {"upstream-preset": "gunicorn", "upstream-max-requests": "1"}} {
		w.put(service(name, settings), endpoint(name, 0, b.relay.Address(), ready), ingress(name+".test", name, nil))
	}
	w.settle()
	one, with := w.unread("one.test", requests), w.unread("preset.test", requests)
	t.Logf("of %d each failed, with a connection for each request: %v; without: %v", requests, one, with)
	if one[http.MethodGet] > 0 {
		t.Errorf("%d GETs failed with a connection for each request", one[http.MethodGet])
	}
	if one[http.MethodPost] >= requests || with[http.MethodGet]+with[http.MethodPost] == 0 {
		t.Error("the server reads bodies by now, or answers no such request at all")
	}
}

// unread sends so many bodies that nobody reads, each followed by a GET, and counts what failed, by
// method.
func (w *suite) unread(host string, n int) map[string]int {
	failed := map[string]int{}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial(), nil }}
	defer transport.CloseIdleConnections()
	body := strings.Repeat("x", 300_000)
	for range n {
		for method, text := range map[string]string{http.MethodPost: body, http.MethodGet: ""} {
			req, err := http.NewRequestWithContext(w.t.Context(), method, fmt.Sprintf("http://%s/unread", host), strings.NewReader(text))
			if err != nil {
				w.t.Fatal(err)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				failed[method]++
				continue
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				failed[method]++
			}
			resp.Body.Close()
		}
	}
	return failed
}
