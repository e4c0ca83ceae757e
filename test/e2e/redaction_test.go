//go:build real

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"legation.dev/inspect"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/redact"
)

// guardedShop is a host by https that asks for passwords.
const guardedShop = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: guarded, namespace: shop, annotations: {nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users}}
spec:
  tls: [{hosts: [guarded.localhost], secretName: guarded}]
  rules: [{host: guarded.localhost, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: shop}
type: Opaque
data: {auth: AUTH}
---
`

// TestEnvoySaysNoSecret: what a real Envoy says of itself, to shutdown-manager and so to
// ` + "`legation envoy`" + `, and what it writes of requests, to ` + "`legation errors`" + `, has neither the private
// key that it serves with nor a line of htpasswd that it checks, nor one that a client sends.
func TestEnvoySaysNoSecret(t *testing.T) {
	c := newCerts(t)
	w := newWired(t, c, "--authz", "unix:"+filepath.Join(t.TempDir(), "authz.sock"))
	pair, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "guarded.yaml", strings.Replace(guardedShop, "AUTH", base64.StdEncoding.EncodeToString([]byte("user:"+string(hash)+"\n")), 1)+tlsSecret("guarded", pair.Certificate, pair.Key))
	w.until(t, "Envoy has the certificate and the passwords", func() bool {
		dump, err := w.e.ConfigDump(t.Context(), "include_eds=on")
		return err == nil && bytes.Contains(dump, []byte("guarded.localhost")) && bytes.Contains(dump, hash)
	})
	needles := []string{string(hash), base64.StdEncoding.EncodeToString(hash), string(keyLine(pair.Key)), base64.StdEncoding.EncodeToString(keyLine(pair.Key))}
	for _, what := range []string{"stats", "clusters", "certs", "config"} {
		c := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(binary(t)), "shutdown-manager"), "ask", "--admin", "unix:"+w.e.Socket(), what)
		out, err := c.Output()
		if err == nil && what == "config" { // as ` + "`legation envoy`" + ` prints it
			out, err = redact.Dump(out)
		}
		if err != nil || len(out) < 100 {
			t.Errorf("%s: %v, %d bytes", what, err, len(out))
		}
		free(t, what, out, needles)
		if what == "config" && !bytes.Contains(out, []byte("guarded.localhost")) {
			t.Errorf("the configuration has no word of the host:\n%.2000s", out)
		}
	}
	w.failing(t, string(hash), needles)
}

// failing: a request that fails, whose client writes a line of htpasswd into its path.
func (w *wired) failing(t *testing.T, hash string, needles []string) {
	t.Helper()
	w.apiTo(t, "nobody")
	log := &inspect.ErrorLog{Host: "shop.localhost", Least: 500}
	w.until(t, "a request fails, and is in the log", func() bool {
		if _, err := w.ask(t.Context(), "/api/user:"+hash+"?user:"+hash); err != nil {
			t.Fatal(err)
		}
		*log = inspect.ErrorLog{Host: "shop.localhost", Least: 500}
		if err := log.Read("envoy", strings.NewReader(w.e.Log())); err != nil {
			t.Fatal(err)
		}
		return len(log.Causes()) > 0
	})
	if !strings.Contains(w.e.Log(), hash) {
		t.Error("the access log itself does not have what the client sent")
	}
	text, err := json.Marshal(log.Causes())
	if err != nil || !bytes.Contains(text, []byte("/api/user:")) {
		t.Errorf("%v: %s", err, text)
	}
	free(t, "errors", text, needles)
}

// keyLine is a line of a private key in PEM.
func keyLine(key []byte) []byte { return bytes.Split(key, []byte("\n"))[1] }

// free wants a text to have none of the secrets.
func free(t *testing.T, what string, text []byte, needles []string) {
	t.Helper()
	for _, n := range needles {
		if bytes.Contains(text, []byte(n)) {
			t.Errorf("%s has a secret, %.10s...", what, n)
		}
	}
}
