//go:build real

package churn

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"

	"legation.dev/test/echo"
	"legation.dev/test/load"
)

// A probe opens a connection of its own. What a new connection meets may be a
// moment behind what Envoy has acknowledged, since its workers follow; so a
// probe is repeated until it finds what it looks for.

// probeHost: both paths of a host are answered as they should be.
func (d *driver) probeHost(h *host) {
	d.t.Helper()
	for _, path := range paths {
		if h.secret != "" {
			d.probeOver(d.https(h.name), "https", h.name, path, answerOf(h.services[path]))
		} else {
			d.probe(h.host(), path, answerOf(h.services[path]))
		}
	}
}

// probe asks over http.
func (d *driver) probe(host, path string, want load.Answer) {
	d.t.Helper()
	d.probeAt(d.HTTP, host, path, want)
}

// probeAt asks over http at an address.
func (d *driver) probeAt(address, host, path string, want load.Answer) {
	d.t.Helper()
	d.probeOver(&http.Transport{DialContext: dialTo(address), DisableKeepAlives: true}, "http", host, path, want)
}

// https is a transport whose handshake fails unless the certificate is that of
// the host.
func (w *suite) https(host string) *http.Transport {
	return &http.Transport{DialContext: dialTo(w.HTTPS), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: w.authority.Roots(), ServerName: host}}
}

// dialTo gives up an attempt sooner than the probe, which then says what it found
// before.
func dialTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: hang / 4}
		return dialer.DialContext(ctx, network, address)
	}
}

func (d *driver) probeOver(transport *http.Transport, scheme, host, path string, want load.Answer) {
	d.t.Helper()
	d.until(func(ctx context.Context) error { return ask(ctx, transport, scheme, host, path, want) })
}

// ask makes one request; an error says that another answer came, or none.
func ask(ctx context.Context, transport *http.Transport, scheme, host, path string, want load.Answer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+path, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if got := (load.Answer{Status: resp.StatusCode, Service: resp.Header.Get(echo.HeaderService)}); got != want {
		return fmt.Errorf("%s://%s%s: %s instead of %s", scheme, host, path, got, want)
	}
	return nil
}

// probeTLS: a new connection is shown this certificate (PEM).
func (d *driver) probeTLS(host string, certificate []byte) {
	d.t.Helper()
	block, _ := pem.Decode(certificate)
	d.until(func(ctx context.Context) error {
		raw, err := dialTo(d.HTTPS)(ctx, "tcp", "")
		if err != nil {
			return err
		}
		defer raw.Close()
		conn := tls.Client(raw, &tls.Config{RootCAs: d.authority.Roots(), ServerName: host})
		if err := conn.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if got := conn.ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, block.Bytes) {
			return fmt.Errorf("%s: certificate number %s is not the newest", host, got.SerialNumber)
		}
		return nil
	})
}

// until repeats a probe.
func (d *driver) until(probe func(context.Context) error) {
	d.t.Helper()
	d.probes++
	d.thaw()
	ctx, cancel := context.WithTimeout(d.ctx, hang)
	defer cancel()
	if err := d.Await(ctx, func() error { return probe(ctx) }); err != nil {
		d.t.Fatal(err)
	}
}
