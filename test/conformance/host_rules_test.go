//go:build real

package conformance

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// TestHostRules: which host answers, where no rule is for all hosts.
func TestHostRules(t *testing.T) {
	scenario{
		services: []string{"bar-com", "wildcard-foo-com", "exact-foo-com"},
		ingresses: []*networkingv1.Ingress{
			ingress("hosts",
				host("foo.bar.com", prefix("/", "bar-com")),
				host("*.foo.com", prefix("/", "wildcard-foo-com"))),
			ingress("within", host("exact.foo.com", prefix("/foo", "exact-foo-com"))),
		},
		requests: []request{
			{name: "host matches", url: "http://foo.bar.com/", want: "200 bar-com"},
			{name: "host matches in another case", url: "http://FOO.bar.com/", want: "200 bar-com"},
			{name: "host matches with a port", url: "http://foo.bar.com:8080/", want: "200 bar-com"},
			{name: "another host does not match", url: "http://subdomain.bar.com/", want: "404"},
			{name: "parent of a host does not match", url: "http://bar.com/", want: "404"},
			{name: "wildcard matches one label", url: "http://bar.foo.com/", want: "200 wildcard-foo-com"},
			{name: "wildcard does not match two labels", url: "http://baz.bar.foo.com/", want: "404"},
			{name: "wildcard does not match none", url: "http://foo.com/", want: "404"},
			{name: "exact host goes before wildcard", url: "http://exact.foo.com/foo", want: "200 exact-foo-com"},
			{name: "exact host hides the wildcard", url: "http://exact.foo.com/", want: "404"},
		},
	}.play(t)
}

// TestAnyHost: a rule without a host answers where no other host does.
func TestAnyHost(t *testing.T) {
	scenario{
		services: []string{"any", "bar-com", "wildcard-foo-com"},
		ingresses: []*networkingv1.Ingress{
			ingress("any", host("", prefix("/", "any"), prefix("/deep", "any"))),
			ingress("hosts", host("foo.bar.com", prefix("/foo", "bar-com")), host("*.foo.com", prefix("/", "wildcard-foo-com"))),
		},
		requests: []request{
			{name: "any host", url: "http://whatever.test/", want: "200 any"},
			{name: "an address as host", url: "http://192.0.2.200/", want: "200 any"},
			{name: "two labels below a wildcard", url: "http://baz.bar.foo.com/", want: "200 any"},
			{name: "none below a wildcard", url: "http://foo.com/deep/er", want: "200 any"},
			{name: "a host with a rule", url: "http://foo.bar.com/foo", want: "200 bar-com"},
			{name: "a path that a host with a rule has not", url: "http://foo.bar.com/deep", want: "404"},
			{name: "a wildcard with a rule", url: "http://bar.foo.com/deep", want: "200 wildcard-foo-com"},
		},
	}.play(t)
}
