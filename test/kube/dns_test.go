//go:build real

package kube

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// awaitName waits until a name stands for addresses, in order; none: until it does not
// exist.
func awaitName(ctx context.Context, t *testing.T, name string, want ...string) {
	t.Helper()
	for {
		got, err := net.DefaultResolver.LookupHost(ctx, name)
		slices.Sort(got)
		var failure *net.DNSError
		if slices.Equal(got, want) && (err == nil || errors.As(err, &failure) && failure.IsNotFound) {
			return
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			t.Fatalf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestNames: a headless Service's name stands for the addresses of its ready pods, or of
// all if it says so; without any it does not exist, and nothing else does.
func TestNames(t *testing.T) {
	ctx, ns := limited(t), cluster.Namespace(t)
	const none = int32(0)
	deployment, service := Web(ns, "web", none, time.Second)
	service.Spec.ClusterIP = corev1.ClusterIPNone
	slow, unready := Web(ns, "slow", 1, time.Second)
	slow.Spec.Template.Annotations = map[string]string{ReadyAfter: "1h"}
	unready.Spec.ClusterIP = corev1.ClusterIPNone
	hasty := unready.DeepCopy()
	hasty.Name, hasty.Spec.PublishNotReadyAddresses = "hasty", true
	_, other := Web(ns, "other", none, time.Second)
	other.Spec.Selector = service.Spec.Selector
	if err := cluster.Apply(ctx, deployment, service, slow, unready, hasty, other); err != nil {
		t.Fatal(err)
	}
	now, err := cluster.AwaitEndpoints(ctx, ns, "hasty", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	awaitName(ctx, t, "hasty."+ns+".svc", now.Ready...)
	for _, name := range []string{"web", "slow", "nobody"} {
		awaitName(ctx, t, name+"."+ns+".svc")
	}
	two := int32(2)
	deployment.Spec.Replicas = &two
	if err := cluster.Apply(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	if now, err = cluster.AwaitEndpoints(ctx, ns, "web", 2, 0); err != nil {
		t.Fatal(err)
	}
	slices.Sort(now.Ready)
	for _, suffix := range []string{".svc", ".svc.cluster.local", ".SVC.cluster.local."} {
		awaitName(ctx, t, "web."+ns+suffix, now.Ready...)
	}
	awaitName(ctx, t, "other."+ns+".svc")
	var failure *net.DNSError
	if got, err := net.DefaultResolver.LookupNetIP(ctx, "ip6", "web."+ns+".svc"); !errors.As(err, &failure) || !failure.IsNotFound {
		t.Errorf("got %v, %v; want no IPv6 addresses", got, err)
	}
	*deployment.Spec.Replicas = none
	if err := cluster.Apply(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	awaitName(ctx, t, "web."+ns+".svc")
}

// TestNamesOfPod: a pod knows Services of its namespace by their names alone.
func TestNamesOfPod(t *testing.T) {
	p := newPod(t, "serve")
	_, service := Web(p.Namespace, "pod", 0, time.Second)
	service.Spec.ClusterIP = corev1.ClusterIPNone
	p.apply(service)
	p.ready(0)
	awaitName(p.ctx, t, "pod."+p.Namespace+".svc", p.Status.PodIP)
	p.want(p.Status.PodIP, "/resolve", "name", "pod")
	p.want(p.Status.PodIP, "/resolve", "name", strings.Join([]string{"pod", p.Namespace, "svc"}, "."))
}
