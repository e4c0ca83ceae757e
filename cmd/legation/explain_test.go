package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
)

// TestExplain: each value is told with the object and field that says so, with
// the preset that gives it, or with the reason of the default.
func TestExplain(t *testing.T) {
	folder := copyShop(t, "kind: Service\nmetadata:\n  name: web\n  namespace: shop\n",
		"kind: Service\nmetadata:\n  name: web\n  namespace: shop\n  annotations: {legation.dev/upstream-preset: tomcat, legation.dev/upstream-idle-timeout: 9s}\n",
		"kind: Ingress\nmetadata:\n  name: shop\n  namespace: shop\n",
		"kind: Ingress\nmetadata:\n  name: shop\n  namespace: shop\n  annotations: {legation.dev/upstream-max-requests: \"50\", legation.dev/upstream-max-lifetime: 1h, legation.dev/idle-timeout: 5m}\n",
		"bind-addresses: 127.0.0.1", "bind-addresses: 127.0.0.1\n  max-connections: \"9\"")
	want := map[string]string{
		"idle-timeout":             "5m0s Ingress shop/shop metadata.annotations.legation.dev/idle-timeout",
		"max-connections":          "9 ConfigMap shop/legation data.max-connections",
		"ssl-redirect":             "true default",
		"upstream-connect-timeout": "5s default",
		"upstream-idle-timeout":    "9s Service shop/web metadata.annotations.legation.dev/upstream-idle-timeout",
		"upstream-max-lifetime":    "off Service shop/web metadata.annotations.legation.dev/upstream-preset, preset tomcat",
		"upstream-max-requests":    "98 Service shop/web metadata.annotations.legation.dev/upstream-preset, preset tomcat",
		"upstream-preset":          "tomcat Service shop/web metadata.annotations.legation.dev/upstream-preset",
	}
	status, stdout, stderr := legation("explain", "service/shop/web", "--source", "dir:"+folder, "-o", "json")
	var out struct{ Fleets []inspect.Fleet }
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || status != cli.OK || len(out.Fleets) != 1 {
		t.Fatalf("status %d, %v: %s%s", status, err, stdout, stderr)
	}
	parts := out.Fleets[0].Parts
	if len(parts) != 2 || !strings.HasPrefix(parts[0].Cluster, "shop/web/http/") || !slices.Equal(parts[0].Ingresses, []string{"shop/shop"}) {
		t.Fatalf("got %+v", parts)
	}
	settings := append(parts[0].Settings, parts[1].Settings...)
	for _, s := range settings {
		is := s.Value + " default"
		if s.Object != "" {
			is = s.Value + " " + s.Object + " " + s.Field
		}
		if s.Preset != "" {
			is += ", preset " + s.Preset
		}
		if w, ok := want[s.Name]; ok && w != is {
			t.Errorf("%s: %s; want %s", s.Name, is, w)
		}
		if (s.Object == "") == (s.Reason == "") || s.Envoy == "" {
			t.Errorf("%s has no reason, or no Envoy field", s.Name)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestExplainForPeople: a table, and what is wrong with the Service.
func TestExplainForPeople(t *testing.T) {
	folder := copyShop(t, "kind: Service\nmetadata:\n  name: web\n  namespace: shop\n",
		"kind: Service\nmetadata:\n  name: web\n  namespace: shop\n  annotations: {legation.dev/upstream-preset: node, legation.dev/upstream-idle-timeout: 9s}\n")
	status, stdout, stderr := legation("explain", "service/shop/web", folder)
	if status != cli.Failure || !strings.Contains(stderr, `upstream-idle-timeout="9s": above 3.75s`) {
		t.Errorf("status %d, stderr %s", status, stderr)
	}
	for _, want := range []string{
		"fleet legation, cluster shop/web/http, named by shop/shop\n",
		"preset node: Service shop/web, metadata.annotations.legation.dev/upstream-preset\n",
		"\nfleet legation, routes of Ingress shop/shop\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}
}

// TestExplainNotReady: a Service whose endpoints are not ready is wrong, and how many are
// ready and not is said; one is enough.
func TestExplainNotReady(t *testing.T) {
	const before = "endpoints:\n- addresses: [127.0.0.1]\n"
	for endpoints, want := range map[string]struct {
		status int
		said   string
	}{
		"[{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2], conditions: {ready: false}}]": {cli.Failure, "endpoints 0 ready, 0 draining, 2 not ready"},
		"[{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2]}]":                             {cli.OK, "endpoints 1 ready, 0 draining, 1 not ready"},
		"[{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}]":                    {cli.OK, "endpoints 0 ready, 1 draining, 0 not ready"},
		"[]": {cli.Failure, "endpoints 0 ready, 0 draining, 0 not ready"},
	} {
		status, stdout, stderr := legation("explain", "service/shop/web", copyShop(t, before, "endpoints: "+endpoints+"\n"))
		told := strings.Contains(stderr, "Service shop/web: no endpoint of it is ready; requests to it answer 503")
		if status != want.status || told != (status == cli.Failure) || !strings.Contains(strings.Join(strings.Fields(stdout), " "), want.said) {
			t.Errorf("%s: status %d, want %d and %q\n%s%s", endpoints, status, want.status, want.said, stdout, stderr)
		}
	}
}

// TestExplainUnreachable: of a cluster that cannot be read it is said what and why.
func TestExplainUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // its port refuses
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'http://" + l.Addr().String() + "'}}]\n" +
		"contexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\ncurrent-context: a\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := legation("explain", "service/shop/web", "--kubeconfig", file, "--timeout", "500ms")
	for _, part := range []string{"was not read within 500ms", "\n  Ingress", "\n  Service"} {
		if status != cli.Failure || !strings.Contains(stderr, part) {
			t.Errorf("status %d, no %q in %q", status, part, stderr)
		}
	}
}
