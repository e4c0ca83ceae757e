//go:build real

package conformance

import (
	"net/http"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// TestDefaultBackend: an Ingress without rules answers all requests, by whatever
// method.
func TestDefaultBackend(t *testing.T) {
	all := ingress("default")
	all.Spec.DefaultBackend = backend("default")
	s := scenario{services: []string{"default"}, ingresses: []*networkingv1.Ingress{all}}
	for _, url := range []string{"http://foo.test/", "http://foo.test/sub/path", "http://bar.foo.test/?a=b", "http://192.0.2.200/"} {
		s.requests = append(s.requests, request{name: url, url: url, want: "200 default"})
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodHead} {
		s.requests = append(s.requests, request{name: method, method: method, url: "http://foo.test/sub", want: "200 default"})
	}
	s.play(t)
}

// TestDefaultBackendBesideRules: the default backend of an Ingress with rules
// answers what none of them matches, for the hosts of these rules. It is not that
// of other hosts, which may be somebody else's; so it is with ingress-nginx.
func TestDefaultBackendBesideRules(t *testing.T) {
	both := ingress("both", host("foo.test", prefix("/foo", "rule")))
	both.Spec.DefaultBackend = backend("default")
	scenario{
		services:  []string{"default", "rule"},
		ingresses: []*networkingv1.Ingress{both},
		requests: []request{
			{name: "a path with a rule", url: "http://foo.test/foo", want: "200 rule"},
			{name: "a path without a rule", url: "http://foo.test/bar", want: "200 default"},
			{name: "a host without a rule", url: "http://bar.test/foo", want: "404"},
		},
	}.play(t)
}
