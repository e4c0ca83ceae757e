package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"legation.dev/test/echo"
)

var kinds = []Kind{HTTP1, HTTP2, WebSocket}

// shop is a client of kind that expects Service shop.
func shop(kind Kind, address string) Client {
	return Client{
		Name: "test", Kind: kind, Address: address, Timeout: 10 * time.Second,
		Next:   func() (string, string) { return "shop.test", "/" },
		Oracle: Services{"shop.test": "shop"},
		Every:  time.Millisecond,
	}
}

// run loads until ok holds, and returns what happened.
func run(t *testing.T, ok func(Results) bool, clients ...Client) Results {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only ends a hung test
	defer cancel()
	load := Start(ctx, clients...)
	if err := load.Await(ctx, ok); err != nil {
		t.Error(err)
	}
	cancel()
	return load.Wait()
}

func requests(n uint64) func(Results) bool {
	return func(r Results) bool { return r.Requests >= n }
}

func failed(r Results) bool { return r.Failed > 0 }

func backend(t *testing.T, service string) *echo.Server {
	t.Helper()
	s, err := echo.Start(service, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func TestUndisturbed(t *testing.T) {
	s := backend(t, "shop")
	var clients []Client
	for _, kind := range kinds {
		for range 5 {
			clients = append(clients, shop(kind, s.Addr().String()))
		}
	}
	r := run(t, requests(500), clients...)
	if err := r.Disturbed(); err != nil {
		t.Error(err)
	}
	if r.Dials != 15 || r.P50 == 0 || r.P99 < r.P50 || r.Max < r.P99 {
		t.Error(r)
	}
}

func TestUndisturbedByTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(echo.HeaderService, "shop")
		if r.TLS == nil || r.TLS.ServerName != "example.com" {
			http.Error(w, "wrong server name", http.StatusMisdirectedRequest)
			return
		}
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, strings.Repeat("0123456789", 10_000)) // more than one HTTP/2 window
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, kind := range kinds {
		c := shop(kind, server.Listener.Addr().String())
		c.TLS = &tls.Config{RootCAs: roots, ServerName: "example.com"}
		if err := run(t, requests(50), c).Disturbed(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		c.TLS = &tls.Config{RootCAs: roots, ServerName: "other.test"}
		if r := run(t, failed, c); r.Failures["handshake"] == 0 {
			t.Errorf("%s: a certificate of another name: %s", kind, r)
		}
	}
}

func TestOnce(t *testing.T) {
	s := backend(t, "shop")
	for _, kind := range kinds {
		c := shop(kind, s.Addr().String())
		c.Once = true
		r := run(t, requests(20), c)
		if r.Failed > 0 || r.Dials < r.Requests/2 { // a WebSocket has its handshake and a message
			t.Errorf("%s: %s", kind, r)
		}
	}
}

func TestForgiven(t *testing.T) {
	for _, kind := range kinds {
		s := backend(t, "shop")
		address := s.Addr().String()
		s.Kill()
		c := shop(kind, address)
		c.Forgive = func(f *Failure) bool { return f.Kind == "refused" && f.Answered.IsZero() && !f.Dialled.IsZero() }
		if r := run(t, func(r Results) bool { return r.Forgiven > 0 }, c); r.Failed > 0 || r.Requests > 0 {
			t.Errorf("%s: %s", kind, r)
		}
	}
}

func TestWrongServiceIsAFailure(t *testing.T) {
	s := backend(t, "other")
	for _, kind := range kinds {
		r := run(t, failed, shop(kind, s.Addr().String()))
		if r.Failures["wrong answer"] == 0 || !strings.Contains(r.Examples[0].Err, `"other"`) {
			t.Errorf("%s: %s", kind, r.Disturbed())
		}
	}
}

func TestWrongStatusIsAFailure(t *testing.T) {
	s := backend(t, "shop")
	for _, kind := range []Kind{HTTP1, HTTP2} {
		c := shop(kind, s.Addr().String())
		c.Next = func() (string, string) { return "shop.test", "/?status=503" }
		r := run(t, failed, c)
		if r.Failures["status 503"] == 0 {
			t.Fatalf("%s: %s", kind, r)
		}
		if e := r.Examples[0]; e.Status != 503 || e.Header.Get(echo.HeaderService) != "shop" || !strings.Contains(e.Body, `"shop"`) {
			t.Errorf("%s: example lacks the answer: %s", kind, e)
		}
	}
}

func TestKilledServerIsAFailure(t *testing.T) {
	for _, kind := range kinds {
		s := backend(t, "shop")
		c := shop(kind, s.Addr().String())
		c.Next = func() (string, string) { return "shop.test", "/?delay=10ms" }
		c.Every = 0 // a request is always under way
		r := run(t, func(r Results) bool {
			if r.Requests > 10 {
				s.Kill()
			}
			return r.Closed > 0 && r.Failed > 0
		}, c)
		if r.Failures["reset"]+r.Failures["closed"] == 0 && kind != WebSocket || r.Disturbed() == nil {
			t.Errorf("%s: %s", kind, r.Disturbed())
		}
	}
}

// raw serves connections by hand; each is closed, with a reset if asked for,
// when serve returns.
func raw(t *testing.T, reset bool, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
				if reset {
					conn.(*net.TCPConn).SetLinger(0)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// once answers one request with an answer, and reads the next one.
func once(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		http.ReadRequest(reader)
		io.WriteString(conn, answer)
		http.ReadRequest(reader)
	}
}

// cut answers one request but for the last byte.
func cut(conn net.Conn) {
	http.ReadRequest(bufio.NewReader(conn))
	io.WriteString(conn, good[:len(good)-1])
}

const good = "HTTP/1.1 200 OK\r\nX-Echo-Service: shop\r\nContent-Length: 2\r\n\r\nok"

func TestHTTP1Detects(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reset  bool
		serve  func(net.Conn)
		failed string // kind
	}{
		{"a reset under a request", true, once(good), "reset"},
		{"a close under a request", false, once(good), "closed"},
		{"a cut body", false, cut, "closed"},
		{"something else than HTTP", false, once("hello\r\n\r\n"), "broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := run(t, failed, shop(HTTP1, raw(t, tc.reset, tc.serve)))
			if r.Failures[tc.failed] == 0 || r.Disturbed() == nil {
				t.Error(r.Disturbed())
			}
		})
	}
}

