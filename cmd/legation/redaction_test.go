package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"pgregory.net/rapid"

	"legation.dev/xds/admin/adminv1"
)

// planted are secrets that no output may have, as bytes and as they may be written.
type planted struct {
	manifests string
	needles   []string
}

func (p *planted) hide(secret string) {
	for _, text := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
		p.needles = append(p.needles, strings.Trim(text, "="))
	}
}

// secret adds a Secret, whose data is hidden but for what is named as public.
func (p *planted) secret(name, kind string, data map[string]string, public string) {
	p.manifests += fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: shop}\ntype: %s\ndata:\n", name, kind)
	for key, value := range data {
		p.manifests += fmt.Sprintf("  %s: %s\n", key, base64.StdEncoding.EncodeToString([]byte(value)))
		if key != public {
			p.hide(value)
		}
	}
}

// plant draws secrets, good ones and some that cannot be used, whose Problems could show them.
func plant(t *rapid.T) *planted {
	p := &planted{}
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // crypto/rand does not fail
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, DNSNames: []string{"key.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for _, line := range strings.Split(string(key), "\n") {
		if len(line) > 16 && !strings.HasPrefix(line, "-----") {
			p.needles = append(p.needles, line)
		}
	}
	raw, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p.hide(string(raw))
	word := rapid.StringMatching(`[a-zA-Z0-9]{16,24}`)
	damaged := word.Draw(t, "damaged")
	if rapid.Bool().Draw(t, "damage the key") {
		key = append(key[:40:40], damaged...)
	}
	p.secret("key", "kubernetes.io/tls", map[string]string{"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), "tls.key": string(key)}, "tls.crt")
	made, err := bcrypt.GenerateFromPassword([]byte(word.Draw(t, "password")), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hash := string(made)
	user := "user:" + hash + "\n"
	if rapid.Bool().Draw(t, "damage the line") {
		user = hash // a line without a name
	}
	p.secret("users", "Opaque", map[string]string{"auth": user}, "")
	p.hide(hash)
	p.secret("tickets", "Opaque", map[string]string{"tls.key": word.Draw(t, "seed")}, "")
	return p
}

const guarded = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: legation}
spec: {controller: legation.dev/ingress-controller, parameters: {apiGroup: "", kind: ConfigMap, name: settings, namespace: shop, scope: Namespace}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {session-ticket-secret: shop/tickets}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: key, namespace: shop, annotations: {nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users,
  nginx.ingress.kubernetes.io/backend-protocol: HTTPS, nginx.ingress.kubernetes.io/proxy-ssl-secret: shop/key}}
spec:
  ingressClassName: legation
  tls: [{hosts: [key.test], secretName: key}]
  rules:
  - host: key.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}], selector: {app: web}}
