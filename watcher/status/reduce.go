package status

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/translator/input"
)

// Each kind of object that is followed is reduced to a comparable value, so that
// an update of anything else is no change.

// seen is what is kept of an Ingress. The zero one means that there is none.
type seen struct {
	uid        types.UID
	version    string // resourceVersion
	generation int64
	class      string // that it names
	beside     string // another one that it names
	named      bool   // whether it names one
	status     addresses
	ours       bool      // we wrote the status that is there
	writer     string    // field manager of the status, if it is another
	writerAt   time.Time // when that wrote last
}

// names reports whether the Ingress names a class, be it in the field or by annotation.
func (s seen) names(class string) bool { return s.named && (s.class == class || s.beside == class) }

const statusPart = "status" // of managedFields

func reduceIngress(o *networkingv1.Ingress) seen {
	s := seen{uid: o.UID, version: o.ResourceVersion, generation: o.Generation, status: ofIngress(o.Status.LoadBalancer.Ingress)}
	class := input.ClassOf(o.Spec.IngressClassName, o.Annotations)
	s.class, s.named = class.Name, class.Named
	if class.Beside != nil {
		s.beside = *class.Beside
	}
	s.writer, s.writerAt, s.ours = balancerWriter(o.ManagedFields)
	return s
}

// balancerWriter is the field manager that has status.loadBalancer, when it wrote that,
// and whether it is us. Several have it if they wrote the same; then we count first.
func balancerWriter(list []metav1.ManagedFieldsEntry) (name string, at time.Time, ours bool) {
	var last *metav1.Time
	for _, e := range list {
		switch {
		case e.Subresource != statusPart || !hasBalancer(e.FieldsV1):
		case e.Manager == Manager && e.Operation == metav1.ManagedFieldsOperationApply:
			return "", time.Time{}, true
		case last == nil || last.Before(e.Time):
			name, last = e.Manager, e.Time
		}
	}
	if last != nil {
		at = last.Time
	}
	return name, at, false
}

// hasBalancer reports whether fields of the load balancer's status are among f.
func hasBalancer(f *metav1.FieldsV1) bool {
	var fields struct {
		Status struct {
			LoadBalancer json.RawMessage `json:"f:loadBalancer"`
		} `json:"f:status"`
	}
	return f != nil && json.Unmarshal(f.GetRawBytes(), &fields) == nil && fields.Status.LoadBalancer != nil
}

// balancer is what is kept of a Service whose address is published.
type balancer struct {
	addresses addresses
	writer    string // field manager of its status
}

func reduceService(o *corev1.Service) balancer {
	writer, _, ours := balancerWriter(o.ManagedFields)
	if ours { // we never write Services, but to name no writer would be untrue
		writer = Manager
	}
	return balancer{ofService(o), writer}
}

// pod is what is kept of a pod that may run an Envoy.
type pod struct {
	node  string
	ready bool
}

func reducePod(o *corev1.Pod) pod {
	p := pod{node: o.Spec.NodeName}
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && o.DeletionTimestamp == nil {
			p.ready = true
		}
	}
	return p
}