func TestConnectionCloseIsSeen(t *testing.T) {
	answer := strings.Replace(good, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	r := run(t, requests(3), shop(HTTP1, raw(t, false, once(answer))))
	if r.Failed != 0 || r.ConnectionClose < 3 || r.Closed < 3 || r.Dials < 3 {
		t.Error(r)
	}
	if err := r.Disturbed(); err == nil || !strings.Contains(err.Error(), "Connection: close") {
		t.Error(err)
	}
}

func TestCloseBetweenRequestsIsSeen(t *testing.T) {
	address := raw(t, false, func(conn net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, good)
	})
	c := shop(HTTP1, address)
	c.Every = 50 * time.Millisecond
	r := run(t, func(r Results) bool { return r.Closed >= 2 }, c)
	if r.Dials < 2 || r.Disturbed() == nil {
		t.Error(r)
	}
}

func TestUnansweredRequestTimesOut(t *testing.T) {
	address := raw(t, false, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	for _, kind := range kinds {
		c := shop(kind, address)
		c.Timeout = 20 * time.Millisecond
		if r := run(t, failed, c); r.Failures["timeout"] == 0 {
			t.Errorf("%s: %s", kind, r.Disturbed())
		}
	}
}

func TestRefusedDialIsAFailure(t *testing.T) {
	s := backend(t, "shop")
	s.Kill()
	for _, kind := range kinds {
		if r := run(t, failed, shop(kind, s.Addr().String())); r.Failures["refused"] == 0 {
			t.Errorf("%s: %s", kind, r.Disturbed())
		}
	}
}

func TestGoAwayIsSeen(t *testing.T) {
	s := backend(t, "shop")
	c := shop(HTTP2, s.Addr().String())
	c.Next = func() (string, string) {
		if s.Requests() == 5 {
			go s.Shutdown(context.Background())
		}
		return "shop.test", "/"
	}
	r := run(t, func(r Results) bool { return r.GoAways > 0 && r.Closed > 0 }, c)
	if err := r.Disturbed(); err == nil || !strings.Contains(err.Error(), "GOAWAY") {
		t.Error(err)
	}
}

func TestStreamResetIsAFailure(t *testing.T) {
	address := raw(t, false, func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
		framer := http2.NewFramer(conn, conn)
		framer.WriteSettings()
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if frame.Header().Type == http2.FrameHeaders {
				framer.WriteRSTStream(frame.Header().StreamID, http2.ErrCodeInternal)
			}
		}
	})
	if r := run(t, failed, shop(HTTP2, address)); r.Failures["stream"] == 0 {
		t.Error(r.Disturbed())
	}
}

func TestWrongEchoIsAFailure(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(echo.HeaderService, "shop")
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.Read(r.Context())
		conn.Write(r.Context(), websocket.MessageText, []byte("something else"))
		conn.Read(r.Context())
	}))
	t.Cleanup(server.Close)
	if r := run(t, failed, shop(WebSocket, server.Listener.Addr().String())); r.Failures["broken"] == 0 {
		t.Error(r.Disturbed())
	}
}

func TestEndOfContextIsNoFailure(t *testing.T) {
	s := backend(t, "shop")
	ctx, cancel := context.WithCancel(t.Context())
	var clients []Client
	for _, kind := range kinds {
		c := shop(kind, s.Addr().String())
		c.Next = func() (string, string) { return "shop.test", "/?delay=10s" }
		clients = append(clients, c)
	}
	load := Start(ctx, clients...)
	if err := load.Await(t.Context(), func(r Results) bool { return s.Requests() >= 3 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if r := load.Wait(); r.Failed != 0 || r.Closed != 0 {
		t.Error(r.Disturbed())
	}
}

func TestReady(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := backend(t, "shop")
	load := Start(ctx, shop(HTTP1, s.Addr().String()), shop(HTTP2, s.Addr().String()))
	<-load.Ready()
	if r := load.Results(); r.Requests < 2 || r.Clients != 2 {
		t.Error(r)
	}
}
