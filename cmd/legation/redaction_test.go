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
	"math/big"
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
metadata: {name: key, namespace: shop, annotations: {nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users}}
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
		address := servingFile(t, guarded+p.manifests)
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
		for _, line := range []string{"translate FILE", "translate FILE -o json", "lint FILE", "lint FILE -o json", "lint FILE -o csv", "lint FILE -o sarif", "why https://key.test/ FILE -o json", "explain service/shop/web FILE -o json"} {
			look(strings.Fields(strings.ReplaceAll(line, "FILE", file))...)
		}
	}
	for _, name := range []string{"snapshot", "certs", "why", "translate", "explain"} {
		if !found[name] {
			t.Errorf("legation %s did not even print the host: the test looks at nothing", name)
		}
	}
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
