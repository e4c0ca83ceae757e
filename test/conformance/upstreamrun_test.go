//go:build real

package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/echo"
	"legation.dev/test/kube"
)

// exchange is a request of upstream's client, and what came of it.
type exchange struct {
	response *http.Response
	answer   echo.Answer // of the pod
	pods     int         // that answered, if it was asked many times
}

// upstreamFeature runs the scenarios of a feature on the Ingress that it has in upstream's
// suite.
func upstreamFeature(t *testing.T, feature string, pods int32, ingress *networkingv1.Ingress, services ...string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
	t.Cleanup(cancel)
	namespace := k.Namespace(t)
	var deployments []*appsv1.Deployment
	for _, name := range services {
		deployment, service := kube.Web(namespace, name, pods, time.Second)
		deployments = append(deployments, deployment)
		apply(ctx, t, namespace, deployment, service)
	}
	apply(ctx, t, namespace, selfSigned(t, "conformance-tls", "foo.bar.com"))
	if err := k.AwaitServed(ctx, deployments...); err != nil {
		t.Fatal(err)
	}
	apply(ctx, t, namespace, ingress)
	for i, s := range scenarios(feature) {
		t.Run(strconv.Itoa(i+1), func(t *testing.T) { s.run(ctx, t, namespace) })
	}
}

// redirects changes whether the class redirects hosts that have a certificate to https.
func redirects(t *testing.T, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang) // that of the test has ended in Cleanup
	defer cancel()
	if err := legation.Settings(ctx, map[string]string{"ssl-redirect": value}); err != nil {
		t.Fatal(err)
	}
	if err := legation.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

// run asks, and looks at each assertion.
func (s upstreamScenario) run(ctx context.Context, t *testing.T, namespace string) {
	if s.assertions[0] == hasAddress {
		published(ctx, t, namespace)
	} else {
		passOver(ctx, t)
	}
	x := s.ask(ctx, t)
	for _, a := range s.assertions {
		if got := x.about(ctx, t, a, namespace); got != a.want {
			t.Errorf("%s %s: %s: got %q, want %q", s.method, s.url, a.of, got, a.want)
		}
	}
}

// passOver waits until an Ingress of ours that is younger than all others has its address:
// what has none by then was passed over.
func passOver(ctx context.Context, t *testing.T) {
	t.Helper()
	namespace := k.Namespace(t)
	apply(ctx, t, namespace, ingress("younger", host("younger.test", prefix("/", "web"))))
	published(ctx, t, namespace)
}

// ask sends the request as often as it is to be sent; one that is answered by another
// status than the first one is an error.
func (s upstreamScenario) ask(ctx context.Context, t *testing.T) (x exchange) {
	t.Helper()
	reached := map[string]bool{}
	for range s.times {
		response, body := s.send(ctx, t)
		if x.response != nil && response.StatusCode != x.response.StatusCode {
			t.Errorf("%s: %s, after %s", s.url, response.Status, x.response.Status)
		}
		x.response, x.answer = response, echo.Answer{}
		if response.StatusCode == http.StatusOK {
			if err := json.Unmarshal(body, &x.answer); err != nil {
				t.Fatal(err)
			}
			reached[x.answer.Instance] = true
		}
	}
	x.pods = len(reached)
	return x
}

