package translator

import (
	"fmt"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
)

// manyPaths is an Ingress with n paths to one Service and ten annotations; each
// turn is another one.
func manyPaths(n, turn int) *networkingv1.Ingress {
	class, prefix := worlds.Class, networkingv1.PathTypePrefix
	o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: worlds.Namespace, Name: "many", Annotations: map[string]string{
		"legation.dev/idle-timeout":             fmt.Sprintf("%ds", 60+turn%2),
		"legation.dev/request-timeout":          "30s",
		"legation.dev/per-try-timeout":          "5s",
		"legation.dev/retries":                  "3",
		"legation.dev/max-request-body":         "8Mi",
		"legation.dev/ssl-redirect":             "false",
		"legation.dev/upstream-connect-timeout": "2s",
		"legation.dev/upstream-preset":          "tomcat",
		"legation.dev/load-balancing":           "least-request",
		"legation.dev/max-connections":          "100",
	}}, Spec: networkingv1.IngressSpec{IngressClassName: &class}}
	var paths []networkingv1.HTTPIngressPath
	for i := range n {
		paths = append(paths, networkingv1.HTTPIngressPath{Path: fmt.Sprintf("/path-%d", i), PathType: &prefix,
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: worlds.ServiceName(0),
				Port: networkingv1.ServiceBackendPort{Number: 80}}}})
	}
	o.Spec.Rules = []networkingv1.IngressRule{{Host: "many.example.com", IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}}}}
	return o
}

// BenchmarkPaths is a change of an Ingress with many paths and ten annotations:
// from the object that the API server sent to the digest of the result.
func BenchmarkPaths(b *testing.B) {
	for _, n := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1})
			turns := []*networkingv1.Ingress{manyPaths(n, 0), manyPaths(n, 1)}
			view := input.View{}.With(w.All()...)
			result := Translate(Result{}, view)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				view = view.With(lower.Put(input.FromIngress(turns[i%2])))
				result = Translate(result, view)
				result.Digest()
			}
		})
	}
}
