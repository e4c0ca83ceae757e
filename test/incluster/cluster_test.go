//go:build real

package incluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

// hang bounds what never comes; a test that passes never gets near it.
const hang = time.Minute

// k is the Kubernetes of all tests of this package.
var k *kube.Cluster

func TestMain(m *testing.M) { kube.MainWithCluster(m, &k, kube.Options{}) }

// start starts a Stack that ends with the test.
func start(t *testing.T, o Options) (context.Context, *Stack) {
	t.Helper()
	return startFor(t, hang, o)
}

// startFor is start with a bound of its own for the test.
func startFor(t *testing.T, limit time.Duration, o Options) (context.Context, *Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	s, err := Start(ctx, k, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, s
}

// web makes a Deployment and its Service, and an Ingress of the same name for a
// host, and waits until pods are ready.
func web(ctx context.Context, t *testing.T, namespace, name, host string, pods int32) {
	t.Helper()
	deployment, service := kube.Web(namespace, name, pods, time.Second)
	if err := k.Apply(ctx, deployment, service, ingress(namespace, name, host, name)); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitServed(ctx, deployment); err != nil {
		t.Fatal(err)
	}
}

func ingress(namespace, name, host, service string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}}}}}}}}}
}

func settle(ctx context.Context, t *testing.T, s *Stack) {
	t.Helper()
	if err := s.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

// wantEverywhere wants an answer of every Envoy.
func wantEverywhere(ctx context.Context, t *testing.T, s *Stack, host, want string) {
	t.Helper()
	for _, e := range s.Envoys {
		if got := e.Ask(ctx, host, "/"); got != want {
			t.Errorf("%s: http://%s/: got %q, want %q", e.ID, host, got, want)
		}
	}
}

// TestTwoReplicas: two replicas with an Envoy each serve what the API server
// holds. An Envoy that moves to the other is sent nothing; one replica may end.
func TestTwoReplicas(t *testing.T) {
	ctx, s := start(t, Options{Replicas: 2, Envoys: 2})
	namespace := k.Namespace(t)
	web(ctx, t, namespace, "web", "two.test", 2)
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "two.test", "200 web")

	before := s.Replicas[1].Plane.Server().Total()
	s.Envoys[0].XDS.Lead(s.Replicas[1].Address)
	settle(ctx, t, s)
	if after := s.Replicas[1].Plane.Server().Total(); after.Resources != before.Resources || after.Removed != before.Removed {
		t.Errorf("%+v were sent before the move, %+v after", before, after)
	}
	if err := s.Replicas[0].Stop(); err != nil {
		t.Fatal(err)
	}
	if err := k.Apply(ctx, ingress(namespace, "more", "more.test", "web")); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "more.test", "200 web")
}

// TestLateReplica: a replica whose watches are late serves on what it has, and
// the rest when it comes.
func TestLateReplica(t *testing.T) {
	ctx, s := start(t, Options{Replicas: 2, Envoys: 2})
	namespace := k.Namespace(t)
	web(ctx, t, namespace, "web", "early.test", 1)
	settle(ctx, t, s)
	s.Replicas[0].API.Hold()
	if err := k.Apply(ctx, ingress(namespace, "late", "late.test", "web")); err != nil {
		t.Fatal(err)
	}
	err := inprocess.Await(ctx, func() error {
		if got := s.Envoys[1].Ask(ctx, "late.test", "/"); got != "200 web" {
			return fmt.Errorf("the other replica's Envoy answers %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"early.test": "200 web", "late.test": "404 "} {
		if got := s.Envoys[0].Ask(ctx, host, "/"); got != want {
			t.Errorf("the late replica's Envoy answers %q for %s, want %q", got, host, want)
		}
	}
	s.Replicas[0].API.Release()
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "late.test", "200 web")
}

// TestBinary: the binary serves the same; what changes while it is killed is
// served when it is back.
func TestBinary(t *testing.T) {
	ctx, s := start(t, Options{Binary: true})
	namespace := k.Namespace(t)
	web(ctx, t, namespace, "web", "binary.test", 1)
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "binary.test", "200 web")
	if err := s.Replicas[0].Kill(); err != nil {
		t.Fatal(err)
	}
	wantEverywhere(ctx, t, s, "binary.test", "200 web")
	if err := k.Apply(ctx, ingress(namespace, "more", "more.test", "web")); err != nil {
		t.Fatal(err)
	}
	if err := s.Replicas[0].Start(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "more.test", "200 web")
}
