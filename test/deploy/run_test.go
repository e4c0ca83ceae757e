//go:build real

package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/envoy"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

// images are those of the manifests.
func images() (map[string]kube.Image, error) {
	root, err := envoy.Root()
	if err != nil {
		return nil, err
	}
	binary, err := envoy.Binary()
	if err != nil {
		return nil, err
	}
	legation := map[string]string{"legation": filepath.Join(root, "bin", "legation"), "shutdown-manager": filepath.Join(root, "bin", "shutdown-manager")}
	for _, file := range legation {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w: run `make build`", err)
		}
	}
	return map[string]kube.Image{"ghcr.io/legation/legation": {Programs: legation},
		"envoyproxy/envoy": {Programs: map[string]string{"envoy": binary}}}, nil
}

const (
	namespace = "legation"
	host      = "deployed.test"
	other     = "other.test"
	// hang bounds what never comes.
	hang = 8 * time.Minute
)

// deployed is an installation that runs.
type deployed struct {
	*testing.T
	ctx      context.Context
	balancer *balancer
	objects  []kube.Object // that were applied
}

// install does what docs/install.md says, with the manifests of an example of the
// chart; each may be changed before.
func install(t *testing.T, manifests string, change func(kube.Object)) *deployed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	d := &deployed{T: t, ctx: ctx, balancer: balance(t)}
	d.apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	d.apply(d.certificates()...)
	var err error
	if d.objects, err = kube.Manifests(path(t, "deploy", "manifests", manifests)); err != nil {
		t.Fatal(err)
	}
	for _, o := range d.objects {
		change(o)
	}
	d.apply(d.objects...)
	t.Cleanup(func() { d.remove(d.objects) })
	go kube.Await(ctx, k.Client().CoreV1().Pods(namespace), func(all []*corev1.Pod) error { // until the test ends
		d.balancer.see(all)
		return errors.New("there may be more")
	})
	return d
}

func (d *deployed) apply(objects ...kube.Object) {
	d.Helper()
	if err := k.Apply(d.ctx, objects...); err != nil {
		d.Fatal(err)
	}
}

// remove takes an installation away, and waits until its pods are gone.
func (d *deployed) remove(objects []kube.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	err := k.Delete(ctx, objects...)
	if err == nil {
		err = kube.Await(ctx, k.Client().CoreV1().Pods(namespace), func(all []*corev1.Pod) error {
			if len(all) > 0 {
				return fmt.Errorf("%d pods are left", len(all))
			}
			return nil
		})
	}
	if err != nil {
		d.Error(err)
	}
}

// ingress leads a host to a Service.
func ingress(ns, service string) *networkingv1.Ingress {
	class, prefix := "legation", networkingv1.PathTypePrefix
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec: networkingv1.IngressSpec{IngressClassName: &class, Rules: []networkingv1.IngressRule{{Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}}}}}}}}}
}

