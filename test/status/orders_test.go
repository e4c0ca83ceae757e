//go:build real

package status

import (
	"slices"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/translator/input"
	"legation.dev/watcher/status"
)

// TestOrderEvents: an order is one Event of its class, whoever leads, with who gave it and why.
func TestOrderEvents(t *testing.T) {
	w := newSuite(t)
	o := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "ordered"}, Spec: networkingv1.IngressClassSpec{Controller: input.Controller}}
	if err := cluster.Apply(w.ctx, o); err != nil {
		t.Fatal(err)
	}
	defer w.remove(o)
	now := time.Now()
	given := func(id, reason, text string, at time.Time) status.Order {
		return status.Order{ID: id, Class: o.Name, Reason: reason, Action: "Do", Text: text, At: at}
	}
	list := []status.Order{given("old", "Paused", "an hour ago", now.Add(-time.Hour)),
		given("1", "RemovalApproved", "me (CN=legation/approver) approved the removal of hosts: they moved", now),
		given("2", "Paused", "me (CN=legation/approver) paused the fleet: a test", now)}
	w.config.Orders = func() []status.Order { return list }
	const want = "Normal Paused: me (CN=legation/approver) paused the fleet: a test (x1)\n" +
		"Normal RemovalApproved: me (CN=legation/approver) approved the removal of hosts: they moved (x1)"
	first := w.start()
	w.awaitLeader(first)
	w.events(metav1.NamespaceDefault, o.Name, all(want))
	first.end()
	more := append(slices.Clone(list), given("3", "Resumed", "me (CN=legation/approver) resumed the fleet: done", now))
	w.config.Orders = func() []status.Order { return more }
	w.awaitLeader(w.start())
	w.events(metav1.NamespaceDefault, o.Name, all(want+"\nNormal Resumed: me (CN=legation/approver) resumed the fleet: done (x1)"))
}
