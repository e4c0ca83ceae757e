package kube

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/translator/input"
)

// TestWritten: bytes that are no UTF-8, which the binary form of Kubernetes lets through, are those
// of nobody: an object is the same when it comes back from where it was stored, as JSON.
func TestWritten(t *testing.T) {
	const bytes = "a\xa3\xff"
	now := metav1.Now()
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "odd", Annotations: map[string]string{"nginx.ingress.kubernetes.io/configuration-snippet": "return 404 " + bytes + ";"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: bytes, Time: &now}}}
	kind, exact := "Bucket"+bytes, networkingv1.PathTypeExact
	ingress := &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{
		DefaultBackend: &networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: kind, Name: "b"}},
		Rules: []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/" + bytes, PathType: &exact}}}}}}}}
	for _, o := range []runtime.Object{ingress, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"text": bytes}}} {
		c := Reduce(o)
		if len(c.Problems) > 0 || !utf8.ValidString(c.By.Manager) || c.By.Manager == "" {
			t.Errorf("%s: %v, by %q", c.Ref, c.Problems, c.By.Manager)
		}
		text, err := json.Marshal(c.Object)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(c.Object).Elem()).Interface()
		if err := json.Unmarshal(text, back); err != nil {
			t.Fatal(err)
		}
		var same bool
		switch o := c.Object.(type) {
		case *input.Ingress:
			b := back.(*input.Ingress)
			same = reflect.DeepEqual(b.Annotations, o.Annotations) && reflect.DeepEqual(b.Rules, o.Rules) && *b.DefaultBackend == *o.DefaultBackend
		case *input.ConfigMap:
			same = reflect.DeepEqual(back.(*input.ConfigMap).Data, o.Data)
		}
		if !same {
			t.Errorf("%s comes back as %s", c.Ref, text)
		}
	}
}
