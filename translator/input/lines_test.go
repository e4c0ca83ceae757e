package input

import (
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/object"
)

// linesText has one field that a case asks for in each line.
const linesText = `# a comment

apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/auth-url: http://auth
    nginx.ingress.kubernetes.io/auth: "yes"
    legation.dev/idle-timeout: >-
      5
      m
spec:
  rules:
  - host: a.example
    http:
      paths:
      - {path: /x, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}
      - pathType: Prefix
        path: /y
        backend: &y
          service: {name: y, port: {number: 80}}
  - host: b.example
    http:
      paths:
      - pathType: Prefix
        path: /z
        backend: *y
data:
  http-port: "80"
  tls.crt: x
`

// TestLines: a field is placed in its line, else in that of the nearest one above it.
func TestLines(t *testing.T) {
	document := documents([]byte(linesText))[0]
	p := place{lines: &lines{file: "f.yaml", line: document.line, text: document.text}}
	for field, want := range map[string]string{
		"":         "apiVersion: ",
		"metadata": "metadata:",
		"metadata.annotations.nginx.ingress.kubernetes.io/auth-url": "    nginx.ingress.kubernetes.io/auth-url: ",
		"metadata.annotations.nginx.ingress.kubernetes.io/auth":     "    nginx.ingress.kubernetes.io/auth: ",
		"metadata.annotations.legation.dev/idle-timeout":            "    legation.dev/idle-timeout: ",
		"metadata.annotations.legation.dev/other":                   "  annotations:",
		"spec.rules[0].http.paths[0].path":                          "      - {path: /x",
		"spec.rules[0].http.paths[1]":                               "      - pathType: Prefix\n        path: /y",
		"spec.rules[0].http.paths[1].path":                          "        path: /y",
		"spec.rules[0].http.paths[1].backend.service.name":          "          service: {name: y",
		"spec.rules[1].http.paths[0].backend.service.port":          "          service: {name: y", // by its anchor
		"spec.rules[1].host":                                        "  - host: b.example",
		"spec.rules[1].http.paths[7].path":                          "      paths:\n      - pathType: Prefix\n        path: /z",
		"spec.rules[x]":                                             "  rules:",
		"spec.rules.http.paths":                                     "  rules:",
		"spec.tls[0].hosts[0]":                                      "spec:",
		"data[tls.crt]":                                             "  tls.crt: ",
		"data.http-port":                                            "  http-port: ",
		"status":                                                    "apiVersion: ",
	} {
		rest := linesText
		got := p.Place(field)
		number, err := strconv.Atoi(strings.TrimPrefix(got, "f.yaml:"))
		if err != nil {
			t.Fatal(err)
		}
		for range number - 1 {
			_, rest, _ = strings.Cut(rest, "\n")
		}
		if !strings.HasPrefix(rest, want) {
			t.Errorf("%q is at %s: %q; want %q", field, got, strings.SplitN(rest, "\n", 2)[0], want)
		}
	}
}

// TestLinesOfItems: the items of a List, in JSON too, and documents further down.
func TestLinesOfItems(t *testing.T) {
	const list = `kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: first}
spec: {controller: legation.dev/c}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
  spec:
    ports:
    - port: 80
- apiVersion: v1
  kind: Service
  metadata: {name: b}
  spec:
    ports:
    - port: 70000
---
{"apiVersion": "v1",
 "kind": "Service",
 "metadata": {"name": "c"},
 "spec": {"ports": [
   {"port": 0}]}}
`
	want := map[string]string{"b": "f.yaml:20", "c": "f.yaml:26"}
	for _, c := range DecodeManifests("f.yaml", []byte(list)) {
		for _, p := range c.Problems {
			if p.File != want[c.Ref.Name] {
				t.Errorf("%v, want %s", p, want[c.Ref.Name])
			}
			delete(want, c.Ref.Name)
		}
		switch o := c.Object.(type) {
		case *Service:
			if got := Origin(o).In("spec.ports[0].port").Place(); got != "f.yaml:14" {
				t.Errorf("the port of %s is at %s", o.Name, got)
			}
			if got := Origin(o).Place(); got != "f.yaml:9" {
				t.Errorf("%s is at %s", o.Name, got)
			}
		case *IngressClass:
			if got := Origin(o); got.Place() != "f.yaml:1" || got.Places.(place).root != nil {
				t.Errorf("%s is at %s; parsed: %v", o.Name, got.Place(), got.Places.(place).root != nil)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no Problem of %v", want)
	}
	if o := FromService(new(corev1.Service)); Origin(o) != (object.Origin{Object: o.Ref()}) {
		t.Errorf("an object of an API server has a place: %v", Origin(o))
	}
}
