//go:build real

package conformance

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// TestPathRules: which path of a host answers.
func TestPathRules(t *testing.T) {
	scenario{
		services: []string{"foo-exact", "foo-prefix", "aaa-prefix", "bbb-prefix", "root"},
		ingresses: []*networkingv1.Ingress{
			ingress("exact", host("exact.test", exact("/foo", "foo-exact"), exact("/slash/", "foo-exact"))),
			ingress("prefix", host("prefix.test", prefix("/foo", "foo-prefix"), prefix("/aaa", "aaa-prefix"), prefix("/aaa/bbb", "bbb-prefix"))),
			ingress("slash", host("slash.test", prefix("/foo/", "foo-prefix"), prefix("/aaa/bbb/", "bbb-prefix"))),
			ingress("root", host("root.test", prefix("/", "root"), prefix("/aaa", "aaa-prefix"), prefix("/aaa/bbb", "bbb-prefix"))),
			ingress("mixed", host("mixed.test", prefix("/foo", "foo-prefix"), exact("/foo", "foo-exact"), prefix("/", "root"))),
			ingress("specific", host("specific.test", specific("/foo", "foo-prefix"), specific("/", "root"))),
			ingress("older", host("shared.test", prefix("/foo", "foo-prefix"))),
			ingress("younger", host("shared.test", prefix("/aaa", "aaa-prefix"))),
		},
		requests: []request{
			{name: "exact path matches", url: "http://exact.test/foo", want: "200 foo-exact"},
			{name: "exact path matches with a query", url: "http://exact.test/foo?a=b", want: "200 foo-exact"},
			{name: "exact path does not match with a trailing slash", url: "http://exact.test/foo/", want: "404"},
			{name: "exact path minds a slash of its own", url: "http://exact.test/slash/", want: "200 foo-exact"},
			{name: "exact path minds a missing slash", url: "http://exact.test/slash", want: "404"},
			{name: "exact path minds case", url: "http://exact.test/FOO", want: "404"},
			{name: "exact path matches nothing below", url: "http://exact.test/foo/bar", want: "404"},
			{name: "exact path matches no other", url: "http://exact.test/bar", want: "404"},
			{name: "exact path does not match the root", url: "http://exact.test/", want: "404"},

			{name: "prefix matches itself", url: "http://prefix.test/foo", want: "200 foo-prefix"},
			{name: "prefix matches with a trailing slash", url: "http://prefix.test/foo/", want: "200 foo-prefix"},
			{name: "prefix matches what is below", url: "http://prefix.test/foo/bar", want: "200 foo-prefix"},
			{name: "prefix matches with a query", url: "http://prefix.test/foo?a=b", want: "200 foo-prefix"},
			{name: "prefix minds case", url: "http://prefix.test/FOO", want: "404"},
			{name: "prefix matches by element", url: "http://prefix.test/foobar", want: "404"},
			{name: "prefix does not match the root", url: "http://prefix.test/", want: "404"},
			{name: "shorter prefix matches", url: "http://prefix.test/aaa/ccc", want: "200 aaa-prefix"},
			{name: "longer prefix wins", url: "http://prefix.test/aaa/bbb", want: "200 bbb-prefix"},
			{name: "longer prefix wins below", url: "http://prefix.test/aaa/bbb/ccc", want: "200 bbb-prefix"},
			{name: "longer prefix wins with a trailing slash", url: "http://prefix.test/aaa/bbb/", want: "200 bbb-prefix"},
			{name: "longer prefix matches by element", url: "http://prefix.test/aaa/bbbxyz", want: "200 aaa-prefix"},

			{name: "prefix with a slash matches without", url: "http://slash.test/foo", want: "200 foo-prefix"},
			{name: "prefix with a slash matches itself", url: "http://slash.test/foo/", want: "200 foo-prefix"},
			{name: "prefix with a slash matches what is below", url: "http://slash.test/aaa/bbb/ccc", want: "200 bbb-prefix"},
			{name: "prefix of two elements with a slash matches without", url: "http://slash.test/aaa/bbb", want: "200 bbb-prefix"},
			{name: "prefix of two elements does not match one", url: "http://slash.test/aaa", want: "404"},

			{name: "root prefix matches the root", url: "http://root.test/", want: "200 root"},
			{name: "root prefix matches everything else", url: "http://root.test/ccc", want: "200 root"},
			{name: "root prefix yields to a longer one", url: "http://root.test/aaa/ccc", want: "200 aaa-prefix"},
			{name: "root prefix yields to the longest one", url: "http://root.test/aaa/bbb", want: "200 bbb-prefix"},

			{name: "exact goes before prefix", url: "http://mixed.test/foo", want: "200 foo-exact"},
			{name: "prefix beside exact matches with a slash", url: "http://mixed.test/foo/", want: "200 foo-prefix"},
			{name: "prefix beside exact matches below", url: "http://mixed.test/foo/bar", want: "200 foo-prefix"},
			{name: "root beside them matches the rest", url: "http://mixed.test/bar", want: "200 root"},

			{name: "implementation specific path matches", url: "http://specific.test/foo", want: "200 foo-prefix"},
			{name: "implementation specific path is a prefix", url: "http://specific.test/foo/bar", want: "200 foo-prefix"},
			{name: "implementation specific root matches the rest", url: "http://specific.test/bar", want: "200 root"},

			{name: "two Ingresses share a host: the first's path", url: "http://shared.test/foo", want: "200 foo-prefix"},
			{name: "two Ingresses share a host: the second's path", url: "http://shared.test/aaa", want: "200 aaa-prefix"},
		},
	}.play(t)
}
