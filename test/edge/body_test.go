//go:build real

package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"legation.dev/translator/input"
)

// reader is a server that reads whole bodies, answers their length, and tells when
// the first byte of one has come.
func reader(t *testing.T) (address string, begun chan struct{}, whole *atomic.Int32) {
	t.Helper()
	begun, whole = make(chan struct{}, 64), new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _ := io.ReadFull(r.Body, make([]byte, 1))
		if first > 0 {
			begun <- struct{}{}
		}
		rest, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			whole.Add(1)
		}
		fmt.Fprint(w, int64(first)+rest)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), begun, whole
}

// limited is a suite with a host for the default, and hosts for Ingresses with
// limits of their own.
func limited(t *testing.T) (w *suite, begun chan struct{}, whole *atomic.Int32) {
	w = newSuite(t)
	var address string
	address, begun, whole = reader(t)
	w.service("reads", "", address)
	w.echo(t, "web", "")
	all, socket := route{"/", input.PathPrefix, "reads"}, route{"/ws", input.PathPrefix, "web"}
	w.ingress("default", "default.test", false, all, socket)
	w.annotated("small", "small.test", false, map[string]string{"max-request-body": "2Ki"}, all)
	w.annotated("none", "none.test", false, map[string]string{"max-request-body": "off"}, all)
	return w, begun, whole
}

// upload sends a body of n bytes, with its length or in chunks, and returns the
// status; 0 if the connection ended without an answer.
func (w *suite) upload(t *testing.T, host string, n int, chunked bool) (status int, body string) {
	t.Helper()
	var content io.Reader = strings.NewReader(strings.Repeat("x", n))
	if chunked {
		content = io.MultiReader(content) // hides the length
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/", w.http), content)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// TestRequestBody: a body up to the limit is served, a larger one is answered 413,
// however its length is told; the limit is that of the Ingress, else that of the
// class.
func TestRequestBody(t *testing.T) {
	const limit = 1 << 20
	w, _, whole := limited(t)
	w.start(t)
	served := int32(0)
	for _, c := range []struct {
		host   string
		n      int
		status int
	}{
		{"default.test", limit, 200}, {"default.test", limit + 1, 413}, {"default.test", 8 * limit, 413},
		{"small.test", 2048, 200}, {"small.test", 2049, 413},
		{"none.test", 4 * limit, 200},
	} {
		for _, chunked := range []bool{false, true} {
			status, body := w.upload(t, c.host, c.n, chunked)
			if status == http.StatusOK {
				served++
			}
			if status != c.status || status == 200 && body != fmt.Sprint(c.n) {
				t.Errorf("%s, %d bytes, chunked %t: %d %.80q, want %d", c.host, c.n, chunked, status, body, c.status)
			}
		}
	}
	if got := whole.Load(); got != served {
		t.Errorf("the backend took %d bodies for whole, %d were", got, served)
	}
}

// TestRequestBodyOfClass: without a limit of the class there is none, but where
// an Ingress has one.
func TestRequestBodyOfClass(t *testing.T) {
	w, _, _ := limited(t)
	w.settings["max-request-body"] = "off"
	w.start(t)
	for host, want := range map[string]int{"default.test": 200, "none.test": 200, "small.test": 413} {
		if got, body := w.upload(t, host, 2<<20, true); got != want {
			t.Errorf("%s: %d %.80q, want %d", host, got, body, want)
		}
	}
}

// TestRequestBodyStreams: the backend has the first bytes of an upload while the
// client still holds the last ones: nothing is collected first.
func TestRequestBodyStreams(t *testing.T) {
	w, begun, _ := limited(t)
	w.start(t)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: default.test\r\nContent-Length: 10\r\n\r\nhello")
	select {
	case <-begun:
	case <-time.After(20 * time.Second):
		t.Fatal("the backend waits for the whole body")
	}
	fmt.Fprint(conn, "suite")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v %v", resp, err)
	}
}

// TestRequestBodyWebSocket: what a client sends on a WebSocket is no body, however
// much it is.
func TestRequestBodyWebSocket(t *testing.T) {
	const messages, size = 64, 32 << 10 // 2 MiB
	w, _, _ := limited(t)
	w.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/ws", w.http), &websocket.DialOptions{Host: "default.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(size)
	message := []byte(strings.Repeat("x", size))
	for i := range messages {
		if err := conn.Write(ctx, websocket.MessageBinary, message); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if _, back, err := conn.Read(ctx); err != nil || len(back) != size {
			t.Fatalf("message %d: %d bytes back, %v", i, len(back), err)
		}
	}
}
