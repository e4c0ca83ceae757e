package conformance

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// address is what Ingresses of ours get.
const address = "192.0.2.1"

var update = flag.Bool("update", false, "rewrite README.md")

// upstreamURL is the suite whose scenarios these are.
const upstreamURL = "https://github.com/kubernetes-sigs/ingress-controller-conformance"

// features are the files of upstream's suite, in their order there, and how many scenarios
// each has; an outline has one for each of its examples.
var features = []struct {
	name, test string
	scenarios  int
}{
	{"default_backend", "TestUpstreamDefaultBackend", 6},
	{"host_rules", "TestUpstreamHostRules", 6},
	{"ingress_class", "TestUpstreamIngressClass", 1},
	{"load_balancing", "TestUpstreamLoadBalancing", 1},
	{"path_rules", "TestUpstreamPathRules", 16},
}

// upstreamScenario is a scenario of upstream's suite: a request, and all that is asserted
// of what comes of it.
type upstreamScenario struct {
	feature     string
	method, url string
	times       int // 0: none, an Ingress is written and nothing is asked
	assertions  []assertion
}

// assertion is one of upstream's steps that can fail.
type assertion struct {
	of   subject
	want string // "*" is anything
}

// subject is what an assertion is about.
type subject string

const (
	statusCode     subject = "status"
	byService      subject = "service"           // which answered
	certifiedFor   subject = "certificate for"   // the leaf, whoever signed it
	responseProto  subject = "protocol"          // of the answer
	responseHeader subject = "header"            // of the answer, that it has one
	receivedMethod subject = "received method"   // by the pod
	receivedPath   subject = "received path"     //
	receivedProto  subject = "received protocol" //
	receivedHost   subject = "received host"     //
	receivedAgent  subject = "received User-Agent"
	differentPods  subject = "different pods" // that answered
	ingressStatus  subject = "Ingress status" // "an address", "no address"
)

// address of an Ingress: its status, which upstream awaits before all else.
var hasAddress = assertion{ingressStatus, "an address"}

