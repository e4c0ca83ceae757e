//go:build real

package conformance

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/echo"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

// hang bounds what never comes; a test that passes never gets near it.
const hang = time.Minute

// k and legation are those of all tests of this package.
var (
	k        *kube.Cluster
	legation *incluster.Stack
)

func TestMain(m *testing.M) { kube.MainWithCluster(withLegation{m}, &k, kube.Options{}) }

// withLegation runs the tests beside one Stack.
type withLegation struct{ *testing.M }

func (m withLegation) Run() int {
	var err error
	options := incluster.Options{Binary: true, Args: []string{"--lease", incluster.Namespace + "/legation", "--publish-address", address},
		// Each scenario has a namespace of its own, and some the same hosts: which of them had a
		// name before must not matter.
		Settings: map[string]string{"host-ownership": "shared"}}
	if legation, err = incluster.Start(context.Background(), k, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.M.Run()
	if err := legation.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// scenario is what is written to the cluster, and what must answer then.
type scenario struct {
	services  []string // each with a Deployment of one pod
	ingresses []*networkingv1.Ingress
	foreign   []string      // names of those that are not ours
	objects   []kube.Object // besides those; without namespace: they get that of the scenario
	roots     *x509.CertPool
	requests  []request
}

// request is a row: what is asked, and the answer.
type request struct {
	name   string
	url    string // "http://foo.test/bar"
	want   string // "200 web" names the Service; "404", "308 https://foo.test/bar"
	method string // empty: GET
}

// play writes the scenario's objects into a fresh namespace, waits for the addresses
// of the Ingresses, and asks at once: the upstream suite waits for nothing else.
func (s scenario) play(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	namespace := k.Namespace(t)
	var deployments []*appsv1.Deployment
	for _, name := range s.services {
		deployment, service := kube.Web(namespace, name, 1, time.Second)
		deployments = append(deployments, deployment)
		apply(ctx, t, namespace, deployment, service)
	}
	apply(ctx, t, namespace, s.objects...)
	if err := k.AwaitServed(ctx, deployments...); err != nil {
		t.Fatal(err)
	}
	for _, i := range s.ingresses {
		apply(ctx, t, namespace, i)
	}
	published(ctx, t, namespace, s.foreign...)
	for _, r := range s.requests {
		t.Run(r.name, func(t *testing.T) { r.check(ctx, t, s.roots) })
	}
}

func apply(ctx context.Context, t *testing.T, namespace string, objects ...kube.Object) {
	t.Helper()
	for _, o := range objects {
		o.SetNamespace(namespace)
		if err := k.Apply(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
}

// published waits until all Ingresses of a namespace have our address, but for those
// that are not ours, which must have none then.
func published(ctx context.Context, t *testing.T, namespace string, foreign ...string) {
	t.Helper()
	var wrong []string
	err := kube.Await(ctx, k.Client().NetworkingV1().Ingresses(namespace), func(all []*networkingv1.Ingress) error {
		wrong = nil
		for _, o := range all {
			list := o.Status.LoadBalancer.Ingress
			switch has := len(list) == 1 && list[0].IP == address; {
			case !slices.Contains(foreign, o.Name) && !has:
				return fmt.Errorf("%s has %v", o.Name, list)
			case slices.Contains(foreign, o.Name) && len(list) > 0:
				wrong = append(wrong, o.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) > 0 {
		t.Errorf("written to, and not ours: %v", wrong)
	}
}

// check asks and compares.
func (r request) check(ctx context.Context, t *testing.T, roots *x509.CertPool) {
	t.Helper()
	answer, err := r.send(ctx, roots)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got := strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", answer.Header.Get(echo.HeaderService), answer.Header.Get("Location")))
	if got != r.want {
		t.Errorf("%s %s: got %q, want %q", r.method, r.url, got, r.want)
	}
	if answer.StatusCode == http.StatusOK && r.method != http.MethodHead {
		r.checkReceived(t, answer)
	}
}

// checkReceived compares what the pod received with what was sent.
func (r request) checkReceived(t *testing.T, answer *http.Response) {
	t.Helper()
	var a echo.Answer
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	sent := answer.Request
	if a.Host != sent.Host || a.Path != sent.URL.RequestURI() || a.Method != sent.Method || a.Proto != "HTTP/1.1" {
		t.Errorf("%s %s: the pod received %s %s of %s by %s", sent.Method, r.url, a.Method, a.Path, a.Host, a.Proto)
	}
	if got := a.Headers.Get("X-Forwarded-Proto"); got != sent.URL.Scheme {
		t.Errorf("%s: X-Forwarded-Proto is %q", r.url, got)
	}
	if got := a.Headers.Get("X-Forwarded-Host"); got != sent.Host {
		t.Errorf("%s: X-Forwarded-Host is %q", r.url, got)
	}
}

// send sends the request to Envoy, on a connection of its own.
func (r request) send(ctx context.Context, roots *x509.CertPool) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.url, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: toEnvoy, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client.Do(q)
}

// toEnvoy dials Envoy instead of whatever host is in a URL.
func toEnvoy(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to, ok := map[string]string{"80": legation.Envoys[0].HTTP, "8080": legation.Envoys[0].HTTP, "443": legation.Envoys[0].HTTPS}[port]
	if !ok {
		return nil, errors.New("no listener for port " + port)
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

// ingress is an Ingress without a class, so of the default one, with rules.
func ingress(name string, rules ...networkingv1.IngressRule) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressSpec{Rules: rules}}
}

// host is a rule for a host; empty for all.
func host(name string, paths ...networkingv1.HTTPIngressPath) networkingv1.IngressRule {
	return networkingv1.IngressRule{Host: name, IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}}}
}

func exact(path, service string) networkingv1.HTTPIngressPath {
	return pathOf(networkingv1.PathTypeExact, path, service)
}

func prefix(path, service string) networkingv1.HTTPIngressPath {
	return pathOf(networkingv1.PathTypePrefix, path, service)
}

func specific(path, service string) networkingv1.HTTPIngressPath {
	return pathOf(networkingv1.PathTypeImplementationSpecific, path, service)
}

func pathOf(kind networkingv1.PathType, path, service string) networkingv1.HTTPIngressPath {
	return networkingv1.HTTPIngressPath{Path: path, PathType: &kind, Backend: *backend(service)}
}

func backend(service string) *networkingv1.IngressBackend {
	return &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service,
		Port: networkingv1.ServiceBackendPort{Number: kube.Port}}}
}
