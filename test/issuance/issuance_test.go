//go:build real

package issuance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

// hang bounds all of the test: a certificate is renewed after a minute.
const hang = 5 * time.Minute

// The host that is to have a certificate, and another, under load.
const (
	issued = "issued.example.com"
	other  = "other.example.com"
)

var cluster *kube.Cluster

func TestMain(m *testing.M) {
	programs, err := images()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kube.MainWithCluster(m, &cluster, kube.Options{Images: programs})
}

// unlessSet has a class its defaults, which a Stack changes.
var unlessSet = map[string]string{"namespace-hosts": "", "namespace-routes": "", "namespace-tls-hosts": "", "namespace-bytes": "",
	"namespace-changes": "", "namespace-connections": "", "deletion-window": ""}

// TestIssued: an Ingress without a Secret gets a certificate from an ACME server by
// cert-manager, and a new one before that ends, by the default settings of all; meanwhile no
// request to another host fails.
func TestIssued(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	s, err := incluster.Start(ctx, cluster, incluster.Options{Binary: true, Settings: unlessSet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ns := cluster.Namespace(t)
	authority := serve(ctx, t, ns)
	if err := s.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	end := underLoad(ctx, t, s.Envoys[0], authority)
	address, _, _ := net.SplitHostPort(s.Envoys[0].HTTP)
	roots := certificateAuthority(ctx, t, address)
	certManager(ctx, t)
	issuer(ctx, t, ns)
	begin := time.Now()
	shop := ingress(ns, "issued", issued)
	shop.Annotations = map[string]string{"cert-manager.io/issuer": "pebble"}
	apply(ctx, t, shop)
	first := presented(ctx, t, s.Envoys[0], roots, "")
	t.Logf("the certificate was there after %s", time.Since(begin).Round(time.Millisecond))
	second := presented(ctx, t, s.Envoys[0], roots, first.SerialNumber.String())
	t.Logf("the next one was there %s before the end of the first", time.Until(first.NotAfter).Round(time.Millisecond))
	if time.Now().After(first.NotAfter) || !second.NotAfter.After(first.NotAfter) {
		t.Errorf("the first certificate ended at %s, the next one came after it and ends at %s", first.NotAfter, second.NotAfter)
	}
	if got := get(ctx, s.Envoys[0], roots); got != "200" {
		t.Errorf("https://%s answers %s", issued, got)
	}
	end()
}

func apply(ctx context.Context, t *testing.T, objects ...kube.Object) {
	t.Helper()
	if err := cluster.Apply(ctx, objects...); err != nil {
		t.Fatal(err)
	}
}

// serve makes the pods of both hosts, and the other host, which has a certificate of its own.
func serve(ctx context.Context, t *testing.T, ns string) *fixture.Authority {
	t.Helper()
	deployment, service := kube.Web(ns, "web", 2, time.Second)
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := fixture.New(ns, 0).Secret(authority, "other-tls", other)
	if err != nil {
		t.Fatal(err)
	}
	apply(ctx, t, deployment, service, secret, ingress(ns, "other", other))
	if err := cluster.AwaitServed(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	return authority
}

// ingress is one of a TLS host.
func ingress(ns, name, host string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	path := networkingv1.HTTPIngressPath{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}}
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: networkingv1.IngressSpec{IngressClassName: new(incluster.Class),
		TLS: []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: name + "-tls"}},
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}}}}}}}
}

// underLoad has clients ask for the other host, and what it returns fails the test if one was
// disturbed.
func underLoad(ctx context.Context, t *testing.T, e *incluster.Envoy, authority *fixture.Authority) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var clients []load.Client
	for _, kind := range []load.Kind{load.HTTP1, load.HTTP2, load.WebSocket} {
		for i := range 5 {
			clients = append(clients, load.Client{Name: fmt.Sprint(i), Kind: kind, Address: e.HTTPS, Every: 100 * time.Millisecond, Oracle: load.Services{other: "web"},
				Next: func() (string, string) { return other, "/" }, TLS: &tls.Config{RootCAs: authority.Roots(), ServerName: other}})
		}
	}
	l := load.Start(ctx, clients...)
	select {
	case <-l.Ready():
	case <-ctx.Done():
		t.Fatalf("clients are not served: %s", l.Results())
	}
	return func() {
		t.Helper()
		cancel()
		r := l.Wait()
		t.Log(r)
		if err := r.Disturbed(); err != nil {
			t.Error(err)
		}
	}
}

// issuer is one of Pebble, by http and an Ingress of our class.
func issuer(ctx context.Context, t *testing.T, ns string) {
	t.Helper()
	ca, err := os.ReadFile(built(t, "certs", "pebble.minica.pem"))
	if err != nil {
		t.Fatal(err)
	}
	o := map[string]any{"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": map[string]any{"name": "pebble", "namespace": ns},
		"spec": map[string]any{"acme": map[string]any{"server": "https://" + acme + "/dir", "caBundle": ca, "privateKeySecretRef": map[string]any{"name": "account"},
			"solvers": []any{map[string]any{"http01": map[string]any{"ingress": map[string]any{"ingressClassName": incluster.Class}}}}}}}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cluster.REST())
	if err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "issuers"}
	if _, err := client.Resource(kind).Namespace(ns).Patch(ctx, "pebble", types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
}

// presented waits until Envoy presents a certificate for the host that Pebble has issued, and
// another one than before.
func presented(ctx context.Context, t *testing.T, e *incluster.Envoy, roots *x509.CertPool, before string) (leaf *x509.Certificate) {
	t.Helper()
	err := inprocess.Await(ctx, func() error {
		dialer := tls.Dialer{Config: &tls.Config{ServerName: issued, RootCAs: roots}}
		conn, err := dialer.DialContext(ctx, "tcp", e.HTTPS)
		if err != nil {
			return err
		}
		defer conn.Close()
		if leaf = conn.(*tls.Conn).ConnectionState().PeerCertificates[0]; leaf.SerialNumber.String() == before {
			return fmt.Errorf("still the certificate that ends at %s", leaf.NotAfter)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, told(t))
	}
	return leaf
}

// told are the Events of all namespaces, which say how far cert-manager is.
func told(t *testing.T) (lines string) {
	t.Helper()
	list, err := cluster.Client().CoreV1().Events("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, e := range list.Items {
		lines += fmt.Sprintf("%s %s %s: %s\n", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return lines
}

// get is what a request to the host is answered with.
func get(ctx context.Context, e *incluster.Envoy, roots *x509.CertPool) string {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: issued}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+e.HTTPS+"/", nil)
	if err != nil {
		return err.Error()
	}
	r.Host = issued
	answer, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	return fmt.Sprint(answer.StatusCode)
}
