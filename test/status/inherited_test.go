//go:build real

package status

import (
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/watcher/status"
)

// oldManager is the name that ingress-nginx writes under: that of its program.
const oldManager = "nginx-ingress-controller"

// TestInherited: of a class that another controller has, nothing is written while that one
// has written within the quiet time, and one Event at the class says so. After it, all is.
func TestInherited(t *testing.T) {
	w := newSuite(t)
	w.inherited = true
	ours := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}}
	if _, err := cluster.Client().NetworkingV1().IngressClasses().Create(w.ctx, ours, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Client().NetworkingV1().IngressClasses().Delete(w.ctx, class, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}()
	before := w.applied()
	w.create("a", "b", "c")
	for _, name := range []string{"a", "b", "c"} {
		w.old(name, "198.51.100.9")
	}
	r := w.start()
	w.create("new")
	w.awaitStats(r, "class that is left alone", func(s status.Stats) bool { return len(s.Fights) == 1 })
	if f := r.Stats().Fights[0]; f.Object.String() != "IngressClass "+class || f.Managers[0] != oldManager {
		t.Errorf("got %+v", f)
	}
	w.events(metav1.NamespaceDefault, class, only("Warning AddressInherited: spec.controller: "+oldManager+" has written the addresses of its Ingresses"))
	w.old("a", "198.51.100.10")
	w.old("new", "198.51.100.10")
	w.awaitAddress("198.51.100.10", "a", "new")
	r.end()
	if n := w.applied() - before; n != 0 {
		t.Errorf("%d writes beside a controller that is at work", n)
	}

	w.config.Timing.Quiet = time.Second
	r = w.start()
	w.awaitAddress("192.0.2.1")
	w.awaitStats(r, "end of that", func(s status.Stats) bool { return len(s.Fights) == 0 })
	if n := w.appliedSince(before, 4); n != 4 {
		t.Errorf("%d writes for 4 Ingresses whose controller is silent", n)
	}
}

// old writes a status as ingress-nginx does.
func (w *suite) old(name, address string) {
	w.Helper()
	client := cluster.Client().NetworkingV1().Ingresses(w.namespace)
	o, err := client.Get(w.ctx, name, metav1.GetOptions{})
	if err == nil {
		o.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address}}
		_, err = client.UpdateStatus(w.ctx, o, metav1.UpdateOptions{FieldManager: oldManager})
	}
	if err != nil {
		w.Fatal(err)
	}
}
