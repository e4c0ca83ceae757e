//go:build real

package nginx

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
)

// Ports of the backends, at the address of each case.
const (
	firstPort, lastPort = 18001, 18012
	tlsPort             = 18443
)

// servedHeader is in each answer of a backend.
const servedHeader = "X-Echo-Served"

// echoed is the answer of a backend: where it is, and what it received.
type echoed struct {
	upstream
	Address string `json:"address"`
}

// BackendOf is the address of the backends of the n-th case, from 1 on.
func BackendOf(n int) string { return address(n) }

// Backends starts those of cases.
func Backends(t *testing.T, cases []*Case) {
	t.Helper()
	pair := certificate(t)
	for _, c := range cases {
		backends(t, c.Address, pair)
	}
}

func backends(t *testing.T, address string, pair tls.Certificate) {
	t.Helper()
	server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0)} // who speaks http to the port with TLS sees it by the answer
	t.Cleanup(func() { server.Close() })
	for port := firstPort; port <= lastPort; port++ {
		listen(t, server, address, port, nil)
	}
	listen(t, server, address, tlsPort, &tls.Config{Certificates: []tls.Certificate{pair}})
}

func listen(t *testing.T, server *http.Server, address string, port int, secure *tls.Config) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
}

// certificate is that of the backends with TLS. Nobody has issued it that clients trust.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := fixture.New("", 0).Secret(authority, "", "backend.test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// echo answers as the backends did that ingress-nginx had. Headers of the request say how:
// X-Echo-Status, X-Echo-Set ("name: value|name: value"), X-Echo-Delay (seconds), X-Echo-Big
// (bytes of a header), X-Echo-Drip (bytes, one each second).
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.Copy(io.Discard, r.Body) // as far as it came
	if r.Header.Get("Upgrade") != "" {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
		return
	}
	number := func(name string) int { n, _ := strconv.Atoi(r.Header.Get(name)); return n }
	if seconds, _ := strconv.ParseFloat(r.Header.Get("X-Echo-Delay"), 64); seconds > 0 {
		pause(r.Context(), time.Duration(seconds*float64(time.Second)))
	}
	if n := number("X-Echo-Drip"); n > 0 {
		dripping(w, r, n)
		return
	}
	status := cmp.Or(number("X-Echo-Status"), http.StatusOK)
	if asksWho(r) {
		status = authenticate(w.Header(), r)
	}
	for set := range strings.SplitSeq(r.Header.Get("X-Echo-Set"), "|") {
		if name, value, ok := strings.Cut(set, ":"); ok {
			w.Header().Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if n := number("X-Echo-Big"); n > 0 {
		w.Header().Set("X-Big", strings.Repeat("y", n))
	}
	w.Header().Set(servedHeader, "1")
	w.Header()["Server"] = []string{"BaseHTTP/0.6 Python/3.11.7", "echo/1"} // as expected.json has it where nothing is between
	w.Header().Set("Content-Type", "application/json")
	text, err := json.Marshal(echoing(r, int(body)))
	if err != nil {
		panic(err) // strings and numbers
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// echoing is the body of an answer.
func echoing(r *http.Request, body int) echoed {
	at := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	e := echoed{Address: at.IP.String(), upstream: upstream{Port: at.Port, Path: r.RequestURI, Method: r.Method,
		TLS: r.TLS != nil, Body: body, Headers: map[string]string{"host": r.Host}}}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, between)
	}
	if what := copied(r, body); what != "" {
		e.Headers[strings.ToLower(CopiedHeader)] = what
	}
	return e
}

// asksWho reports whether a request asks who another one is of.
func asksWho(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/oauth2/auth") || strings.HasPrefix(r.RequestURI, "/auth")
}

// authenticate answers as an authentication service: whoever has a session, or names a
// user, may pass.
func authenticate(h http.Header, r *http.Request) int {
	seen := func(name string) string {
		if value := r.Header.Get(name); name != "Content-Length" || value != "0" { // which says as much as none
			return cmp.Or(value, "None")
		}
		return "None"
	}
	h.Set("X-Auth-Request-User", cmp.Or(r.Header.Get("X-Test-User"), "cookie-user"))
	h.Set("X-Auth-Request-Email", "a@example.org")
	if strings.HasPrefix(r.RequestURI, "/auth/echo") {
		h.Set("X-Seen", fmt.Sprintf("%s %s host=%s om=%s ou=%s sf=%s cookie=%s az=%s cl=%s", r.Method, r.RequestURI, r.Host,
			seen("X-Original-Method"), seen("X-Original-URL"), seen("X-Sent-From"), seen("Cookie"), seen("Authorization"), seen("Content-Length"))+r.Header.Get("X-Extra"))
	}
	if r.Header.Get("X-Test-User") != "" || strings.Contains(r.Header.Get("Cookie"), "session=") {
		return http.StatusAccepted
	}
	return http.StatusUnauthorized
}

// dripping sends a body one byte each second: whether a proxy waits for it is the question.
func dripping(w http.ResponseWriter, r *http.Request, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(n))
	for range n {
		pause(r.Context(), time.Second)
		if _, err := w.Write([]byte(".")); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
	}
}

// pause waits, but not for a client that is gone.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
