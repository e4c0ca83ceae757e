//go:build real

package edge

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// authority adds a Secret that takes the one certificate of a client, and returns that.
func (w *suite) authority(t *testing.T, name, client string) *tls.Certificate {
	t.Helper()
	certificate, key := selfSigned(client)
	w.put(input.Seal(&input.Secret{Meta: meta(name), Authorities: certificate}))
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// presenting asks for a host by the connection of another name, perhaps with a certificate,
// and says what headers the backend got.
func (w *suite) presenting(t *testing.T, sni, host string, with *tls.Certificate) (*http.Response, http.Header) {
	t.Helper()
	config := &tls.Config{ServerName: sni, InsecureSkipVerify: true} // the client's side is not what is tested
	if with != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return with, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(w.https)))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Cert", "Verify", "Subject-Dn", "Issuer-Dn"} {
		req.Header.Set("Ssl-Client-"+name, "forged")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got echo.Answer
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	return resp, got.Headers
}

// TestClients: who may come by TLS is said by certificate, of the host that was asked and
// of no other, and nobody can claim one in a header.
func TestClients(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	ann, ben := w.authority(t, "ann", "ann"), w.authority(t, "ben", "ben")
	by := func(secret string, more ...string) map[string]string {
		theirs := map[string]string{"auth-tls-secret": "shop/" + secret}
		for i := 0; i < len(more); i += 2 {
			theirs["auth-tls-"+more[i]] = more[i+1]
		}
		return theirs
	}
	for host, theirs := range map[string]map[string]string{
		"on.test": by("ann", "pass-certificate-to-upstream", "true"), "ben.test": by("ben"), "optional.test": by("ann", "verify-client", "optional"),
		"any.test": by("ann", "verify-client", "optional_no_ca"), "cn.test": by("ann", "match-cn", "CN=(bob|cid)"), "page.test": by("ann", "error-page", "https://help.test/100%25"),
		"gone.test": by("gone", "verify-client", "optional"), "off.test": by("ann", "verify-client", "off"), "open.test": nil, "*.wild.test": by("ben"), "on.wild.test": by("ann"),
	} {
		w.foreign(host, host, true, theirs, route{"/", input.PathPrefix, "web"})
	}
	w.start(t)
	for _, c := range []struct {
		sni, host string
		with      *tls.Certificate
		status    int
		verify    string
	}{
		{"on.test", "on.test", nil, 400, ""}, {"on.test", "on.test", ben, 400, ""}, {"on.test", "on.test", ann, 200, "SUCCESS"},
		{"open.test", "open.test", nil, 200, ""}, {"off.test", "off.test", nil, 200, ""},
		{"open.test", "on.test", ann, 421, ""}, {"ben.test", "on.test", ben, 421, ""}, {"optional.test", "on.test", ann, 421, ""}, {"on.test", "open.test", nil, 200, ""},
		{"optional.test", "optional.test", nil, 200, "NONE"}, {"optional.test", "optional.test", ben, 400, ""}, {"optional.test", "optional.test", ann, 200, "SUCCESS"},
		{"open.test", "optional.test", nil, 421, ""},
		{"any.test", "any.test", nil, 200, "NONE"}, {"any.test", "any.test", ben, 200, "FAILED"}, {"any.test", "any.test", ann, 200, "SUCCESS"},
		{"cn.test", "cn.test", ann, 403, ""}, {"cn.test", "cn.test", nil, 400, ""}, {"page.test", "page.test", nil, 302, ""}, {"page.test", "page.test", ann, 200, "SUCCESS"},
		{"gone.test", "gone.test", nil, 503, ""}, {"gone.test", "gone.test", ann, 503, ""},
		{"b.wild.test", "b.wild.test", ben, 200, "SUCCESS"}, {"b.wild.test", "B.wild.test:443", ben, 200, "SUCCESS"}, {"a.wild.test", "b.wild.test", ben, 421, ""},
		{"a.wild.test", "b.wild.test", nil, 421, ""}, {"on.wild.test", "b.wild.test", ann, 421, ""}, {"a.wild.test", "on.wild.test", ben, 421, ""},
	} {
		resp, headers := w.presenting(t, c.sni, c.host, c.with)
		who := "nobody"
		if c.with != nil {
			who = c.with.Leaf.Subject.CommonName
		}
		if got := headers.Get("Ssl-Client-Verify"); resp.StatusCode != c.status || got != c.verify {
			t.Errorf("%s by the connection of %s from %s: got %d %q, want %d %q", c.host, c.sni, who, resp.StatusCode, got, c.status, c.verify)
		}
		if subject := headers.Get("Ssl-Client-Subject-Dn"); c.verify == "SUCCESS" && subject != "CN="+who || c.verify == "NONE" && subject != "" {
			t.Errorf("%s from %s: subject %q", c.host, who, subject)
		}
		if pem := headers.Get("Ssl-Client-Cert"); c.host == "on.test" && c.status == 200 && !strings.HasPrefix(pem, "-----BEGIN%20CERTIFICATE") || c.host == "cn.test" && pem != "" {
			t.Errorf("%s from %s: certificate %.40q", c.host, who, pem)
		}
		if got := resp.Header.Get("Location"); c.status == 302 && got != "https://help.test/100%25" {
			t.Errorf("%s: sent to %q", c.host, got)
		}
	}
}
