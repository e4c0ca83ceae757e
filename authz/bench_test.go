package authz_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/authz"
	"legation.dev/authz/rule"
)

// BenchmarkService is what one question costs, with the service that is asked and the
// client that asks, which stands for Envoy.
func BenchmarkService(b *testing.B) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") }))
	defer service.Close()
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	go authz.New(authz.Config{Local: true}).Serve(b.Context(), l)
	r := rule.Rule{URL: service.URL + "/auth", Method: "GET", Headers: []string{"x-auth-request-user"}}
	text, err := r.Text()
	if err != nil {
		b.Fatal(err)
	}
	request := strings.Join([]string{"GET " + rule.Path + "/ HTTP/1.1", "Host: shop.example.com", rule.Header + ": " + text, rule.ClientHeader + ": 127.0.0.1",
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Request-Id: 00000000-0000-4000-8000-000000000000", "", ""}, "\r\n")
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		rd := bufio.NewReader(c)
		for p.Next() {
			io.WriteString(c, request)
			a, err := http.ReadResponse(rd, nil)
			if err != nil || a.StatusCode != http.StatusOK {
				b.Error(a, err)
				return
			}
		}
	})
}
