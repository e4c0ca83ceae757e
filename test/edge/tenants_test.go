//go:build real

package edge

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/policy"
	"legation.dev/translator/worlds"
)

// The owner's namespace, and that of somebody who may write all that he likes.
const owner, neighbour = worlds.Namespace, worlds.OtherSpace

// row is something that the neighbour writes.
type row struct {
	name    string
	objects []input.Object
}

// TestTenants: whatever the owner of one namespace writes, field by field, the hosts of
// another one that were there before are answered as before, on the same Envoy: status,
// Service, Location and certificate, by http and by https. The class honours all that
// ingress-nginx has. translator's test of the same name draws all fields together.
func TestTenants(t *testing.T) {
	s, apply := tenantsOn(t, "namespace")
	apply(backends(t, owner)...)
	apply(ownersHosts()...)
	before := answersOf(t, s)
	for _, want := range []string{"http plain.test/: 200 shop", "https plain.test/: 200 shop", "http tls.test/: 308  https://tls.test", "https x.wild.test/a: 200 shop", "http a.lent.test/: 308  https://a.lent.test", "https a.lent.test/: 200 shop"} {
		if !slices.ContainsFunc(before, func(a string) bool { return strings.HasPrefix(a, want) }) {
			t.Fatalf("no %q in %q", want, before)
		}
	}
	for i, r := range rows(t) {
		apply(r.objects...)
		after := answersOf(t, s)
		if taken, err := answerTo(s, "https", "b.lent.test", "/"); i == 0 && !strings.HasPrefix(taken, "200 "+neighbour) {
			t.Errorf("%s did not take *.lent.test: %s, %v", r.name, taken, err)
		}
		for i, a := range after {
			if a != before[i] {
				t.Errorf("%s: %s, and before: %s", r.name, a, before[i])
			}
		}
		for _, o := range r.objects {
			s.Change(input.Delete(o.Ref()))
		}
	}
}

