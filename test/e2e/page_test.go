//go:build real

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"legation.dev/xds/identity"
)

// browser is a client that has cookies, and shows a certificate if it has one.
func browser(t *testing.T, c certs, secret string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.read(t, caSecret, identity.CertificateFile))
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: identity.ServerName}
	if secret != "" {
		pair, err := tls.LoadX509KeyPair(c.file(secret, identity.CertificateFile), c.file(secret, identity.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar, Timeout: hang}
}

// visit asks for a page: its status and text.
func visit(t *testing.T, by *http.Client, r *http.Request) (int, string) {
	t.Helper()
	answer, err := by.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.ReplaceAll(string(text), "<wbr>", "") // where a line may break says nothing
}

func get(t *testing.T, address string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestPageDoor: the page opens to the certificate of an operator and to the token, and to
// nobody else; it only looks.
func TestPageDoor(t *testing.T) {
	c, s := newCerts(t), newShop(t)
	const token = "a-token-of-more-than-20-characters"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:" + freePort(t)
	page := "https://" + at
	p := serve(t, s.folder, "127.0.0.1:"+freePort(t), "--tls", c.file(planeSecret, ""), "--ui", at, "--ui-token-file", file)
	p.log.await(t, "msg=page", page)
	p.log.await(t, "new version")

	nobody, operator, envoy := browser(t, c, ""), browser(t, c, "legation-xds-operator"), browser(t, c, envoySecret)
	for _, want := range []struct {
		what    string
		by      *http.Client
		headers []string
		code    int
		says    string
	}{
		{"an operator's certificate", operator, nil, 200, "No Envoy is connected."},
		{"an Envoy's certificate", envoy, nil, 401, "Token"},
		{"nothing", nobody, nil, 401, "Token"},
		{"the token", nobody, []string{"Authorization", "Bearer " + token}, 200, "No Envoy is connected."},
		{"another token", nobody, []string{"Authorization", "Bearer " + token + "x"}, 403, ""},
		{"another host", operator, []string{"Host", "evil.example.com"}, 421, ""},
		{"the name in the certificate", operator, []string{"Host", identity.ServerName}, 200, "Fleet"},
		{"another origin", operator, []string{"Origin", "https://evil.example.com"}, 403, ""},
		{"an image of another site", operator, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, ""},
	} {
		if code, text := visit(t, want.by, get(t, page+"/", want.headers...)); code != want.code || !strings.Contains(text, want.says) {
			t.Errorf("%s: %d, want %d and %q:\n%s", want.what, code, want.code, want.says, text)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		r := get(t, page+"/problems")
		r.Method = method
		if code, _ := visit(t, operator, r); code != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered %d", method, code)
		}
	}

	enter := func(given string) (int, string) {
		r := get(t, page+"/login", "Content-Type", "application/x-www-form-urlencoded", "Origin", page)
		r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(url.Values{"token": {given}, "to": {"/problems?severity=error"}}.Encode()))
		return visit(t, nobody, r)
	}
	if code, text := enter("wrong"); code != http.StatusForbidden || !strings.Contains(text, "not the token") {
		t.Errorf("a wrong token is answered %d: %s", code, text)
	}
	if code, text := enter(token); code != http.StatusOK || !strings.Contains(text, "<h1>Problems") {
		t.Errorf("the token is answered %d: %s", code, text)
	}
	if code, _ := visit(t, nobody, get(t, page+"/")); code != http.StatusOK {
		t.Errorf("with the cookie: %d", code)
	}
	if err := os.WriteFile(file, []byte("another-"+token), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _ := visit(t, nobody, get(t, page+"/")); code != http.StatusUnauthorized {
		t.Errorf("with the cookie of a token that was replaced: %d", code)
	}
	if strings.Contains(p.log.all(), token) {
		t.Error("the token is in the log")
	}
	p.end(t)
}

// TestPageLink: without certificates the page is on this machine, opens by the address that
// is printed, and cannot be elsewhere.
func TestPageLink(t *testing.T) {
	s := newShop(t)
	p := serve(t, s.folder, "127.0.0.1:"+freePort(t), "--ui", ":"+freePort(t))
	p.log.await(t, "new version")
	p.log.await(t, "msg=page")
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/login\?token=\w+`).FindString(p.log.all())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	by := &http.Client{Jar: jar, Timeout: hang}
	code, text := visit(t, by, get(t, link))
	if code != http.StatusOK || !strings.Contains(text, "No Envoy is connected.") || strings.Contains(text, "token=") {
		t.Errorf("%s is answered %d: %s", link, code, text)
	}
	p.end(t)

	other := serve(t, s.folder, "127.0.0.1:"+freePort(t), "--ui", "*:"+freePort(t))
	if err := other.cmd.Wait(); err == nil {
		t.Error("it listens to everybody without TLS")
	}
	other.log.await(t, "can be reached from elsewhere")
}
