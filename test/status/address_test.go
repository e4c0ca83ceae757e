//go:build real

package status

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/object"
	"legation.dev/test/kube"
	"legation.dev/watcher/status"
)

// TestServiceAddress: what a Service has is published, and what it gets; while it
// is gone, what it had.
func TestServiceAddress(t *testing.T) {
	w := newSuite(t)
	w.config.Addresses = map[string]status.Source{status.AnyClass: {Service: types.NamespacedName{Namespace: w.namespace, Name: "edge"}}}
	w.start()
	w.create("shop")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}, ExternalIPs: []string{"192.0.2.9", "192.0.2.8"}}}
	if err := cluster.Apply(w.ctx, service); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("192.0.2.8,192.0.2.9")
	if err := cluster.Delete(w.ctx, service); err != nil {
		t.Fatal(err)
	}
	w.create("new-meanwhile")
	w.awaitAddress("192.0.2.8,192.0.2.9")
	service.Spec.ExternalIPs = []string{"2001:DB8::1"}
	if err := cluster.Apply(w.ctx, service); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("2001:db8::1")
}

// TestNodeAddresses: the nodes of ready Envoys are published.
func TestNodeAddresses(t *testing.T) {
	w := newSuite(t)
	w.config.Addresses = map[string]status.Source{class: {Pods: status.Pods{Namespace: w.namespace, Selector: labels.SelectorFromSet(labels.Set{"app": "envoy"})}}}
	w.config.Timing.Gap = 10 * time.Millisecond
	w.start()
	w.create("shop")
	pods, _ := kube.Web(w.namespace, "envoy", 2, time.Second)
	other, _ := kube.Web(w.namespace, "other", 1, time.Second)
	for _, d := range []*appsv1.Deployment{other, pods} { // nodes take turns: the two of envoy get one each
		if err := cluster.Apply(w.ctx, d); err != nil {
			t.Fatal(err)
		}
		if err := cluster.AwaitReady(w.ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	w.awaitAddress(kube.NodeAddress(0) + "," + kube.NodeAddress(1))
	*pods.Spec.Replicas = 1
	if err := cluster.Apply(w.ctx, pods); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitReady(w.ctx, pods); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress(w.nodeOf("envoy"))
}

// nodeOf is the address of the node of the only pod of an app that is ready.
func (w *suite) nodeOf(app string) string {
	w.Helper()
	var address string
	err := kube.Await(w.ctx, cluster.Client().CoreV1().Pods(w.namespace), func(all []*corev1.Pod) error {
		all = slices.DeleteFunc(all, func(p *corev1.Pod) bool { return p.Labels["app"] != app || p.DeletionTimestamp != nil })
		if len(all) != 1 {
			return context.Canceled
		}
		address = kube.NodeAddress(0)
		if all[0].Spec.NodeName == kube.NodeName(1) {
			address = kube.NodeAddress(1)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return address
}

// TestClassChange: an Ingress that moves to another controller's class is given up;
// what that one writes stays. One of another Legation's class is none of our
// business.
func TestClassChange(t *testing.T) {
	w := newSuite(t)
	r := w.start()
	w.create("moves", "stays")
	w.awaitAddress("192.0.2.1")
	client := cluster.Client().NetworkingV1().Ingresses(w.namespace)
	_, err := client.Patch(w.ctx, "moves", types.MergePatchType, []byte(`{"spec":{"ingressClassName":"nginx"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("", "moves") // although translation has not heard of it
	w.served = w.served.Delete(w.namespace + "/moves")
	w.report()
	_, err = client.Patch(w.ctx, "moves", types.MergePatchType, []byte(`{"status":{"loadBalancer":{"ingress":[{"hostname":"nginx.example.com"}]}}}`),
		metav1.PatchOptions{FieldManager: "nginx"}, "status")
	if err != nil {
		t.Fatal(err)
	}
	w.create("last")
	w.awaitAddress("192.0.2.1", "stays", "last")
	w.awaitAddress("nginx.example.com", "moves")
	w.awaitStats(r, "4 writes", func(s status.Stats) bool { return s.Writes >= 4 })
	if s := r.Stats(); s.Writes != 4 || s.Flips != 0 {
		t.Errorf("got %+v", s)
	}
	owned := func(o *networkingv1.Ingress) bool {
		return slices.ContainsFunc(o.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == status.Manager })
	}
	if o, err := client.Get(w.ctx, "moves", metav1.GetOptions{}); err != nil || owned(o) {
		t.Errorf("fields of ours are left: %v, %v", o.ManagedFields, err)
	}
}

// TestFirstAddress: a new Ingress gets its address when it is served, or when that
// has taken too long; nobody asks for one that has it.
func TestFirstAddress(t *testing.T) {
	w := newSuite(t)
	w.config.Timing.Patience = 400 * time.Millisecond
	var mu sync.Mutex
	served, asked := map[string]bool{}, map[string]int{}
	w.config.Acknowledged = func(_ context.Context, list []object.Ref) ([]bool, error) {
		mu.Lock()
		defer mu.Unlock()
		answer := make([]bool, len(list))
		for i, ref := range list {
			answer[i] = served[ref.Name]
			asked[ref.Name]++
		}
		return answer, nil
	}
	r := w.start()
	w.awaitLeader(r)
	begin := time.Now()
	w.create("late")
	w.awaitAddress("192.0.2.1")
	if took := time.Since(begin); took < w.config.Timing.Patience {
		t.Errorf("the address of an Ingress that nobody serves is there after %s", took)
	}
	mu.Lock()
	served["soon"] = true
	late := asked["late"]
	mu.Unlock()
	w.create("soon")
	w.awaitAddress("192.0.2.1")
	mu.Lock()
	defer mu.Unlock()
	if late < 2 || late > 10 || asked["late"] != late || asked["soon"] != 1 {
		t.Errorf("asked: %v, of them for late %d", asked, late)
	}
}