// tenantsOn starts an Envoy for a class that honours all that ingress-nginx has. What is applied
// has landed.
func tenantsOn(t *testing.T, ownership string) (s *inprocess.Stack, apply func(...input.Object)) {
	t.Helper()
	s, err := inprocess.Start(t.Context(), inprocess.Options{Settings: map[string]string{
		"compatibility": "ingress-nginx", "host-ownership": ownership, "external-names": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func(list ...input.Object) {
		for _, o := range list {
			s.Change(lower.Put(o))
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSharedHosts: where a class shares hosts, somebody else may have a path of his own, and
// whatever annotations he has there, the other paths of the host are answered as before.
func TestSharedHosts(t *testing.T) {
	s, apply := tenantsOn(t, "shared")
	apply(slices.Concat(backends(t, owner), backends(t, neighbour), ownersHosts())...)
	before := answersOf(t, s)
	for _, chunk := range append(saidAtOnce(), map[string]string{}) { // at last without any
		o := theirs(func(o *input.Ingress) {
			o.Rules, o.TLS = nil, nil
			for _, host := range []string{"plain.test", "tls.test", "*.wild.test"} {
				o.Rules = append(o.Rules, rule(host, input.PathPrefix, "/theirs"))
			}
			maps.Copy(o.Annotations, chunk)
		})
		apply(o)
		for i, a := range answersOf(t, s) {
			if a != before[i] {
				t.Errorf("with %q: %s, and before: %s", slices.Sorted(maps.Keys(chunk)), a, before[i])
			}
		}
	}
	if a, err := answerTo(s, "http", "plain.test", "/theirs"); !strings.HasPrefix(a, "200 "+neighbour) {
		t.Errorf("his path answers %s, %v", a, err)
	}
}

func metaOf(namespace, name string, born time.Time) input.Meta {
	return input.Meta{Namespace: namespace, Name: name, Created: born, Annotations: map[string]string{}}
}

// backends are the Services of a namespace, with one echo server.
func backends(t *testing.T, namespace string) (list []input.Object) {
	t.Helper()
	s, err := echo.Start(namespace, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	for _, name := range []string{"web", "pages"} {
		list = append(list, input.Seal(&input.Service{Meta: metaOf(namespace, name, time.Time{}), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http", Protocol: "TCP"}}}),
			sliceOf(namespace, name, s.Addr().String()))
	}
	return list
}

// sliceOf are endpoints of a Service of its namespace.
func sliceOf(namespace, service, address string) *input.Slice {
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	return input.Seal(&input.Slice{Meta: metaOf(namespace, service+"-0", time.Time{}), Service: service, AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: int32(port)}},
		Endpoints: []input.Endpoint{{Addresses: []string{host}, Ready: true, Serving: true}}})
}

// rule leads the paths of a host to a Service of its namespace.
func rule(host string, kind input.PathType, paths ...string) input.Rule {
	r := input.Rule{Host: host}
	for _, p := range paths {
		r.Paths = append(r.Paths, input.Path{Path: p, Type: kind, Backend: input.Backend{Service: "web", Port: 80}})
	}
	return r
}

// ownersHosts are a host without TLS, one with a certificate, a wildcard, and a host that has
// the certificate of a wildcard which is no more than an alias: by a rule it is anybody's.
func ownersHosts() []input.Object {
	class, born := inprocess.Class, time.Unix(0, 0)
	certificate, key := selfSigned("tls.test", "*.wild.test", "lends.test", "*.lent.test")
	lends := metaOf(owner, "lends", born)
	lends.Annotations[nginx.Prefix+"server-alias"] = "*.lent.test"
	return []input.Object{
		input.Seal(&input.Secret{Meta: metaOf(owner, "cert", born), Certificate: certificate, Key: key}),
		input.Seal(&input.Ingress{Meta: metaOf(owner, "hosts", born), ClassName: &class,
			TLS:   []input.TLS{{Hosts: []string{"tls.test", "*.wild.test"}, Secret: "cert"}},
			Rules: []input.Rule{rule("tls.test", input.PathPrefix, "/"), rule("*.wild.test", input.PathPrefix, "/a")}}),
		// By itself: a compatible class redirects all hosts of an Ingress with a TLS section.
		input.Seal(&input.Ingress{Meta: metaOf(owner, "plain", born), ClassName: &class, Rules: []input.Rule{rule("plain.test", input.PathPrefix, "/")}}),
		input.Seal(&input.Ingress{Meta: lends, ClassName: &class, TLS: []input.TLS{{Hosts: []string{"lends.test"}, Secret: "cert"}}, Rules: []input.Rule{rule("lends.test", input.PathPrefix, "/")}}),
		input.Seal(&input.Ingress{Meta: metaOf(owner, "lent", born), ClassName: &class, Rules: []input.Rule{rule("a.lent.test", input.PathPrefix, "/")}}),
	}
}

// theirs is an Ingress of the neighbour for every name that the owner has, and for those
// below and above.
func theirs(edit func(o *input.Ingress)) *input.Ingress {
	class := inprocess.Class
	o := &input.Ingress{Meta: metaOf(neighbour, "all", time.Unix(3600, 0)), ClassName: &class}
	for _, host := range []string{"plain.test", "tls.test", "*.wild.test", "x.wild.test", "*.test", "*.x.wild.test", "*.lent.test", "own.test", ""} {
		o.Rules = append(o.Rules, rule(host, input.PathExact, "/", "/a", "/login"), rule(host, input.PathPrefix, "/", "/a"))
		if host != "" {
			o.TLS = append(o.TLS, input.TLS{Hosts: []string{host}, Secret: "cert"})
		}
	}
	edit(o)
	return input.Seal(o)
}

// rows are all fields of all kinds: what else there is beside the field is as harmful as can be.
func rows(t *testing.T) (list []row) {
	certificate, key := selfSigned("plain.test", "tls.test", "*.wild.test", "*.test", "*.lent.test")
	standing := append(backends(t, neighbour), input.Seal(&input.Secret{Meta: metaOf(neighbour, "cert", time.Time{}), Certificate: certificate, Key: key, Authorities: certificate}))
	add := func(name string, more ...input.Object) {
		list = append(list, row{name, append(slices.Clone(standing), more...)})
	}
	ingress := func(name string, edit func(o *input.Ingress)) { add("Ingress: "+name, theirs(edit)) }
	ingress("rules and TLS sections", func(*input.Ingress) {})
	ingress("the annotation of the class", func(o *input.Ingress) {
		o.ClassName, o.Annotations[input.ClassAnnotation] = nil, inprocess.Class
	})
	ingress("a TLS section without rules", func(o *input.Ingress) { o.Rules = o.Rules[:0] })
	ingress("a TLS section without a Secret", func(o *input.Ingress) {
		for i := range o.TLS {
			o.TLS[i].Secret = ""
		}
	})
	ingress("defaultBackend", func(o *input.Ingress) { o.DefaultBackend = &input.Backend{Service: "web", Port: 80} })
	ingress("defaultBackend alone", func(o *input.Ingress) {
		o.Rules, o.DefaultBackend = nil, &input.Backend{Service: "web", PortName: "http"}
	})
	ingress("a resource", func(o *input.Ingress) { o.Rules[1].Paths[0].Backend = input.Backend{Resource: "Bucket/static"} })
	ingress("ImplementationSpecific", func(o *input.Ingress) {
		for i := range o.Rules {
			o.Rules[i] = rule(o.Rules[i].Host, input.PathImplementationSpecific, "/.*", "/(x", "", "/A", "/.well-known/acme-challenge/token")
		}
	})
	ingress("older than its rules say", func(o *input.Ingress) { o.Created = time.Unix(1, 0) })
	for i, chunk := range saidAtOnce() {
		ingress(fmt.Sprintf("annotations %d %q", i, slices.Sorted(maps.Keys(chunk))), func(o *input.Ingress) { maps.Copy(o.Annotations, chunk) })
	}
	for name, edit := range serviceFields {
		o := &input.Service{Meta: metaOf(neighbour, "web", time.Time{}), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http", Protocol: "TCP"}}}
		edit(o)
		add("Service: "+name, theirs(func(*input.Ingress) {}), input.Seal(o))
	}
	add("EndpointSlice: of a Service that the owner has", sliceOf(neighbour, "pages", "127.0.0.1:1"), input.Seal(&input.Slice{Meta: metaOf(neighbour, "names", time.Time{}), Service: "web",
		AddressType: "FQDN", Ports: []input.SlicePort{{Name: "http", Port: 80}}, Endpoints: []input.Endpoint{{Addresses: []string{"localhost"}, Ready: true, Serving: true}}}))
	add("Secret: broken", theirs(func(*input.Ingress) {}), input.Seal(&input.Secret{Meta: metaOf(neighbour, "cert", time.Time{}), Certificate: []byte("x"), Key: []byte("x")}))
	return list
}

var serviceFields = map[string]func(*input.Service){
	"annotations": func(o *input.Service) {
		maps.Copy(o.Annotations, map[string]string{policy.Prefix + "max-connections": "1"})
	},
	"externalName":        func(o *input.Service) { o.ExternalName = "localhost" },
	"clusterIP: None":     func(o *input.Service) { o.Headless = true },
	"no selector":         func(o *input.Service) { o.NoSelector = true },
	"ipFamilies":          func(o *input.Service) { o.Family = "IPv6" },
	"trafficDistribution": func(o *input.Service) { o.PrefersZone = true },
	"appProtocol":         func(o *input.Service) { o.Ports[0].AppProtocol = "https" },
	"protocol":            func(o *input.Service) { o.Ports[0].Protocol = "UDP" },
	"targetPort":          func(o *input.Service) { o.Ports[0].TargetPort = "1" },
}

// together is how many annotations stand on one Ingress.
const together = 24

// saidAtOnce are all texts of all annotations, each name once in a chunk.
func saidAtOnce() (chunks []map[string]string) {
	texts := worlds.Ours()
	maps.Copy(texts, worlds.Said(nginx.Prefix, nginx.Names()))
	for round, left := 0, true; left; round++ {
		left = false
		var chunk map[string]string
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			if round >= len(texts[name]) {
				continue
			}
			if left = true; len(chunk) == 0 || len(chunk) == together {
				chunk = map[string]string{}
				chunks = append(chunks, chunk)
			}
			chunk[name] = texts[name][round]
		}
	}
	return chunks
}

// answersOf are what Envoy answers for all names of the owner.
func answersOf(t *testing.T, s *inprocess.Stack) (list []string) {
	t.Helper()
	for _, host := range []string{"plain.test", "tls.test", "w.wild.test", "x.wild.test", "a.lent.test"} {
		for _, path := range []string{"/", "/a", "/login", "/.well-known/acme-challenge/token"} {
			for _, scheme := range []string{"http", "https"} {
				a, err := answerTo(s, scheme, host, path)
				if err != nil {
					a = err.Error()
				}
				list = append(list, fmt.Sprintf("%s %s%s: %s", scheme, host, path, a))
			}
		}
	}
	return list
}

func answerTo(s *inprocess.Stack, scheme, host, path string) (_ string, err error) {
	address, certificate := s.HTTP, ""
	if scheme == "https" {
		address = s.HTTPS
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if scheme == "https" {
		c := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			return "", err
		}
		conn, certificate = c, fmt.Sprintf("%.4x", sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw))
	}
	if _, err := io.WriteString(conn, get(host, path, "", "")); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %s %s", resp.StatusCode, resp.Header.Get(echo.HeaderService), resp.Header.Get("Location"), certificate), resp.Body.Close()
}
