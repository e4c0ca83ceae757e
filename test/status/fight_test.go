//go:build real

package status

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/kube"
	"legation.dev/watcher/status"
)

var fight = flag.Duration("fight", 3*time.Second, "how long other writers fight")

// rivalEvery is the pace of one other writer of a Service: two make 20 writes a
// second.
const rivalEvery = 100 * time.Millisecond

// TestForeignWriter: somebody who undoes our status as soon as it is there is left
// alone after three times, and is named in one Event.
func TestForeignWriter(t *testing.T) {
	w := newSuite(t)
	r := w.start()
	before := w.applied()
	w.create("contested", "quiet")
	rival, undone := make(chan error, 1), 0
	ctx, cancel := context.WithTimeout(w.ctx, *fight)
	defer cancel()
	go func() { rival <- w.undo(ctx, "contested", "rival-controller", &undone) }()
	w.awaitStats(r, "fight", func(s status.Stats) bool { return len(s.Fights) == 1 })
	f := r.Stats().Fights[0]
	if f.Object.Name != "contested" || len(f.Managers) != 1 || f.Managers[0] != "rival-controller" {
		t.Errorf("got %+v", f)
	}
	w.awaitAddress("192.0.2.1", "quiet")
	w.events(w.namespace, "contested", only("Warning AddressContested: status.loadBalancer: rival-controller rewrites it"))
	if err := <-rival; err != nil {
		t.Fatal(err)
	}
	w.create("last")
	w.awaitAddress("192.0.2.1", "quiet", "last")
	if n := w.applied() - before - 2; n > 3 || undone != 3 {
		t.Errorf("%d writes against a rival that undid %d", n, undone)
	}
	w.awaitAddress("198.51.100.9", "contested")
	if got := r.Stats().Flips; got != 3 {
		t.Errorf("%d flips", got)
	}
}

// TestTwins: two Legations with a Lease each publish different addresses of the same
// class: one of them gives way, although both write under one name.
func TestTwins(t *testing.T) {
	w := newSuite(t)
	before := w.applied()
	one := w.start()
	w.create("contested")
	w.awaitAddress("192.0.2.1")
	w.config.Lease.Name = "another"
	w.config.Addresses = map[string]status.Source{class: {Fixed: []string{"192.0.2.2"}}}
	two := w.start()
	fights := func() (list []status.Fight) { return append(one.Stats().Fights, two.Stats().Fights...) }
	w.awaitStats(one, "end of the fight", func(status.Stats) bool { return len(fights()) > 0 })
	if list := fights(); len(list) != 1 || list[0].Managers[0] != status.Manager {
		t.Errorf("got %+v", list)
	}
	w.events(w.namespace, "contested", only("Warning AddressContested: status.loadBalancer: another Legation, with another Lease, rewrites it"))
	if n := w.applied() - before; n > 2*3 {
		t.Errorf("%d writes", n)
	}
}

// only is the look of w.events at an object with one Event, which begins so.
func only(text string) func([]*corev1.Event) error { return starts(text) }

// starts is the look of w.events at an object whose Events, in order of their text,
// begin so, and are not repeated.
func starts(texts ...string) func([]*corev1.Event) error {
	return func(list []*corev1.Event) error {
		lines := strings.Split(describe(list), "\n")
		ok := len(lines) == len(texts)
		for i := 0; ok && i < len(lines); i++ {
			ok = strings.HasPrefix(lines[i], texts[i]) && strings.HasSuffix(lines[i], "(x1)")
		}
		if !ok {
			return fmt.Errorf("Events:\n%s", strings.Join(lines, "\n"))
		}
		return nil
	}
}

// undo writes another address to an Ingress whenever it does not have that, until
// ctx ends.
func (w *suite) undo(ctx context.Context, name, manager string, count *int) error {
	client := cluster.Client().NetworkingV1().Ingresses(w.namespace)
	err := kube.Await(ctx, client, func(all []*networkingv1.Ingress) error {
		for _, o := range all {
			if o.Name != name || addressesOf(o) == "198.51.100.9" || addressesOf(o) == "" {
				continue
			}
			o = o.DeepCopy()
			o.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "198.51.100.9"}}
			if _, err := client.UpdateStatus(ctx, o, metav1.UpdateOptions{FieldManager: manager}); err == nil {
				*count++
			}
		}
		return context.Canceled // never satisfied
	})
	if ctx.Err() != nil && w.ctx.Err() == nil {
		return nil
	}
	return err
}

// TestTwoWriters: two controllers rewrite the Service whose address is published,
// many times a second: it is followed three times, then kept, and both are named.
func TestTwoWriters(t *testing.T) {
	w := newSuite(t)
	w.config.Addresses = map[string]status.Source{class: {Service: types.NamespacedName{Namespace: w.namespace, Name: "edge"}}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}}}
	if err := cluster.Apply(w.ctx, service); err != nil {
		t.Fatal(err)
	}
	r := w.start()
	w.create("shop")
	before := w.applied()
	w.fight("kube-vip", "metallb")
	w.awaitStats(r, "fight", func(s status.Stats) bool { return len(s.Fights) == 1 })
	s := r.Stats()
	if f := s.Fights[0]; f.Object.String() != "Service "+w.namespace+"/edge" || strings.Join(f.Managers, " ") != "kube-vip metallb" {
		t.Errorf("got %+v", f)
	}
	if n := w.applied() - before; n > 1+3 || s.Follows > 1+3 {
		t.Errorf("%d writes, %d addresses", n, s.Follows)
	}
	w.events(w.namespace, "edge", only("Warning AddressInTurns: status.loadBalancer: kube-vip and metallb rewrite it in turns"))
}

// fight has two controllers rewrite the address of Service edge in turns.
func (w *suite) fight(managers ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, *fight)
	defer cancel()
	var group sync.WaitGroup
	for i, manager := range managers {
		patch := fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.%d"}]}}}`, 100+i)
		group.Go(func() {
			tick := time.NewTicker(rivalEvery)
			defer tick.Stop()
			for ctx.Err() == nil {
				_, err := cluster.Client().CoreV1().Services(w.namespace).Patch(ctx, "edge", types.MergePatchType, patch,
					metav1.PatchOptions{FieldManager: manager}, "status")
				if err != nil && ctx.Err() == nil {
					w.Error(err)
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	group.Wait()
}
