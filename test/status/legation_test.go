//go:build real

package status

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/rest"

	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

// newIngresses is how many Ingresses TestServesWhenWritten makes, one after the
// other.
const newIngresses = 20

// stack is the binary with an Envoy; it writes on behalf of a suite.
func (w *suite) stack() *incluster.Stack {
	return w.stackOf(nil, "--lease", w.namespace+"/legation", "--namespaces", w.namespace+","+incluster.Namespace,
		"--publish-address", incluster.Class+"=192.0.2.1")
}

// stackOf is that of an account, with some arguments.
func (w *suite) stackOf(account *rest.Config, args ...string) *incluster.Stack {
	w.Helper()
	s, err := incluster.Start(w.ctx, cluster, incluster.Options{Binary: true, REST: account, Args: args})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.Error(err)
		}
	})
	return s
}

// web is an Ingress of the stack's class for a host, with a default backend that
// nobody asks for.
func (w *suite) web(name, service string) *networkingv1.Ingress {
	o := w.ingress(name)
	prefix := networkingv1.PathTypePrefix
	path := networkingv1.HTTPIngressPath{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}}
	o.Spec = networkingv1.IngressSpec{IngressClassName: new(incluster.Class), Rules: []networkingv1.IngressRule{{Host: name + ".test",
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}}}}}}
	return o
}

// TestServesWhenWritten: who finds the address of a new Ingress finds it serving.
func TestServesWhenWritten(t *testing.T) {
	w := newSuite(t)
	s := w.stack()
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for i := range newIngresses {
		name := fmt.Sprintf("shop-%d", i)
		if err := cluster.Apply(w.ctx, w.web(name, "web")); err != nil {
			t.Fatal(err)
		}
		w.awaitAddress("192.0.2.1", name)
		if got := w.ask(s.Envoys[0], name+".test"); got != "200" {
			t.Errorf("%s has its address and answers %s", name, got)
		}
	}
	t.Logf("%v from an Ingress to its address", time.Since(begin)/newIngresses)
}

// ask returns the status of an answer, or an error.
func (w *suite) ask(e *incluster.Envoy, host string) string {
	got := e.Ask(w.ctx, host, "/")
	if status, _, _ := strings.Cut(got, " "); len(status) == len("200") {
		return status
	}
	return got
}

// TestOwnerIsTold: an Ingress whose Service is missing has an Event that says so,
// and one more when it is there; a fight over its status sends nothing to Envoys.
func TestOwnerIsTold(t *testing.T) {
	w := newSuite(t)
	s := w.stack()
	if err := cluster.Apply(w.ctx, w.web("shop", "web")); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("192.0.2.1")
	w.events(w.namespace, "shop", only("Warning NoService: spec.rules[0].http.paths[0].backend.service.name=\""+w.namespace+"/web\": there is no such Service"))
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	w.events(w.namespace, "shop", starts("Normal NoService: mended: ", "Warning NoService: "))
	if err := s.Settle(w.ctx); err != nil {
		t.Fatal(err)
	}
	before := w.updates(s.Envoys[0])
	ctx, cancel := context.WithTimeout(w.ctx, *fight)
	defer cancel()
	undone := 0
	if err := w.undo(ctx, "shop", "rival-controller", &undone); err != nil || undone != 3 {
		t.Errorf("undone %d times, %v", undone, err)
	}
	w.events(w.namespace, "shop", starts("Normal NoService: mended: ", "Warning AddressContested: status.loadBalancer: rival-controller rewrites it", "Warning NoService: "))
	if after := w.updates(s.Envoys[0]); after != before {
		t.Errorf("a fight over status sent Envoy %d responses", after-before)
	}
	if got := w.ask(s.Envoys[0], "shop.test"); got != "200" {
		t.Errorf("it answers %s", got)
	}
}

// updates counts the responses that an Envoy took.
func (w *suite) updates(e *incluster.Envoy) (sum uint64) {
	w.Helper()
	stats, err := e.Stats(w.ctx, "update_(success|rejected)")
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range stats {
		sum += n
	}
	if sum == 0 {
		w.Fatal("no response was counted")
	}
	return sum
}
