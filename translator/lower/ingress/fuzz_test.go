package ingress_test

import (
	"encoding/json"
	"strings"
	"testing"

	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/ingress"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// annotationKeys are those that anybody reads, and one that nobody knows.
func annotationKeys() []string {
	keys := []string{input.ClassAnnotation, policy.Prefix + "no-such-setting", nginx.Prefix + "auth-of-tomorrow"}
	for _, s := range policy.Table() {
		keys = append(keys, policy.Prefix+s.Name)
	}
	for _, name := range nginx.Names() {
		keys = append(keys, nginx.Prefix+name)
	}
	return keys
}

// FuzzLower: whatever stands in an Ingress, also what no API server lets pass,
// lowering ends, gives the same again, and lets nothing into the model that Envoy
// could stumble over: hosts, paths and names are valid, and each field is told of.
func FuzzLower(f *testing.F) {
	keys := annotationKeys()
	for i, value := range []string{"", "true", "10.0.0.0/8", "5s", "edge"} {
		f.Add(uint16(i*7), value, "a.test", "/a", "Prefix", "web", int32(80), "", "a.test", "shop")
	}
	f.Add(uint16(3), "1", "*.test", "/a//b", "Exact", "Web", int32(0), "http", "a.*.test", "shop")
	f.Add(uint16(5), "\x00", "10.0.0.1", "/%2f?", "", "", int32(-1), "Http_1", route.DefaultCertificate, "")
	f.Add(uint16(9), "x", "", "", "ImplementationSpecific", "a/b", int32(70000), "", "*", "a b")
	f.Fuzz(func(t *testing.T, key uint16, value, host, path, kind, service string, port int32, portName, tlsHost, namespace string) {
		b := input.Backend{Service: service, Port: port, PortName: portName}
		o := input.Seal(&input.Ingress{
			Meta:           input.Meta{Namespace: namespace, Name: "fuzzed", Annotations: map[string]string{keys[int(key)%len(keys)]: value}},
			DefaultBackend: &b,
			Rules: []input.Rule{{Host: host, Paths: []input.Path{{Path: path, Type: input.PathType(kind), Backend: b}}},
				{Host: tlsHost, Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: b}}}},
			TLS: []input.TLS{{Hosts: []string{tlsHost, host}, Secret: service}},
		})
		l := ingress.Lower(o)
		if once, again := text(t, l), text(t, ingress.Lower(o)); once != again || l.Sum() != o.Sum() {
			t.Errorf("lowered twice:\n%s\n%s", once, again)
		}
		for _, h := range l.Hosts {
			checkHost(t, h)
		}
		for _, r := range l.References {
			if b := r.Backend; b != nil && (!route.Label(b.Namespace) || !route.Label(b.Service) || !route.Label(b.Port) || b.Cluster() == "" || r.Field == "") {
				t.Errorf("a reference to %+v at %q", *b, r.Field)
			}
		}
		for _, p := range l.Findings {
			checkFinding(t, p, o)
		}
		checkAction(t, l.Fallback)
	})
}

// text is all of a fragment; settings hold functions, which nothing else compares.
func text(t *testing.T, f *route.Fragment) string {
	t.Helper()
	body, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	all := string(body) + "\n" + f.Policy.String()
	for _, r := range f.References {
		if r.Backend != nil {
			all += "\n" + r.Backend.Cluster() + " " + r.Backend.Policy.String()
		}
	}
	return all
}

func checkHost(t *testing.T, h route.Host) {
	t.Helper()
	if h.Name != route.Any && len(input.BadHost(h.Name)) > 0 {
		t.Errorf("host %q", h.Name)
	}
	for _, r := range h.Rules {
		if !strings.HasPrefix(r.Match.Path, "/") || strings.ContainsAny(r.Match.Path, " \x00\r\n") || r.Name == "" || r.Field == "" {
			t.Errorf("rule %+v", r)
		}
		checkAction(t, &r.Action)
	}
	for _, s := range h.TLS {
		if h.Name == route.Any || h.Name == route.DefaultCertificate || s.Field == "" {
			t.Errorf("TLS section %+v of %q", s, h.Name)
		}
	}
}

// checkAction: it leads somewhere that may exist, or says why not.
func checkAction(t *testing.T, a *route.Action) {
	t.Helper()
	if a == nil {
		return
	}
	if (len(a.Targets) == 0) != (a.Wrong != nil && a.Status == 503) {
		t.Errorf("action %+v", *a)
	}
	for _, target := range a.Targets {
		if b := target.Backend; !route.Label(b.Namespace) || !route.Label(b.Service) || !route.Label(b.Port) {
			t.Errorf("backend %+v", target.Backend)
		}
	}
}

func checkFinding(t *testing.T, p finding.Finding, o *input.Ingress) {
	t.Helper()
	if p.Object != o.Ref() || p.Field == "" || p.Message == "" {
		t.Errorf("finding %+v", p)
	}
}
