package kube

import (
	"bytes"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/object"
)

// tell says of which Service an EndpointSlice is, and who has written it.
func tell(o any, to func(service object.Ref, by string)) {
	slice, ok := o.(*discoveryv1.EndpointSlice)
	if !ok || slice.Labels[discoveryv1.LabelServiceName] == "" {
		return
	}
	to(object.Ref{Kind: object.KindService, Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}, writer(slice.ManagedFields))
}

// writer is the field manager that wrote the endpoints last, as far as the API server says: times
// are whole seconds. It is empty where nobody is named.
func writer(list []metav1.ManagedFieldsEntry) (name string) {
	var last metav1.Time
	for _, e := range list {
		if e.Time != nil && !e.Time.Before(&last) && hasEndpoints(e.FieldsV1) {
			name, last = e.Manager, *e.Time
		}
	}
	return name
}

// hasEndpoints reports whether somebody has the list of endpoints, which is one's or another's
// as a whole.
func hasEndpoints(fields *metav1.FieldsV1) bool {
	return fields != nil && bytes.Contains(fields.GetRawBytes(), []byte(`"f:endpoints"`))
}
