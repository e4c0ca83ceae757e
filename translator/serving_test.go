package translator

import (
	"slices"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// TestServing: what an Envoy must run to serve an Ingress, and which Ingresses a
// fleet has.
func TestServing(t *testing.T) {
	changes := lower.Manifests("objects.yaml", []byte(servingObjects))
	r := Translate(Result{}, input.View{}.With(changes...).WithStandIn(input.Seal(&input.Secret{Meta: input.Meta{Name: "own"}, Certificate: []byte("chain"), Key: []byte("key")})))
	for key, want := range map[string][]string{
		"shop/a":       {"VHDS ingress/a.example.com", "VHDS ingress/*.example.com"},
		"shop/default": {"VHDS ingress/*"}, // its TLS host is refused
	} {
		fleet, list, ok := r.Serving(key)
		var got []string
		for _, one := range list {
			got = append(got, one.Type.String()+" "+one.Name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !ok || fleet != "edge" || !slices.Equal(got, want) {
			t.Errorf("%s: %s, %q, %v; want %q", key, fleet, got, ok, want)
		}
	}
	for key, why := range map[string]string{"shop/foreign": "it is another controller's", "shop/tls": "its certificate is a stand-in"} {
		if _, _, ok := r.Serving(key); ok {
			t.Errorf("%s is served, but %s", key, why)
		}
	}
	f, _ := r.Fleet("edge")
	var names []string
	for o := range f.Ingresses() {
		names = append(names, o.Name)
	}
	if want := []string{"a", "default", "tls"}; !slices.Equal(names, want) {
		t.Errorf("the fleet has %q, want %q", names, want)
	}
}

const servingObjects = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: legation.dev/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: a}
spec:
  ingressClassName: edge
  rules:
  - host: a.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}
  - host: "*.example.com"
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: default}
spec:
  ingressClassName: edge
  tls: [{hosts: [default-certificate]}]
  defaultBackend: {service: {name: s, port: {number: 80}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: tls}
spec:
  ingressClassName: edge
  tls: [{hosts: [tls.example.com], secretName: missing}]
  rules:
  - host: tls.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: foreign}
spec: {ingressClassName: other, defaultBackend: {service: {name: s, port: {number: 80}}}}
`
