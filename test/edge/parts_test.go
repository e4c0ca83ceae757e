//go:build real

package edge

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"testing"

	"legation.dev/test/badserver"
)

// backlogged is an address where connections are not answered.
func backlogged(t *testing.T) string {
	t.Helper()
	address, end, err := badserver.Backlogged()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return address
}

// hangsUp is a server that reads a request and closes the connection.
func hangsUp(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1024))
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

// overTLS asks for host on a connection with another name in SNI, and says for
// whom the certificate was.
func overTLS(t *testing.T, w *suite, dial, sni, host, proto string) (certificate string, _ *http.Response) {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{ServerName: sni, InsecureSkipVerify: true}, // the name is checked by the caller
		ForceAttemptHTTP2: proto == "HTTP/2.0",
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(dial, strconv.Itoa(w.https)))
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.TLS.PeerCertificates[0].Subject.CommonName, resp
}
