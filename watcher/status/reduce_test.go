package status

import (
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/translator/input"
)

const (
	balancerFields = `{"f:status":{"f:loadBalancer":{"f:ingress":{}}}}`
	otherFields    = `{"f:status":{"f:other":{}}}`
	specFields     = `{"f:spec":{"f:loadBalancer":{}}}`
)

func managed(manager string, operation metav1.ManagedFieldsOperationType, part, fields string, second int) metav1.ManagedFieldsEntry {
	at := metav1.NewTime(start.Add(time.Duration(second) * time.Second))
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: part, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
}

// TestBalancerWriter: who wrote the address that stands there.
func TestBalancerWriter(t *testing.T) {
	const apply, update = metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	ours := managed(Manager, apply, "status", balancerFields, 1)
	for name, test := range map[string]struct {
		list   []metav1.ManagedFieldsEntry
		writer string
		ours   bool
	}{
		"nobody": {},
		"us":     {list: []metav1.ManagedFieldsEntry{managed("kubectl", update, "", specFields, 9), ours}, ours: true},
		"both":   {list: []metav1.ManagedFieldsEntry{managed("nginx", update, "status", balancerFields, 2), ours}, ours: true},
		"another": {list: []metav1.ManagedFieldsEntry{managed("nginx", update, "status", balancerFields, 2),
			managed("other", update, "status", otherFields, 3)}, writer: "nginx"},
		"the last of two": {list: []metav1.ManagedFieldsEntry{managed("b", update, "status", balancerFields, 3),
			managed("a", apply, "status", balancerFields, 2)}, writer: "b"},
		"our name, not by apply": {list: []metav1.ManagedFieldsEntry{managed(Manager, update, "status", balancerFields, 1)}, writer: Manager},
		"we, of something else":  {list: []metav1.ManagedFieldsEntry{managed(Manager, apply, "status", otherFields, 1)}},
		"nonsense":               {list: []metav1.ManagedFieldsEntry{managed("x", update, "status", `[`, 1), {Manager: "y", Subresource: "status"}}},
	} {
		if writer, _, ours := balancerWriter(test.list); writer != test.writer || ours != test.ours {
			t.Errorf("%s: got %q, %v", name, writer, ours)
		}
	}
}

// TestReduceIngress: nothing but what is decided on is a difference.
func TestReduceIngress(t *testing.T) {
	o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{UID: "u", ResourceVersion: "7", Generation: 3, Annotations: map[string]string{input.ClassAnnotation: "old"}}}
	if got, want := reduceIngress(o), (seen{uid: "u", version: "7", generation: 3, class: "old", named: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	o.Spec.IngressClassName = new("new")
	if got := reduceIngress(o); got.class != "old" || !got.names("new") || !got.names("old") || got.names("") {
		t.Errorf("got %+v", got)
	}
}
