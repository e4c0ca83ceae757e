package inspect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/observed"
)

// TestClosingProblems: what servers do is held against what is set on their Service, and the
// Problem says what would prevent it.
func TestClosingProblems(t *testing.T) {
	const second = time.Second
	says := func(after time.Duration) observed.Closing {
		return observed.Closing{Announced: []observed.Announcement{{Cluster: "shop/gone/80", After: time.Second}, {Cluster: "shop/web/80", After: after}}}
	}
	for name, c := range map[string]struct {
		settings string
		seen     observed.Closing
		want     string // empty: no Problem
	}{
		"by default below":      {"", says(5 * second), ""},
		"Node":                  {"upstream-idle-timeout: 6s", says(5 * second), "announces 5 s; upstream-idle-timeout is 6s: a request that Envoy sends just then fails. Set upstream-preset: node, or upstream-idle-timeout: 3.75s"},
		"with its preset":       {"upstream-preset: node", says(5 * second), ""},
		"no connection is kept": {"upstream-idle-timeout: 1h, legation.dev/upstream-max-requests: '1'", says(5 * second), ""},
		"none lives so long":    {"upstream-idle-timeout: 1h, legation.dev/upstream-max-lifetime: 4s", says(5 * second), ""},
		"some other server":     {"upstream-idle-timeout: 1m", says(20 * second), "announces 20 s; upstream-idle-timeout is 1m0s: a request that Envoy sends just then fails. Set upstream-idle-timeout: 15s"},
		"rests":                 {"upstream-idle-timeout: 3s", observed.Closing{Rest: 2049 * time.Millisecond}, "closes connections after about 2 s; upstream-idle-timeout is 3s: a request that Envoy sends just then fails. Set the upstream-preset of the server, or upstream-idle-timeout: 1.5s"},
		"rests, by default":     {"", observed.Closing{Rest: 2 * second}, ""},
		"requests":              {"", observed.Closing{Requests: 100}, "closes connections after about 100 requests; upstream-max-requests is off: a request that Envoy sends just then fails. Set upstream-max-requests: 98"},
		"fewer requests":        {"upstream-max-requests: '98'", observed.Closing{Requests: 100}, ""},
		"age":                   {"upstream-max-lifetime: 1h", observed.Closing{Age: 3 * second}, "closes connections that are about 3 s old; upstream-max-lifetime is 1h0m0s: a request that Envoy sends just then fails. Set upstream-max-lifetime: 2.25s"},
		"either":                {"", observed.Closing{Age: 300 * time.Millisecond, Requests: 2}, "closes connections after about 0.3 s, or after 2 requests; upstream-max-lifetime and upstream-max-requests do not prevent it: a request that Envoy sends just then fails. Set upstream-max-requests: 1, or upstream-max-lifetime: 220ms"},
		"either, one prevented": {"upstream-max-lifetime: 200ms", observed.Closing{Age: 300 * time.Millisecond, Requests: 2}, ""},
		"of no fleet":           {"upstream-idle-timeout: 6s", observed.Closing{Fleet: "none", Rest: 2 * second}, ""},
	} {
		r := translator.Translate(translator.Result{}, input.View{}.With(lower.Manifests("all.yaml", fmt.Appendf(nil, `
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: edge}, spec: {controller: legation.dev/ingress-controller}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, annotations: {%s}}, spec: {ports: [{port: 80}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {ingressClassName: edge, defaultBackend: {service: {name: web, port: {number: 80}}}}}
`, annotated(c.settings)))...))
		if c.seen.Fleet == "" {
			c.seen.Fleet = "edge"
		}
		c.seen.Service = "shop/web"
		var got, want []string
		for _, p := range Closing(r, []observed.Closing{c.seen}) {
			got = append(got, p.Error())
		}
		if c.want != "" {
			want = []string{"Service shop/web: " + c.want}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestAbout: a time is rounded by a tenth at most.
func TestAbout(t *testing.T) {
	for d := time.Millisecond; d < 2*time.Hour; d += d / 50 {
		if got := about(d); (got-d).Abs()*10 > d {
			t.Errorf("%v is about %v", d, got)
		}
	}
}

// annotated are settings as annotations.
func annotated(settings string) string {
	if settings == "" {
		return ""
	}
	return "legation.dev/" + settings
}
