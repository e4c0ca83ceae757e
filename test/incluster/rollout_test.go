//go:build real

package incluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

// longTest bounds the tests of this file.
const longTest = 4 * time.Minute

// TestRollingUpdate: a Deployment is replaced pod by pod, again and again, under
// clients that keep their connections and never ask twice. None of them notices.
func TestRollingUpdate(t *testing.T) {
	const (
		pods, rolls, clients = 5, 20, 500
		// grace of deleted pods. Envoy leaves them within a fraction of a second, but on a
		// machine that is overloaded it was seen to take more than five.
		grace = 20 * time.Second
	)
	ctx, s := startFor(t, longTest, Options{})
	namespace := k.Namespace(t)
	deployment, service := kube.Web(namespace, "web", pods, grace)
	if err := k.Apply(ctx, deployment, service, ingress(namespace, "web", "roll.test", "web")); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitServed(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	end := underLoad(ctx, t, s.Envoys[0], "roll.test", "web", clients)
	begin := time.Now()
	for i := range rolls {
		deployment.Spec.Template.Annotations = map[string]string{"roll": fmt.Sprint(i)}
		if err := k.Apply(ctx, deployment); err != nil {
			t.Fatal(err)
		}
		if err := k.AwaitReady(ctx, deployment); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rolling updates in %s", rolls, time.Since(begin))
	if _, err := k.AwaitEndpoints(ctx, namespace, "web", pods, 0); err != nil { // the last old pods are gone
		t.Fatal(err)
	}
	settle(ctx, t, s)
	end()
}

// underLoad starts clients that ask for a host every second, and waits until each
// was answered. What it returns ends them and fails the test if one was disturbed.
func underLoad(ctx context.Context, t *testing.T, e *Envoy, host, service string, clients int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var all []load.Client
	for i := range clients {
		all = append(all, load.Client{Name: fmt.Sprint(i), Kind: load.HTTP1, Address: e.HTTP, Every: time.Second,
			Next: func() (string, string) { return host, "/" }, Oracle: load.Services{host: service}})
	}
	l := load.Start(ctx, all...)
	end = func() {
		t.Helper()
		cancel()
		r := l.Wait()
		t.Log(r)
		if err := r.Disturbed(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-l.Ready():
	case <-ctx.Done():
		t.Fatalf("clients are not served: %s", l.Results())
	}
	return end
}

// TestScaledToNothing: a request that takes its time ends well although all pods
// of its Deployment are deleted meanwhile.
func TestScaledToNothing(t *testing.T) {
	const delay, grace = 10 * time.Second, 15 * time.Second
	ctx, s := start(t, Options{})
	namespace := k.Namespace(t)
	deployment, service := kube.Web(namespace, "web", 1, grace)
	if err := k.Apply(ctx, deployment, service, ingress(namespace, "web", "zero.test", "web")); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitServed(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	got := make(chan string, 1)
	go func() { got <- s.Envoys[0].Ask(ctx, "zero.test", "/?delay="+delay.String()) }()
	active := fmt.Sprintf("cluster.%s/web/%s.upstream_rq_active", namespace, kube.PortName)
	if err := s.Envoys[0].WaitStat(ctx, active, envoy.AtLeast(1)); err != nil {
		t.Fatal(err)
	}
	*deployment.Spec.Replicas = 0
	if err := k.Apply(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	if _, err := k.AwaitEndpoints(ctx, namespace, "web", 0, 1); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "zero.test", "200 web") // there is no better pod
	if got := <-got; got != "200 web" {
		t.Errorf("the request that took %s: got %q", delay, got)
	}
	if _, err := k.AwaitEndpoints(ctx, namespace, "web", 0, 0); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, s)
	wantEverywhere(ctx, t, s, "zero.test", fmt.Sprintf("%d ", http.StatusServiceUnavailable))
}