// awaitAddress waits until an Ingress has these addresses: then it is served.
func (d *deployed) awaitAddress(ns string, want ...string) {
	d.Helper()
	err := kube.Await(d.ctx, k.Client().NetworkingV1().Ingresses(ns), func(all []*networkingv1.Ingress) error {
		var got []string
		for _, o := range all {
			for _, i := range o.Status.LoadBalancer.Ingress {
				got = append(got, i.IP)
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the Ingress has %q, want %q", got, want)
		}
		return nil
	})
	if err != nil {
		d.Fatalf("%v\n%s", err, k.Pods(d.ctx, namespace))
	}
}

// restartControlPlane is `kubectl rollout restart`, waited for.
func (d *deployed) restartControlPlane() {
	d.Helper()
	patch := []byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"` + time.Now().Format(time.RFC3339Nano) + `"}}}}}`)
	o, err := k.Client().AppsV1().Deployments(namespace).Patch(d.ctx, "legation", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		d.Fatal(err)
	}
	d.awaitControlPlane(o.GetGeneration())
}

// awaitControlPlane waits until all replicas are of a generation, and ready.
func (d *deployed) awaitControlPlane(generation int64) {
	d.Helper()
	err := kube.Await(d.ctx, k.Client().AppsV1().Deployments(namespace), func(all []*appsv1.Deployment) error {
		s := all[0].Status
		if n := *all[0].Spec.Replicas; s.ObservedGeneration < generation || s.UpdatedReplicas != n || s.AvailableReplicas != n || s.Replicas != n {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if err != nil {
		d.Fatalf("control plane: %v\n%s", err, k.Pods(d.ctx, namespace))
	}
}

// awaitDaemons waits until the Envoys of all nodes are of a generation, and ready.
func (d *deployed) awaitDaemons(generation int64) {
	d.Helper()
	err := kube.Await(d.ctx, k.Client().AppsV1().DaemonSets(namespace), func(all []*appsv1.DaemonSet) error {
		s := all[0].Status
		if n := s.DesiredNumberScheduled; s.ObservedGeneration < generation || s.UpdatedNumberScheduled != n || s.NumberAvailable != n {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if err != nil {
		d.Fatalf("Envoys: %v\n%s", err, k.Pods(d.ctx, namespace))
	}
}

// shop is an Ingress and its Services, one of which has no endpoints. The Ingress gets
// its second host when all replicas know of the first.
func (d *deployed) shop(ns string) {
	d.Helper()
	in, prefix := ingress(ns, "web"), networkingv1.PathTypePrefix
	rule := in.Spec.Rules[0].DeepCopy()
	rule.Host = other
	for at, service := range map[string]string{"/counted": "counted", "/empty": "empty"} {
		rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: at, PathType: &prefix, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}})
	}
	for service, pods := range map[string]int32{"web": 2, "counted": 1, "empty": 0} {
		deployment, s := kube.Web(ns, service, pods, time.Second)
		d.apply(deployment, s)
	}
	d.apply(in)
	d.awaitAddress(ns, kube.NodeAddress(0), kube.NodeAddress(1))
	d.awaitControlPlane(0)
	in.Spec.Rules = append(in.Spec.Rules, *rule)
	d.apply(in)
	for _, p := range d.pods("envoy") {
		d.until(func() error {
			if status, err := d.status(clientAddress(&p), other, "/", ""); err != nil || status != http.StatusOK {
				return fmt.Errorf("%s answers %d, %v", p.Name, status, err)
			}
			return nil
		})
	}
}

// prompt: an Envoy that was there before the control plane finds it when it comes. It
// asks the DNS each 5 s, connects at most 5 s later, and is probed each 2 s.
func (d *deployed) prompt() {
	d.Helper()
	const bound = 20 * time.Second // on a machine that does other things, too
	planes := d.pods("control-plane")
	first := readySince(&planes[0])
	for _, p := range planes[1:] {
		if t := readySince(&p); t.Before(first) {
			first = t
		}
	}
	for _, p := range d.pods("envoy") {
		took := readySince(&p).Sub(first)
		d.Logf("%s was ready %v after the control plane", p.Name, took)
		if took > bound {
			text, err := k.Logs(&p, "envoy")
			d.Errorf("%s was ready %v after the control plane: %s, %v", p.Name, took, text, err)
		}
	}
}

// readySince is when a pod became ready.
func readySince(p *corev1.Pod) (at time.Time) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}

// load has clients ask through the balancer until they are stopped, so many of each
// kind, which stay on their connections.
func (d *deployed) load(ctx context.Context, each int) *load.Load {
	var clients []load.Client
	answers := &load.Timeline{}
	answers.Allow(host, "/", load.Answer{Status: http.StatusOK, Service: "web"})
	for _, kind := range []load.Kind{load.HTTP1, load.HTTP2} {
		for range each {
			clients = append(clients, load.Client{Name: fmt.Sprint(kind), Kind: kind, Address: d.balancer.address, Every: 20 * time.Millisecond,
				Next: func() (string, string) { return host, "/" }, Oracle: answers})
		}
	}
	l := load.Start(ctx, clients...)
	<-l.Ready()
	return l
}

// TestDeployed: the pods of deploy/manifests/legation.yaml run as they are written,
// in namespaces of their own, as a user without rights, on a file system that cannot
// be written, at the ports of their nodes, and have the ports and rights of docs/security.md. An Ingress is served; the access log, metrics
// and commands tell of it; to renew certificates, and to replace the pods of either
// workload, fails no request; and what is taken away ends in peace.
func TestDeployed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	d := install(t, "legation.yaml", func(kube.Object) {})
	ns := k.Namespace(t)
	d.shop(ns)
	d.prompt()
	d.exposed(ns)
	d.counted(ns)
	d.asked(ns)
	d.laptop(ns)
	d.readable()
	d.logged(ns)
	d.dashboards(ns)

	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	l := d.load(ctx, 10)
	d.rotate()
	d.restartControlPlane()
	d.upgrade()
	d.nodesLeave(l)
	more := l.Results().Requests + 1000
	if err := l.Await(d.ctx, func(r load.Results) bool { return r.Requests >= more }); err != nil {
		t.Fatal(err)
	}
	cancel()
	r := l.Wait()
	t.Log(r)
	d.noRestarts()
	if r.Failed > 0 || r.Requests < 2000 {
		t.Errorf("%d of %d requests failed\n%s", r.Failed, r.Requests, k.Pods(d.ctx, namespace))
	}
	d.leave()
}

// noRestarts: no container has ended by itself.
func (d *deployed) noRestarts() {
	d.Helper()
	list, err := k.Client().CoreV1().Pods(namespace).List(d.ctx, metav1.ListOptions{})
	if err != nil {
		d.Fatal(err)
	}
	if len(list.Items) != 4 {
		d.Errorf("there are %d pods, want 2 replicas and 2 Envoys", len(list.Items))
	}
	for _, p := range list.Items {
		for _, c := range p.Status.ContainerStatuses {
			if c.RestartCount > 0 {
				d.Errorf("%s was started anew %d times\n%s", p.Name, c.RestartCount, k.Pods(d.ctx, namespace))
			}
		}
	}
}