// upstream is the table: each scenario of upstream's suite.
var upstream = []upstreamScenario{
	defaultBackend("GET", "http://my-host", "/"),
	defaultBackend("GET", "http://my-host", "/sub-path"),
	defaultBackend("POST", "http://some-host", "/"),
	defaultBackend("PUT", "http://"+address, "/resource"), // no host: upstream's client names the address then
	defaultBackend("DELETE", "http://some-host", "/resource"),
	defaultBackend("PATCH", "http://my-host", "/resource"),

	asked("host_rules", "https://foo.bar.com", hasAddress, assertion{certifiedFor, "foo.bar.com"}, assertion{statusCode, "200"},
		assertion{byService, "foo-bar-com"}, assertion{receivedHost, "foo.bar.com"}),
	asked("host_rules", "http://foo.bar.com", hasAddress, assertion{statusCode, "200"}, assertion{byService, "foo-bar-com"}, assertion{receivedHost, "foo.bar.com"}),
	asked("host_rules", "http://subdomain.bar.com", hasAddress, assertion{statusCode, "404"}),
	asked("host_rules", "http://bar.foo.com", hasAddress, assertion{statusCode, "200"}, assertion{byService, "wildcard-foo-com"}, assertion{receivedHost, "bar.foo.com"}),
	asked("host_rules", "http://baz.bar.foo.com", hasAddress, assertion{statusCode, "404"}),
	asked("host_rules", "http://foo.com", hasAddress, assertion{statusCode, "404"}),

	{feature: "ingress_class", assertions: []assertion{{ingressStatus, "no address"}}},

	{feature: "load_balancing", method: "GET", url: "http://load-balancing", times: 100,
		assertions: []assertion{hasAddress, {statusCode, "200"}, {differentPods, "10"}}},

	path("exact-path-rules", "/foo", "foo-exact"),
	path("exact-path-rules", "/foo/", ""),
	path("exact-path-rules", "/FOO", ""),
	path("exact-path-rules", "/bar", ""),
	path("prefix-path-rules", "/foo", "foo-prefix"),
	path("prefix-path-rules", "/foo/", "foo-prefix"),
	path("prefix-path-rules", "/FOO", ""),
	path("prefix-path-rules", "/aaa/bbb", "aaa-slash-bbb-prefix"),
	path("prefix-path-rules", "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
	path("prefix-path-rules", "/aaa/ccc", "aaa-prefix"),
	path("prefix-path-rules", "/aaaccc", ""),
	path("prefix-path-rules", "/foo/", "foo-prefix"), // upstream has it twice
	path("mixed-path-rules", "/foo", "foo-exact"),
	path("trailing-slash-path-rules", "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
	path("trailing-slash-path-rules", "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
	path("trailing-slash-path-rules", "/foo", ""),
}

func asked(feature, url string, assertions ...assertion) upstreamScenario {
	return upstreamScenario{feature: feature, method: "GET", url: url, times: 1, assertions: assertions}
}

// defaultBackend is an example of the outline of that feature.
func defaultBackend(method, host, path string) upstreamScenario {
	s := asked("default_backend", host+path, hasAddress, assertion{statusCode, "200"}, assertion{byService, "echo-service"}, assertion{responseProto, "HTTP/1.1"},
		assertion{responseHeader, "Content-Length"}, assertion{responseHeader, "Content-Type"}, assertion{responseHeader, "Date"}, assertion{responseHeader, "Server"},
		assertion{receivedMethod, method}, assertion{receivedPath, path}, assertion{receivedProto, "HTTP/1.1"}, assertion{receivedAgent, "Go-http-client/1.1"})
	s.method = method
	return s
}

// path asks for a path that a Service answers, or nobody.
func path(host, path, by string) upstreamScenario {
	if by == "" {
		return asked("path_rules", "http://"+host+path, hasAddress, assertion{statusCode, "404"})
	}
	return asked("path_rules", "http://"+host+path, hasAddress, assertion{statusCode, "200"}, assertion{byService, by}, assertion{receivedPath, path})
}

// TestUpstreamTable: all scenarios of upstream's suite are there, and README.md says so.
func TestUpstreamTable(t *testing.T) {
	if len(upstream) != 30 {
		t.Errorf("%d scenarios, of 30", len(upstream))
	}
	for _, f := range features {
		if n := len(scenarios(f.name)); n != f.scenarios {
			t.Errorf("%s: %d scenarios, of %d", f.name, n, f.scenarios)
		}
	}
	want := page()
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("README.md"); err != nil || string(got) != want {
		t.Errorf("README.md is not what the table says (%v): go test ./test/conformance -update", err)
	}
}

// scenarios are the scenarios of a feature.
func scenarios(feature string) (all []upstreamScenario) {
	for _, s := range upstream {
		if s.feature == feature {
			all = append(all, s)
		}
	}
	return all
}

// page is README.md.
func page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Conformance

[kubernetes-sigs/ingress-controller-conformance](%s) has 30 scenarios of what every Ingress controller should do. It is no module that can be
imported, so they are written anew here, with every one of their assertions, and run on a real API server with real controllers and a real Envoy:

`+"```\nmake envoy kube build\ngo test -tags real -run TestUpstream -v ./test/conformance\n```"+`

Scenario 8 needs a setting of the class, `+"`ssl-redirect: \"false\"`"+`: it asks a host that has a certificate by http, and wants no redirect.
By default Legation redirects it by 308, as ingress-nginx does. The other tests of this folder are of our own.

This page is written by `+"`go test ./test/conformance -update`"+`.

| # | feature | request | assertions | test |
|---|---|---|---|---|
`, upstreamURL)
	number := 0
	for _, f := range features {
		for i, s := range scenarios(f.name) {
			number++
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s/%d |\n", number, s.feature, s.request(), s.asserted(), f.test, i+1)
		}
	}
	return b.String()
}

func (s upstreamScenario) request() string {
	switch s.times {
	case 0:
		return "none; an Ingress of a class that is not there"
	case 1:
		return fmt.Sprintf("%s `%s`", s.method, s.url)
	}
	return fmt.Sprintf("%d times %s `%s`", s.times, s.method, s.url)
}

func (s upstreamScenario) asserted() string {
	var all []string
	for _, a := range s.assertions {
		all = append(all, fmt.Sprintf("%s `%s`", a.of, a.want))
	}
	return strings.Join(all, ", ")
}
