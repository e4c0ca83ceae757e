//go:build real

package status

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/incluster"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

// replicasName is the headless Service of all replicas.
const replicasName = "replicas"

// TestPeers: two replicas of the binary have an Envoy each. An Ingress gets its
// address when both Envoys serve it, although the leader sees only its own; and after
// the bound, if the other replica's never does. Either replica speaks for both.
func TestPeers(t *testing.T) {
	w := newSuite(t)
	s, err := incluster.Start(w.ctx, cluster, incluster.Options{Binary: true, Replicas: 2, Envoys: 2,
		Args: []string{"--lease", w.namespace + "/legation", "--peers", replicasName + "." + w.namespace + ".svc:18000", "--publish-address", "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.named(s)
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service, w.web("first", "web")); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("192.0.2.1", "first")

	leader, other := w.leader(s)
	w.waitsForBoth(s, leader, other)
	w.waitsNoLonger(s, leader, other)
	w.inspected(s)
}

// named gives the replicas the name of all of them.
func (w *suite) named(s *incluster.Stack) {
	w.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: replicasName},
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}}
	slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: replicasName,
		Labels: map[string]string{discoveryv1.LabelServiceName: replicasName}}}
	for _, r := range s.Replicas {
		host, _, err := net.SplitHostPort(r.Address)
		if err != nil {
			w.Fatal(err)
		}
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{host}})
	}
	if err := cluster.Apply(w.ctx, service, slice); err != nil {
		w.Fatal(err)
	}
}

// leader is the number of the replica that writes, and that of the other one.
func (w *suite) leader(s *incluster.Stack) (leader, other int) {
	w.Helper()
	for i, r := range s.Replicas {
		if w.metric(r, "legation_status_leader") == 1 {
			return i, 1 - i
		}
	}
	w.Fatal("no replica writes")
	return 0, 0
}

// waitsForBoth: while the other replica hears nothing of an Ingress, it has no
// address, although the leader's Envoy serves it.
func (w *suite) waitsForBoth(s *incluster.Stack, leader, other int) {
	w.Helper()
	s.Replicas[other].API.Hold()
	defer s.Replicas[other].API.Release()
	if err := cluster.Apply(w.ctx, w.web("late", "web")); err != nil {
		w.Fatal(err)
	}
	w.awaitAnswer(s.Envoys[leader], "late.test", "200")
	w.awaitWaiting(s.Replicas[leader], 1) // the Envoy answers before the leader's writer hears of it
	o, err := cluster.Client().NetworkingV1().Ingresses(w.namespace).Get(w.ctx, "late", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if got := addressesOf(o); got != "" {
		w.Errorf("it has %s, and the other replica's Envoy answers %s", got, w.ask(s.Envoys[other], "late.test"))
	}
	s.Replicas[other].API.Release()
	w.awaitAddress("192.0.2.1", "late")
	for _, e := range s.Envoys {
		if got := w.ask(e, "late.test"); got != "200" {
			w.Errorf("late has its address, and %s answers %s", e.ID, got)
		}
	}
}

// awaitWaiting waits until so many Ingresses wait for their address.
func (w *suite) awaitWaiting(r *incluster.Replica, want float64) {
	w.Helper()
	err := inprocess.Await(w.ctx, func() error {
		if n := w.metric(r, "legation_status_waiting"); n != want {
			return fmt.Errorf("%v Ingresses wait, want %v", n, want)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// waitsNoLonger: a replica that hears nothing for ever holds the address up for the
// bound, and no longer.
func (w *suite) waitsNoLonger(s *incluster.Stack, leader, other int) {
	w.Helper()
	const patience = 10 * time.Second // status.Timing.Patience
	s.Replicas[other].API.Hold()
	defer s.Replicas[other].API.Release()
	begin := time.Now()
	if err := cluster.Apply(w.ctx, w.web("stuck", "web")); err != nil {
		w.Fatal(err)
	}
	w.awaitAddress("192.0.2.1", "stuck")
	if took := time.Since(begin); took < patience {
		w.Errorf("the address came after %v, and the other replica's Envoy answers %s", took, w.ask(s.Envoys[other], "stuck.test"))
	}
	if mine, others := w.ask(s.Envoys[leader], "stuck.test"), w.ask(s.Envoys[other], "stuck.test"); mine != "200" || others != "404" {
		w.Errorf("the Envoys answer %s and %s, want 200 and 404", mine, others)
	}
}

// awaitAnswer waits until an Envoy gives a host an answer.
func (w *suite) awaitAnswer(e *incluster.Envoy, host, want string) {
	w.Helper()
	err := inprocess.Await(w.ctx, func() error {
		if got := w.ask(e, host); got != want {
			return fmt.Errorf("%s answers %s", host, got)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// metric is the value of a metric without labels.
func (w *suite) metric(r *incluster.Replica, name string) (value float64) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+r.Admin()+"/metrics", nil)
	if err != nil {
		w.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if _, err := fmt.Sscan(text, &value); err != nil {
				w.Fatal(err)
			}
			return value
		}
	}
	w.Fatalf("%s has no metric %s", r.Address, name)
	return 0
}
