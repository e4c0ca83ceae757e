package translator

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// TestManyRoots: Ingresses of one host that all say app-root cost as much as others, not each as
// much as all that are older.
func TestManyRoots(t *testing.T) {
	const number = 1000
	used := func(annotation string) uint64 {
		text := []string{`
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours}
spec: {controller: legation.dev/ingress-controller}`}
		for i := range number {
			text = append(text, fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i%d, namespace: shop, annotations: {%s}}
spec:
  ingressClassName: ours
  rules: [{host: shop.example.com, http: {paths: [{path: /%d, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]`, i, annotation, i))
		}
		view := input.View{}.With(lower.Manifests("many.yaml", []byte(strings.Join(text, "\n---")))...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		Translate(Result{}, view)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if without, with := used(""), used("nginx.ingress.kubernetes.io/app-root: /x"); with > 2*without {
		t.Errorf("%d MiB, and %d MiB with app-root", without>>20, with>>20)
	}
}
