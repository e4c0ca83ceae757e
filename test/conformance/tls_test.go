//go:build real

package conformance

import (
	"crypto/tls"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/kube"
)

// secured is an Ingress whose hosts have a certificate.
func secured(secret string, i *networkingv1.Ingress) *networkingv1.Ingress {
	section := networkingv1.IngressTLS{SecretName: secret}
	for _, r := range i.Spec.Rules {
		section.Hosts = append(section.Hosts, r.Host)
	}
	i.Spec.TLS = append(i.Spec.TLS, section)
	return i
}

// TestTLS: each host presents its own certificate, plain requests are sent there,
// and rules hold over TLS.
func TestTLS(t *testing.T) {
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	var secrets []kube.Object
	for name, host := range map[string]string{"foo-tls": "foo.secure.test", "bar-tls": "bar.secure.test", "wildcard-tls": "*.wild.test"} {
		s, err := fixture.New("", 0).Secret(authority, name, host)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	scenario{
		services: []string{"foo", "bar", "wildcard"},
		objects:  secrets,
		roots:    authority.Roots(),
		ingresses: []*networkingv1.Ingress{
			secured("foo-tls", ingress("foo", host("foo.secure.test", prefix("/foo", "foo"), exact("/bar", "bar")))),
			secured("bar-tls", ingress("bar", host("bar.secure.test", prefix("/", "bar")))),
			secured("wildcard-tls", ingress("wildcard", host("*.wild.test", prefix("/", "wildcard")))),
		},
		requests: []request{ // roots and host names are checked by the client
			{name: "a host's own certificate", url: "https://foo.secure.test/foo", want: "200 foo"},
			{name: "another path of it", url: "https://foo.secure.test/bar", want: "200 bar"},
			{name: "a path that it has not", url: "https://foo.secure.test/", want: "404"},
			{name: "another host's own certificate", url: "https://bar.secure.test/", want: "200 bar"},
			{name: "a wildcard certificate", url: "https://any.wild.test/", want: "200 wildcard"},
			{name: "a plain request", url: "http://foo.secure.test/foo?a=b", want: "308 https://foo.secure.test/foo?a=b"},
		},
	}.play(t)

	for name, want := range map[string][]string{"foo.secure.test": {"foo.secure.test"}, "any.wild.test": {"*.wild.test"}} {
		conn, err := tls.Dial("tcp", legation.Envoys[0].HTTPS, &tls.Config{ServerName: name, RootCAs: authority.Roots()})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames; !slices.Equal(got, want) {
			t.Errorf("%s presents a certificate for %v", name, got)
		}
		conn.Close()
	}
	// A name that no section has is presented the certificate of the node.
	conn, err := tls.Dial("tcp", legation.Envoys[0].HTTPS, &tls.Config{ServerName: "nobody.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0].DNSNames; slices.Contains(got, "foo.secure.test") || slices.Contains(got, "bar.secure.test") {
		t.Errorf("a name of nobody presents a certificate for %v", got)
	}
}
