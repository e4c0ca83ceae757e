package inspect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/snapshot"
)

// secretOf is a manifest of a Secret with a certificate, and its key as PEM.
func secretOf(t *testing.T, name string, ends time.Time, hosts ...string) (manifest string, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca of " + name}, DNSNames: hosts, NotBefore: ends.Add(-90 * 24 * time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes})
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: shop}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n", name,
		base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), base64.StdEncoding.EncodeToString(key)), key
}

const tlsIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  tls:
  - {hosts: [a.test, b.test, "*.w.test"], secretName: first}
  - {hosts: [c.test], secretName: missing}
  - {hosts: [d.test], secretName: second}
  rules:
  - {host: a.test, http: &any {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: b.test, http: *any}
  - {host: "*.w.test", http: *any}
  - {host: c.test, http: *any}
  - {host: d.test, http: *any}
`

// TestCertificates: each certificate is told once, with its hosts, that which ends first in
// front; a last good one and a stand-in are told as that; and of a host, what it is shown.
func TestCertificates(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	first, _ := secretOf(t, "first", now.Add(48*time.Hour), "a.test", "*.w.test")
	second, _ := secretOf(t, "second", now.Add(24*time.Hour), "d.test")
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(tlsIngress+first+second), 0o600); err != nil {
		t.Fatal(err)
	}
	changes, err := dir.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	fleet, _ := r.Fleet(input.DefaultClass)
	served := func(string) snapshot.Snapshot { return fleet.Snapshot }
	text := func(r translator.Result, host string) (lines []string) {
		for _, c := range Certificates(r, served, "", host) {
			end := ""
			if c.GetEnds() != nil {
				end = c.GetEnds().AsTime().Sub(now).String()
			}
			lines = append(lines, strings.Join([]string{c.GetState(), c.GetSecret(), end, strings.Join(c.GetNames(), ","), c.GetIssuer(), strings.Join(c.GetHosts(), ","), strings.Join(c.GetUnnamed(), ",")}, "|"))
		}
		return lines
	}
	want := []string{"served|Secret shop/second|24h0m0s|d.test|ca of second|d.test|", "served|Secret shop/first|48h0m0s|a.test,*.w.test|ca of first|*.w.test,a.test,b.test|b.test"}
	got := text(r, "")
	if standIns := got[min(2, len(got)):]; !slices.Equal(got[:min(2, len(got))], want) || len(standIns) == 0 && fleet.Certificate("c.test") != nil && fleet.Certificate("c.test").Placeholder {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := text(r, "x.w.test"); len(got) != 1 || !strings.Contains(got[0], "|*.w.test|") {
		t.Errorf("of a name below a wildcard: %q", got)
	}
	gone := translator.Translate(r, r.View().With(input.Delete(object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "second"})))
	if got := text(gone, "d.test"); !slices.Equal(got, []string{"kept|Secret shop/second|24h0m0s|d.test|ca of second|d.test|"}) {
		t.Errorf("a Secret that is gone: %q", got)
	}
}
