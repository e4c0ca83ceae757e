//go:build real

package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"legation.dev/translator/input"
)

// TestSessionTicketSecret: a client that left one Envoy resumes its TLS session at
// another, of another replica, if the class names the same Secret there; else not.
func TestSessionTicketSecret(t *testing.T) {
	for _, c := range []struct {
		name    string
		setting map[string]string
		resumes bool
	}{
		{"shared", map[string]string{"session-ticket-secret": "shop/seed"}, true},
		{"each its own", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, other := newSuite(t), newSuite(t)
			one.echo(t, "web", "")
			one.ingress("web", "shop.test", true, route{"/", input.PathPrefix, "web"})
			one.secret("seed", "seed.test")
			other.changes = slices.Clone(one.changes)
			for _, w := range []*suite{one, other} {
				for name, text := range c.setting {
					w.settings[name] = text
				}
				w.start(t)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				config := &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
					ClientSessionCache: tls.NewLRUClientSessionCache(1)}
				if resumed(t, one, config) {
					t.Errorf("%s: the first connection resumed a session", tls.VersionName(version))
				}
				if !resumed(t, one, config) {
					t.Errorf("%s: no session is resumed at the same Envoy", tls.VersionName(version))
				}
				if got := resumed(t, other, config); got != c.resumes {
					t.Errorf("%s: resumed at another Envoy: %t", tls.VersionName(version), got)
				}
			}
		})
	}
}

// resumed makes a request on a connection of its own, and reports whether that resumed a
// session. With the answer come the tickets of TLS 1.3.
func resumed(t *testing.T, w *suite, config *tls.Config) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.https), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState().DidResume
}