// send sends the request as upstream's client does: it trusts every certificate, and looks
// at it later.
func (s upstreamScenario) send(ctx context.Context, t *testing.T) (*http.Response, []byte) {
	t.Helper()
	q, err := http.NewRequestWithContext(ctx, s.method, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: toEnvoy, DisableCompression: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	response, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// about is what the exchange says of what an assertion is about: what is wanted, if it
// holds.
func (x exchange) about(ctx context.Context, t *testing.T, a assertion, namespace string) string {
	switch a.of {
	case statusCode:
		return strconv.Itoa(x.response.StatusCode)
	case byService:
		return x.answer.Service
	case certifiedFor:
		return x.certified(a.want)
	case responseProto:
		return x.response.Proto
	case responseHeader:
		return x.has(a.want)
	case receivedMethod:
		return x.answer.Method
	case receivedPath:
		return x.answer.Path
	case receivedProto:
		return x.answer.Proto
	case receivedHost:
		return x.answer.Host
	case receivedAgent:
		return x.answer.Headers.Get("User-Agent")
	case differentPods:
		return strconv.Itoa(x.pods)
	case ingressStatus:
		return publishedNow(ctx, t, namespace)
	}
	return "nothing is known of this"
}

// certified is the name, if the certificate is for it.
func (x exchange) certified(name string) string {
	if x.response.TLS == nil {
		return "no certificate"
	}
	if err := x.response.TLS.PeerCertificates[0].VerifyHostname(name); err != nil {
		return err.Error()
	}
	return name
}

// has is the name of the header, if the answer has it with a value.
func (x exchange) has(name string) string {
	if name == "Content-Length" && x.response.ContentLength > 0 || x.response.Header.Get(name) != "" {
		return name
	}
	return fmt.Sprintf("only %v", x.response.Header)
}

// publishedNow reports whether the Ingress of a namespace has our address.
func publishedNow(ctx context.Context, t *testing.T, namespace string) string {
	all, err := k.Client().NetworkingV1().Ingresses(namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(all.Items) != 1 {
		t.Fatal(len(all.Items), "Ingresses:", err)
	}
	switch list := all.Items[0].Status.LoadBalancer.Ingress; {
	case len(list) == 0:
		return "no address"
	case len(list) == 1 && list[0].IP == address:
		return "an address"
	default:
		return fmt.Sprint(list)
	}
}

// selfSigned is a certificate for a host that no authority signed.
func selfSigned(t *testing.T, name, host string) *corev1.Secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}}
}

// TestUpstreamDefaultBackend: an Ingress without rules gets all requests.
func TestUpstreamDefaultBackend(t *testing.T) {
	all := ingress("default-backend")
	all.Spec.DefaultBackend = backend("echo-service")
	upstreamFeature(t, "default_backend", 1, all, "echo-service")
}

// TestUpstreamHostRules: hosts, wildcards, and a certificate that nobody signed.
func TestUpstreamHostRules(t *testing.T) {
	named := prefix("/", "foo-bar-com")
	named.Backend.Service.Port = networkingv1.ServiceBackendPort{Name: kube.PortName}
	rules := ingress("host-rules", host("*.foo.com", prefix("/", "wildcard-foo-com")), host("foo.bar.com", named))
	redirects(t, "false")
	t.Cleanup(func() { redirects(t, "") })
	rules.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"foo.bar.com"}, SecretName: "conformance-tls"}}
	upstreamFeature(t, "host_rules", 1, rules, "wildcard-foo-com", "foo-bar-com")
}

// TestUpstreamIngressClass: an Ingress of a class that is not there is nobody's. What is
// not written to it is known once a younger one of ours has its address.
func TestUpstreamIngressClass(t *testing.T) {
	upstreamFeature(t, "ingress_class", 1, of("some-invalid-class-name", ingress("test-ingress-class", host("ingress-class", prefix("/", "ingress-class-prefix")))))
}

// TestUpstreamLoadBalancing: all pods of a Service are asked.
func TestUpstreamLoadBalancing(t *testing.T) {
	all := ingress("load-balancing")
	all.Spec.DefaultBackend = backend("echo-service")
	upstreamFeature(t, "load_balancing", 10, all, "echo-service")
}

// TestUpstreamPathRules: exact paths, prefixes, and both beside each other.
func TestUpstreamPathRules(t *testing.T) {
	upstreamFeature(t, "path_rules", 1, ingress("path-rules",
		host("exact-path-rules", exact("/foo", "foo-exact")),
		host("prefix-path-rules", prefix("/foo", "foo-prefix"), prefix("/aaa/bbb", "aaa-slash-bbb-prefix"), prefix("/aaa", "aaa-prefix")),
		host("mixed-path-rules", prefix("/foo", "foo-prefix"), exact("/foo", "foo-exact")),
		host("trailing-slash-path-rules", prefix("/aaa/bbb/", "aaa-slash-bbb-slash-prefix"), exact("/foo/", "foo-slash-exact"))),
		"foo-exact", "foo-prefix", "aaa-slash-bbb-prefix", "aaa-prefix", "aaa-slash-bbb-slash-prefix", "foo-slash-exact")
}
