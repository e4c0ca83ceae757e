package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
)

// TestElsewhere: Ingresses of other classes are counted by class, with its controller; ours
// are not among them.
func TestElsewhere(t *testing.T) {
	text := `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: legation}
spec: {controller: legation.dev/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/other}
`
	for i, class := range []string{"legation", "other", "other", "", "other", "nobodys"} {
		spec := "ingressClassName: " + class
		if class == "" {
			spec = "rules: []" // of the default class
		}
		text += fmt.Sprintf("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i%d, namespace: n%d}\nspec:\n  %s\n  defaultBackend: {service: {name: web, port: {number: 80}}}\n", i, i%2, spec)
	}
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	changes, err := dir.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	for namespace, want := range map[string][]string{
		"":   {"nobodys  1 Ingress n1/i5", "other example.com/other 4 Ingress n0/i2,Ingress n0/i4,Ingress n1/i1"},
		"n0": {"other example.com/other 2 Ingress n0/i2,Ingress n0/i4"},
	} {
		var got []string
		for _, e := range Elsewhere(r, namespace) {
			got = append(got, fmt.Sprintf("%s %s %d %s", e.GetClass(), e.GetController(), e.GetIngresses(), strings.Join(e.GetExamples(), ",")))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", namespace, got, want)
		}
	}
}
