//go:build real

package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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
	legation := kube.Image{"legation": filepath.Join(root, "bin", "legation"), "shutdown-manager": filepath.Join(root, "bin", "shutdown-manager")}
	for _, file := range legation {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w: run `make build`", err)
		}
	}
	return map[string]kube.Image{"ghcr.io/legation/legation": legation, "envoyproxy/envoy": {"envoy": binary}}, nil
}

const (
	namespace = "legation"
	replicas  = "legation-xds.legation.svc" // the headless Service
	host      = "deployed.test"
	// hang bounds what never comes.
	hang = 3 * time.Minute
)

// deployed is an installation that runs.
type deployed struct {
	*testing.T
	ctx      context.Context
	balancer *balancer
}

// install does what docs/install.md says, with the manifests of an example of the
// chart; each may be changed before.
func install(t *testing.T, manifests string, change func(kube.Object)) *deployed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	d := &deployed{t, ctx, balance(t)}
	d.apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	d.apply(d.certificates()...)
	d.resolve()
	objects, err := kube.Manifests(path(t, "deploy", "manifests", manifests))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		change(o)
	}
	d.apply(objects...)
	t.Cleanup(func() { d.remove(objects) })
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

// certificates are what `legation certs` prints.
func (d *deployed) certificates() []kube.Object {
	d.Helper()
	text, err := exec.CommandContext(d.ctx, path(d.T, "bin", "legation"), "certs", "--namespace", namespace).Output()
	if err != nil {
		d.Fatal(err)
	}
	file := filepath.Join(d.TempDir(), "certs.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		d.Fatal(err)
	}
	objects, err := kube.Manifests(file)
	if err != nil {
		d.Fatal(err)
	}
	return objects
}

// resolve keeps the name of the headless Service what the DNS of a cluster makes of
// it.
func (d *deployed) resolve() {
	d.Helper()
	if err := k.Hosts(replicas); err != nil {
		d.Fatal(err)
	}
	go kube.Await(d.ctx, k.Client().DiscoveryV1().EndpointSlices(namespace), func(all []*discoveryv1.EndpointSlice) error { // until the test ends
		if err := k.Hosts(replicas, kube.EndpointsOf(all, "legation-xds").Ready...); err != nil {
			d.Error(err)
		}
		return errors.New("there may be more")
	})
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

// restart is `kubectl rollout restart`, waited for.
func (d *deployed) restart(what string, roll func(patch []byte) (int64, error), done func(generation int64) error) {
	d.Helper()
	generation, err := roll([]byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"` + time.Now().Format(time.RFC3339Nano) + `"}}}}}`))
	if err == nil {
		err = done(generation)
	}
	if err != nil {
		d.Fatalf("%s: %v\n%s", what, err, k.Pods(d.ctx, namespace))
	}
}

func (d *deployed) restartControlPlane() {
	d.Helper()
	of := k.Client().AppsV1().Deployments(namespace)
	d.restart("control plane", func(patch []byte) (int64, error) {
		o, err := of.Patch(d.ctx, "legation", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		return o.GetGeneration(), err
	}, func(generation int64) error {
		return kube.Await(d.ctx, of, func(all []*appsv1.Deployment) error {
			s := all[0].Status
			if n := *all[0].Spec.Replicas; s.ObservedGeneration < generation || s.UpdatedReplicas != n || s.AvailableReplicas != n || s.Replicas != n {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	})
}

func (d *deployed) restartEnvoys() {
	d.Helper()
	of := k.Client().AppsV1().DaemonSets(namespace)
	d.restart("Envoys", func(patch []byte) (int64, error) {
		o, err := of.Patch(d.ctx, "legation-envoy-legation", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		return o.GetGeneration(), err
	}, func(generation int64) error {
		return kube.Await(d.ctx, of, func(all []*appsv1.DaemonSet) error {
			s := all[0].Status
			if n := s.DesiredNumberScheduled; s.ObservedGeneration < generation || s.UpdatedNumberScheduled != n || s.NumberAvailable != n {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	})
}

// TestDeployed: the pods of deploy/manifests/legation.yaml run as they are written,
// in namespaces of their own, as a user without rights, on a file system that cannot
// be written; an Ingress is served; and to replace the pods of either workload under
// load fails no request.
func TestDeployed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	d := install(t, "legation.yaml", func(kube.Object) {})
	ns := k.Namespace(t)
	deployment, service := kube.Web(ns, "web", 2, time.Second)
	d.apply(deployment, service, ingress(ns, "web"))
	d.awaitAddress(ns, kube.NodeAddress(0), kube.NodeAddress(1))

	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	var clients []load.Client
	answers := &load.Timeline{}
	answers.Allow(host, "/", load.Answer{Status: http.StatusOK, Service: "web"})
	for _, kind := range []load.Kind{load.HTTP1, load.HTTP2} {
		for range 10 {
			clients = append(clients, load.Client{Name: fmt.Sprint(kind), Kind: kind, Address: d.balancer.address, Every: 20 * time.Millisecond,
				Next: func() (string, string) { return host, "/" }, Oracle: answers})
		}
	}
	l := load.Start(ctx, clients...)
	<-l.Ready()
	d.asked()
	d.restartControlPlane()
	d.restartEnvoys()
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
}

// asked: the commands of operators need no flag in a pod of the control plane, and
// tell of the Envoys of both replicas.
func (d *deployed) asked() {
	d.Helper()
	list, err := k.Client().CoreV1().Pods(namespace).List(d.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=control-plane"})
	if err != nil || len(list.Items) != 2 {
		d.Fatalf("%d replicas, %v", len(list.Items), err)
	}
	for _, p := range list.Items {
		out, err := k.Exec(d.ctx, namespace, p.Name, "legation", "legation", "fleet", "-o", "json")
		var fleet struct {
			Replicas []struct{ Error string }
			Envoys   []struct{ Behind int }
		}
		if err == nil {
			err = json.Unmarshal([]byte(out), &fleet)
		}
		if err != nil || len(fleet.Replicas) != 2 || len(fleet.Envoys) != 2 {
			d.Errorf("%s: %v\n%s", p.Name, err, out)
		}
	}
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