`

// shownBy are command lines that look at a running Legation.
var shownBy = []string{"fleet", "problems --severity info", "history", "diff", "diff --by object", "holds", "traffic", "snapshot", "explain ingress/shop/key", "explain secret/shop/key", "explain secret/shop/users",
	"why https://key.test/", "why http://key.test/", "certs list", "certs show key.test", "plan --without secret/shop/users", "plan --without ingress/shop/key", "plan -f FILE"}

// rounds are how often secrets are drawn: each starts a server, and asks it 100 times.
const rounds = 4

// TestNothingSecretIsPrinted: whatever is in Secrets, no command prints it, in no form of
// output, of a running Legation or of manifests.
func TestNothingSecretIsPrinted(t *testing.T) {
	found := map[string]bool{}
	for seed := range rounds {
		p := rapid.Custom(plant).Example(seed)
		folder := t.TempDir()
		file := filepath.Join(folder, "all.yaml")
		if err := os.WriteFile(file, []byte(guarded+p.manifests), 0o600); err != nil {
			t.Fatal(err)
		}
		debug := filepath.Join(t.TempDir(), "debug")
		_, address := servingWith(t, guarded+p.manifests, func(s *serving) { s.debug, s.level = listenOn(t, debug), new(slog.LevelVar) })
		look := func(args ...string) {
			_, out, errs := legation(args...)
			for _, needle := range p.needles {
				if strings.Contains(out+errs, needle) {
					t.Fatalf("legation %q prints a secret", args)
				}
			}
			found[args[0]] = found[args[0]] || strings.Contains(out, "key.test")
		}
		for _, line := range shownBy {
			for _, output := range []string{"table", "wide", "json", "yaml", "name"} {
				look(append(strings.Fields(strings.ReplaceAll(line, "FILE", file)), "--address", address, "-o", output)...)
			}
		}
		for _, line := range p.compared(t, folder) {
			look(strings.Fields(strings.ReplaceAll(line, "FILE", file))...)
		}
		for _, path := range []string{"/loglevel", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/pprof/nothing"} {
			look("debug", "--socket", debug, path)
		}
		for _, line := range []string{"translate FILE", "translate FILE -o json", "lint FILE", "lint FILE -o json", "lint FILE -o csv", "lint FILE -o sarif", "why https://key.test/ FILE -o json", "explain service/shop/web FILE -o json"} {
			look(strings.Fields(strings.ReplaceAll(line, "FILE", file))...)
		}
	}
	for _, name := range []string{"snapshot", "certs", "why", "translate", "explain", "compare"} {
		if !found[name] {
			t.Errorf("legation %s did not even print the host: the test looks at nothing", name)
		}
	}
}

// compared are command lines that hold a log of ingress-nginx against the manifests, in which a
// client has asked for a path with a line of htpasswd.
func (p *planted) compared(t *testing.T, folder string) (lines []string) {
	t.Helper()
	log := filepath.Join(folder, "access.log")
	var text strings.Builder
	for _, needle := range p.needles {
		if strings.HasPrefix(needle, "$2") {
			for i, answer := range [][2]string{{"200", "10.1.0.9:8080"}, {"302", "-"}, {"403", "-"}} { // the last two are no answers of ours
				fmt.Fprintf(&text, "192.0.2.1 - user [28/Nov/2026:11:30:00 +0000] \"GET /%d/user:%s HTTP/1.1\" %s 5 \"-\" \"curl\" 100 0.001 [shop-open-80] [] %s - - - id\n", i, needle, answer[0], answer[1])
			}
		}
	}
	if text.Len() == 0 {
		t.Fatal("no hash is planted")
	}
	if err := os.WriteFile(log, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "compared.yaml")
	if err := os.WriteFile(file, []byte(guarded+p.manifests+strings.ReplaceAll(openToAll, "NAME", "open")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"table", "json", "csv"} {
		lines = append(lines, "compare "+file+" --nginx-log "+log+" -o "+output)
	}
	return lines
}

// openToAll is a host without TLS.
const openToAll = `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: shop}
spec:
  ingressClassName: legation
  rules: [{host: NAME.key.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: NAME, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec: {ports: [{port: 80}], selector: {app: NAME}}
`

// listenOn listens on a socket until the test ends.
func listenOn(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

const oneMore = `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: shop}
spec:
  ingressClassName: legation
  rules: [{host: NAME.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`

// TestStuckClient: clients that ask for much and do not read it, and one that plans, keep
// nothing from being served.
func TestStuckClient(t *testing.T) {
	var many strings.Builder
	many.WriteString(whyManifests)
	for i := range 300 {
		many.WriteString(strings.ReplaceAll(oneMore, "NAME", fmt.Sprint("n", i)))
	}
	folder, address := servingFolder(t, many.String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 8 {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		admin := adminv1.NewAdminClient(conn)
		if _, err := admin.Resources(ctx, &adminv1.ResourcesRequest{Bodies: true}); err != nil { // and nobody reads
			t.Fatal(err)
		}
		if _, err := admin.Watch(ctx, &adminv1.WatchRequest{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = admin.Plan(ctx, &adminv1.PlanRequest{Manifests: []byte(many.String())}) // some are refused: one is made at a time
		}()
	}
	if err := os.WriteFile(filepath.Join(folder, "more.yaml"), []byte(strings.ReplaceAll(oneMore, "NAME", "after")), 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		_, served, errs := legation("snapshot", "after.test", "--type", "vhds", "--address", address)
		if strings.Contains(served, "ingress/after.test") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing new is served: %s", errs)
		}
	}
}
