//go:build real

package edge

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"legation.dev/translator/input"
)

// TestUpstreamTLS: an endpoint is believed by the certificate that a Secret has for it, is
// shown the one of the Secret, and is not spoken to without it.
func TestUpstreamTLS(t *testing.T) {
	w := newSuite(t)
	certificate, key := selfSigned("inner.test")
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Seen", fmt.Sprint(r.TLS.ServerName, " ", len(r.TLS.PeerCertificates), " ", tls.VersionName(r.TLS.Version), " ", tls.CipherSuiteName(r.TLS.CipherSuite)))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.service("inner", "", server.Listener.Addr().String())
	other, otherKey := selfSigned("other.test")
	w.put(input.Seal(&input.Secret{Meta: meta("good"), Certificate: other, Key: otherKey, Authorities: certificate}))
	w.put(input.Seal(&input.Secret{Meta: meta("wrong"), Authorities: other}))
	w.put(input.Seal(&input.Secret{Meta: meta("pair"), Certificate: other, Key: otherKey}))
	for host, annotations := range map[string]map[string]string{
		"plain":  {},
		"good":   {"upstream-tls-secret": "good", "upstream-tls-verify": "true", "upstream-tls-name": "inner.test", "upstream-tls-server-name": "true", "upstream-tls-verify-depth": "0", "upstream-tls-versions": "1.2", "upstream-tls-ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"},
		"pair":   {"upstream-tls-secret": "pair"},
		"wrong":  {"upstream-tls-secret": "wrong", "upstream-tls-verify": "true", "upstream-tls-name": "inner.test"},
		"name":   {"upstream-tls-secret": "good", "upstream-tls-verify": "true", "upstream-tls-name": "outer.test"},
		"lost":   {"upstream-tls-secret": "lost"},
		"no-ca":  {"upstream-tls-secret": "pair", "upstream-tls-verify": "true", "upstream-tls-name": "inner.test"},
		"anyone": {"upstream-tls-secret": "good", "upstream-tls-verify": "true"},
	} {
		annotations["upstream-protocol"] = "https"
		w.annotated(host, host+".test", false, annotations, route{"/", input.PathPrefix, "inner"})
	}
	w.start(t)
	for _, c := range []struct {
		host, seen string
		status     int
	}{
		{"plain", "0 TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 200}, {"good", "inner.test 1 TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 200}, {"pair", "1 TLS 1.3 TLS_AES_128_GCM_SHA256", 200},
		{"wrong", "", 502}, {"name", "", 502}, {"lost", "", 503}, {"no-ca", "", 503}, {"anyone", "", 503},
	} {
		resp, _ := ask(t, w.http, get(c.host+".test", "/"))
		if got := resp.Header.Get("X-Seen"); resp.StatusCode != c.status || got != c.seen {
			t.Errorf("%s: %d, the endpoint saw %q; want %d, %q", c.host, resp.StatusCode, got, c.status, c.seen)
		}
	}
}

// TestCiphers: a host has ciphers of its own, and no other one does.
func TestCiphers(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.foreign("one", "one.test", true, map[string]string{"ssl-ciphers": "DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:!aNULL"}, route{"/", input.PathPrefix, "web"})
	w.foreign("two", "two.test", true, nil, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for _, c := range []struct {
		host   string
		cipher uint16
		shakes bool
	}{
		{"one.test", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true}, {"one.test", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false},
		{"two.test", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
	} {
		conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(w.https)), &tls.Config{ServerName: c.host, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{c.cipher}})
		if (err == nil) != c.shakes {
			t.Errorf("%s with %s: %v", c.host, tls.CipherSuiteName(c.cipher), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}
