package real

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"legation.dev/test/bench/proc"
)

// Pushed are the kinds of paths that are pushed: plain ones, and those of a host with
// authentication, CORS, limits and header changes, given where the service of authorization is.
func Pushed(service *net.TCPAddr) []Feature {
	guarded := map[string]string{
		"auth-url": fmt.Sprintf("http://%s/auth", service), "auth-response-headers": "X-Auth-Request-User, X-Auth-Request-Email",
		"enable-cors": "true", "cors-allow-credentials": "true", "limit-rps": "1000", "whitelist-source-range": "127.0.0.0/8, 10.0.0.0/8",
		"configuration-snippet": `more_set_headers "X-Frame-Options: DENY"; more_set_headers "X-Content-Type-Options: nosniff"; proxy_set_header X-Site main;`}
	origins := map[string]string{"cors-allow-origin": "https://shop.example.com, https://*.example.com"}
	return []Feature{{Name: Plain}, {Name: "auth, CORS, limits and headers", Asks: true, Says: guarded},
		{Name: "the same, and a list of origins", Asks: true, Says: all(guarded, origins)}}
}

const pushManifest = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: push, namespace: bench, annotations: {%[1]s}}
spec:
  ingressClassName: legation
  rules:
`

const pushedHost = "  - host: h%d.%s\n    http:\n      paths:\n"

const pushedPath = "      - {path: /p%d, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}\n"

// Push writes so many hosts with so many paths each, all with a feature, and returns what
// that costs until the last one answers. Then they are removed.
func (s *Side) Push(ctx context.Context, f Feature, hosts, paths int) (c Cost, err error) {
	text := fmt.Sprintf(pushManifest, annotations(f.Says))
	for h := range hosts {
		text += fmt.Sprintf(pushedHost, h, f.host())
		for i := range paths {
			text += fmt.Sprintf(pushedPath, i)
		}
	}
	file := filepath.Join(s.folder, "push.yaml")
	before, err := proc.ThreadsOf(s.envoy.PID(), workers)
	if err != nil {
		return c, err
	}
	bytes := s.wire.bytes.Load()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return c, err
	}
	last := strings.Replace(string(f.request()), "GET / ", fmt.Sprintf("GET /p%d ", paths-1), 1)
	last = strings.Replace(last, f.host(), fmt.Sprintf("h%d.%s", hosts-1, f.host()), 1)
	if err := s.awaitAnswer(ctx, []byte(last), http.StatusOK); err != nil {
		return c, err
	}
	after, err := proc.ThreadsOf(s.envoy.PID(), workers)
	c = Cost{Bytes: s.wire.bytes.Load() - bytes, CPU: after.Main - before.Main}
	return c, errors.Join(err, os.Remove(file), s.awaitAnswer(ctx, []byte(last), http.StatusNotFound))
}

// awaitAnswer waits until a request is answered with a status.
func (s *Side) awaitAnswer(ctx context.Context, request []byte, status int) error {
	return until(ctx, fmt.Sprintf("status %d", status), func() (bool, error) {
		conn, err := net.Dial("tcp", s.plainAddress())
		if err != nil {
			return false, nil
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return false, err
		}
		got, err := newClient(conn, request).answer()
		return err == nil && got.StatusCode == status, nil
	})
}
